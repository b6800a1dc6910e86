"""The results of a simulation: plain NumPy arrays, in torch's order of neurons, saved as npz and json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.coding.delayed_evaluation import delayed_scores
from brianconv.early_decision import EarlyDecisions
from brianconv.errors import DataError, ParameterError, UnknownLayerError
from brianconv.files import json_writer, writable_folder, write_together
from brianconv.monitored import Monitored, checked_variables
from brianconv.notebook import html_table, pandas_for
from brianconv.positions import Position, position_of_torch_index, torch_index
from brianconv.saved_recording import ARRAYS, SUMS, read_saved
from brianconv.spike_trains import SpikeTrain
from brianconv.stopping import stopped
from brianconv.values import check_choice

LATENCY_PERCENTS = ("99.0", "99.5", "99.9")
WHOLE = 0.01  # in single precision, score times step differs from a spike count by less


def check_labels(labels: np.ndarray, n_images: int, n_classes: int) -> None:
    """Raise DataError unless there is one of the network's classes for each image."""
    try:
        values = np.asarray(labels)
    except ValueError as error:  # lists of different lengths
        raise DataError(f"labels are no array: {error}") from error
    shape = values.shape
    if shape != (n_images,):
        raise DataError(
            f"labels have shape {shape}; there must be {n_images}, one class number per image: "
            "use labels.argmax(axis=1) for one-hot labels"
        )
    if values.dtype.kind not in "iu" or not values.size or values.min() < 0 or values.max() >= n_classes:
        raise DataError(f"labels must be whole numbers from 0 to {n_classes - 1}, one of the network's classes each")


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of one population, in the order in which they were fired.

    Attributes
    ----------
    image, step, torch_index : arrays of int, shape (n_spikes,)
        Index of the image, step within it (from 1), and neuron in torch's flat (channel, row, column) order.
    """

    image: np.ndarray
    step: np.ndarray
    torch_index: np.ndarray

    def of_image(self, image: int) -> Spikes:
        """Return the spikes of one image."""
        chosen = self.image == image
        return Spikes(self.image[chosen], self.step[chosen], self.torch_index[chosen])

    def dense(self, n_images: int, n_steps: int, n_neurons: int) -> np.ndarray:
        """Return a boolean array of shape (n_images, n_steps, n_neurons)."""
        fired = np.zeros((n_images, n_steps, n_neurons), dtype=bool)
        fired[self.image, self.step - 1, self.torch_index] = True
        return fired


@dataclass(frozen=True, eq=False)
class Potentials:
    """Membrane potentials of chosen neurons of one population, sampled after integration and before the reset.

    Attributes
    ----------
    torch_index : array of int, shape (n_recorded,)
        Neurons in torch's flat order; `Recording.positions` names them.
    values : array, shape (n_images, n_steps, n_recorded)
        In the units of the equations, mV where these are in volts; NaN after an image was decided.
    variables : mapping of str to array
        Other variables that were recorded at the same moments, each of the same shape: numbers without a unit as they
        are, others in base units of SI (volt, second), conditions as 0 and 1.
    """

    torch_index: np.ndarray
    values: np.ndarray
    variables: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of_images(self, images: Sequence[int]) -> Potentials:
        """Return what was recorded while some images were shown."""
        variables = {name: values[list(images)] for name, values in self.variables.items()}
        return Potentials(self.torch_index, self.values[list(images)], variables)


@dataclass(frozen=True, eq=False)
class Recording:
    """The outcome of a simulation of many images.

    Attributes
    ----------
    layers : tuple of str
        Names of the populations, the input first.
    scores : array, shape (n_images, n_steps, n_classes)
        NaN after an image was decided.
    spike_counts_by_image, synaptic_operations_by_image : arrays of int, shape (n_images, n_steps, n_layers)
        0 after an image was decided. Pixels that enter as analog values are not spikes: they are not in here.
    analog_operations_by_image : array of int, shape (n_images, n_steps)
        Operations of analog pixels instead of spikes: non-zero pixels times their fan-out, in every step in which they
        drive the network, although their products with the weights stay the same.
    steps : array of int, shape (n_images,)
        Number of steps that each image took.
    decided : array of bool, shape (n_images,)
        Whether early decision ended the image; False where it took all steps.
    early_decision : float or None
        Threshold of early decision, if there was one.
    evaluation_delay : int
        Steps that did not count (delayed evaluation); there is no decision before step evaluation_delay + 1.
    ann_scores : array, shape (n_images, n_classes)
        Output of the network before conversion.
    shapes : mapping of str to tuple
        Shape of each population, (channels, rows, columns) or (features,).
    spikes : mapping of str to Spikes
        For the input, spikes only, not analog pixels.
    potentials : mapping of str to Potentials
    timing : mapping of str to float
        Seconds: build_s, simulate_s.
    parameters : mapping
        ``parameters[name][population]``, the values of the coding scheme's parameters in this run.
    dt_ms : float
        Length of a step in ms.
    output_scale : float
        What a normalised output of 1 corresponds to in the units of the network before conversion.
    output_shift : float
        Constant that was added to all outputs in these units, so that the winner of every image is above 0.
    score_of_one : array, shape (n_steps,), or None
        The score that stands for a normalised output of 1 after each step; None if it is 1.
    rectified : bool
        Whether the output has a ReLU, which a potential that accumulates does not have.
    spiking : SpikingNetwork or None
        The network that was simulated; None for a recording that was loaded from files.
    monitors : mapping of str to Monitored
        What monitors of your own have recorded, by their names; see ``extend`` of `Simulation`.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> recording = simulate(convert(model, images), images, 10, record_spikes=["layer_0"])
    >>> isinstance(recording, Recording)
    True
    >>> recording.scores.shape, recording.decisions.shape
    ((5, 10, 2), (5,))
    >>> recording.spike_counts_by_image.shape
    (5, 10, 3)
    """

    layers: tuple[str, ...]
    scores: np.ndarray
    spike_counts_by_image: np.ndarray
    synaptic_operations_by_image: np.ndarray
    analog_operations_by_image: np.ndarray
    steps: np.ndarray
    decided: np.ndarray
    evaluation_delay: int
    ann_scores: np.ndarray
    shapes: Mapping[str, tuple[int, ...]]
    spikes: Mapping[str, Spikes] = field(default_factory=dict)
    potentials: Mapping[str, Potentials] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    early_decision: float | None = None
    parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    dt_ms: float = 1.0
    output_scale: float = 1.0
    output_shift: float = 0.0
    score_of_one: np.ndarray | None = None
    rectified: bool = False
    spiking: Any = None
    monitors: Mapping[str, Monitored] = field(default_factory=dict)

    def __repr__(self) -> str:
        recorded = ", ".join(self.spikes) or "none"
        return f"<Recording of {self.n_images} images, {self.n_steps} steps; spikes of: {recorded}>"

    def _repr_html_(self) -> str:
        by_layer = self.spike_counts.sum(axis=0) / self.n_images
        rows = [
            (
                name,
                " x ".join(map(str, self.shapes[name])),
                f"{count:,.1f}",
                f"{count / np.prod(self.shapes[name]):.3g}",
                "yes" if name in self.spikes else "no",
                len(self.potentials[name].torch_index) if name in self.potentials else 0,
            )
            for name, count in zip(self.layers, by_layer, strict=True)
        ]
        heading = ("layer", "shape", "spikes per image", "per neuron", "spikes recorded", "potentials recorded")
        return html_table(f"Recording of {self.n_images} images, {self.n_steps} steps", heading, rows)

    @cached_property
    def spike_counts(self) -> np.ndarray:
        """Spikes of each layer in each step, summed over images, shape (n_steps, n_layers)."""
        return self.spike_counts_by_image.sum(axis=0)

    @cached_property
    def synaptic_operations(self) -> np.ndarray:
        """Synaptic operations of each layer in each step, summed over images, shape (n_steps, n_layers)."""
        return self.synaptic_operations_by_image.sum(axis=0)

    @cached_property
    def analog_operations(self) -> np.ndarray:
        """Operations of analog pixels in each step, summed over images, shape (n_steps,)."""
        return self.analog_operations_by_image.sum(axis=0)

    @property
    def n_images(self) -> int:
        return self.scores.shape[0]

    @property
    def n_steps(self) -> int:
        return self.scores.shape[1]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output: (n_classes,), or (channels, rows, columns) of a network that returns images."""
        return tuple(self.shapes[self.layers[-1]])

    @property
    def returns_images(self) -> bool:
        """Whether the output is an image, measured by its error at each step, instead of class scores."""
        return len(self.output_shape) > 1

    def outputs(self, step: int | None = None) -> np.ndarray:
        """Return the output after a step in the units of the network before conversion, (n_images, *output_shape).

        Parameters
        ----------
        step : int, optional
            Counted from 1; by default the last one.

        Raises
        ------
        ParameterError
            If there is no such step.
        """
        step = self.n_steps if step is None else step
        if not 1 <= step <= self.n_steps:
            raise ParameterError(f"step is {step}; the recording has steps 1 to {self.n_steps}")
        one = 1.0 if self.score_of_one is None else self.score_of_one[step - 1]
        scores = self.output_scale / one * self.scores[:, step - 1] - self.output_shift
        outputs = scores.reshape(self.n_images, *self.output_shape)
        return np.maximum(outputs, 0.0) if self.rectified else outputs

    @property
    def ann_outputs(self) -> np.ndarray:
        """Output of the network before conversion in its own units, shape (n_images, *output_shape)."""
        return (self.output_scale * self.ann_scores).reshape(self.n_images, *self.output_shape)

    @property
    def mean_squared_error_by_step(self) -> np.ndarray:
        """Mean squared difference to the output of the network before conversion after each step, shape (n_steps,)."""
        target = self.ann_outputs
        return np.array([np.mean((self.outputs(step) - target) ** 2) for step in range(1, self.n_steps + 1)])

    @property
    def decisions_by_step(self) -> np.ndarray:
        """Class decided on at each step, shape (n_images, n_steps); an early decision applies to all later steps."""
        last = np.minimum(np.arange(self.n_steps), self.steps[:, None] - 1)
        held = np.take_along_axis(self.scores, last[..., None], axis=1)
        return held.argmax(axis=2)

    @property
    def decisions(self) -> np.ndarray:
        """Class decided on for each image, shape (n_images,)."""
        return self.decisions_by_step[:, -1]

    @property
    def without_decision(self) -> np.ndarray:
        """Images in which no class was ahead at the end, shape (n_images,): all scores were equal, as before any spike.

        Their decision is the first class.
        """
        last = np.take_along_axis(self.scores, self.steps[:, None, None] - 1, axis=1)[:, 0]
        return (last == last[:, :1]).all(axis=1)

    @property
    def spikes_per_image(self) -> float:
        return float(self.spike_counts.sum() / self.n_images)

    def delayed(self, evaluation_delay: int) -> Recording:
        """Return what the same run gives with delayed evaluation, for outputs that fire (Hwang et al., 2021).

        Parameters
        ----------
        evaluation_delay : int
            Output spikes count from step evaluation_delay + 1 on.

        Raises
        ------
        ParameterError
            If scores are not firing rates over all steps, or the evaluation delay is as long as the run.
        """
        if self.evaluation_delay or self.decided.any():
            reason = (
                f"an evaluation delay of {self.evaluation_delay} steps" if self.evaluation_delay else "early decision"
            )
            raise ParameterError(f"delayed() takes a run in which every step counts; this one had {reason}")
        counts = self.scores * np.arange(1, self.n_steps + 1)[:, None]
        if np.any(np.abs(counts - np.rint(counts)) > WHOLE):
            raise ParameterError(
                "delayed() takes scores that are firing rates; the output of this run does not fire: use "
                "brianconv.coding.delayed_evaluation.skipped_scores"
            )
        return replace(self, scores=delayed_scores(self.scores, evaluation_delay), evaluation_delay=evaluation_delay)

    def of_images(self, images: Sequence[int]) -> Recording:
        """Return the part of the recording that belongs to some images, numbered from 0 in the order given.

        Parameters
        ----------
        images : sequence of int

        Raises
        ------
        ParameterError
            If one of them was not simulated, or is named twice.
        """
        chosen = [int(image) for image in images]
        for image in chosen:
            self._check_image(image)
        if not chosen or len(set(chosen)) < len(chosen):
            raise ParameterError(f"images are {chosen}; name at least one image, and each of them once")
        number = np.full(self.n_images, -1)
        number[chosen] = np.arange(len(chosen))
        spikes = {}
        for layer, of_all in self.spikes.items():
            kept = number[of_all.image] >= 0
            parts = Spikes(number[of_all.image[kept]], of_all.step[kept], of_all.torch_index[kept])
            order = np.argsort(parts.image, kind="stable")
            spikes[layer] = Spikes(parts.image[order], parts.step[order], parts.torch_index[order])
        potentials = {layer: of_all.of_images(chosen) for layer, of_all in self.potentials.items()}
        monitors = {name: of_all.of_images(chosen) for name, of_all in self.monitors.items()}
        return replace(
            self,
            spikes=spikes,
            potentials=potentials,
            monitors=monitors,
            **{name: getattr(self, name)[chosen] for name in ARRAYS},
        )

    def named(self, layer: str) -> str:
        """Return the name used here for a layer that may be named as in torch, such as ``stem.conv``."""
        return layer if layer in self.shapes or not isinstance(layer, str) else re.sub(r"\W", "_", layer)

    def spikes_of(self, layer: str) -> Spikes:
        """Return the recorded spikes of a layer; raise UnknownLayerError if they were not recorded."""
        layer = self.named(layer)
        if layer not in self.spikes:
            raise UnknownLayerError(
                f"the spikes of {layer!r} were not recorded; recorded are: {', '.join(self.spikes) or 'none'}"
            )
        return self.spikes[layer]

    def positions(self, layer: str) -> list[Position]:
        """Return the positions of the neurons of a layer whose potentials were recorded, in their order.

        Raises
        ------
        UnknownLayerError
            If none were recorded.
        """
        layer = self.named(layer)
        if layer not in self.potentials:
            recorded = ", ".join(self.potentials) or "none"
            raise UnknownLayerError(f"the potentials of {layer!r} were not recorded; recorded are: {recorded}")
        return [position_of_torch_index(self.shapes[layer], k) for k in self.potentials[layer].torch_index]

    def spike_steps(self, layer: str, position: Position | int, image: int = 0) -> np.ndarray:
        """Return the steps, from 1, in which one neuron fired while one image was shown.

        Parameters
        ----------
        layer : str
        position : tuple of int
            (channel, row, column), or (feature,).
        image : int
        """
        spikes = self.spikes_of(layer).of_image(image)
        return spikes.step[spikes.torch_index == torch_index(self.shapes[self.named(layer)], position)]

    def spike_train(self, layer: str, position: Position | int, image: int = 0) -> SpikeTrain:
        """Return the spikes of one neuron while one image was shown, in seconds, with intervals, rate and CV.

        Parameters
        ----------
        layer : str
        position : tuple of int
            (channel, row, column), or (feature,).
        image : int

        Raises
        ------
        UnknownLayerError
            If the spikes of the layer were not recorded.
        ParameterError
            If there is no such neuron or image.
        """
        self._check_image(image)
        seconds = self.dt_ms / 1000
        times = np.sort(self.spike_steps(layer, position, image)) * seconds
        return SpikeTrain(times, 0.0, float(self.steps[image]) * seconds)

    def psth(
        self, layer: str, bin_ms: float = 1.0, *, positions: Sequence[Position] | None = None,
        images: Sequence[int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return the peristimulus time histogram: the mean rate of neurons in Hz since the beginning of the images.

        Parameters
        ----------
        layer : str
        bin_ms : float
            Width of a bin; the last one may reach beyond the end.
        positions : sequence of positions, optional
            By default, all neurons of the layer.
        images : sequence of int, optional
            By default, all images.

        Returns
        -------
        edges, rates : array, shapes (n_bins + 1,) and (n_bins,)
            In seconds, and in spikes per second per neuron.

        Raises
        ------
        ParameterError
            If a bin is not a whole number of steps, or there is no such neuron or image.
        """
        per_bin = round(bin_ms / self.dt_ms)
        if per_bin < 1 or abs(per_bin * self.dt_ms - bin_ms) > 1e-9 * bin_ms:
            raise ParameterError(f"bin_ms is {bin_ms}; it is a whole number of steps of {self.dt_ms:g} ms")
        spikes, shape = self.spikes_of(layer), self.shapes[self.named(layer)]
        shown = list(range(self.n_images)) if images is None else list(images)
        for image in shown:
            self._check_image(image)
        counted = np.isin(spikes.image, shown)
        n_neurons = int(np.prod(shape))
        if positions is not None:
            neurons = [torch_index(shape, position) for position in positions]
            counted &= np.isin(spikes.torch_index, neurons)
            n_neurons = len(set(neurons))
        n_bins = -(-self.n_steps // per_bin)
        counts = np.bincount((spikes.step[counted] - 1) // per_bin, minlength=n_bins)
        edges = np.arange(n_bins + 1) * per_bin * self.dt_ms / 1000
        return edges, counts / (max(len(shown) * n_neurons, 1) * per_bin * self.dt_ms / 1000)

    def to_dataframe(self, what: str = "spikes") -> Any:
        """Return recorded spikes, or the results of the images, as a pandas DataFrame.

        Parameters
        ----------
        what : {"spikes", "images"}
            One row per recorded spike: image, layer, position (channel, row, column, or feature), step and time in
            seconds. Or one row per image: decision, steps, spikes, synaptic operations, and the score of each class.

        Raises
        ------
        ParameterError
            If pandas is not installed, or for another kind of table.
        """
        check_choice("what", what, ("spikes", "images"), "is")
        pandas = pandas_for("to_dataframe")
        if what == "images":
            last = np.take_along_axis(self.scores, self.steps[:, None, None] - 1, axis=1)[:, 0]
            columns = {
                "steps": self.steps,
                "decided": self.decided,
                "spikes": self.spike_counts_by_image.sum(axis=(1, 2)),
                "synaptic_operations": self.synaptic_operations_by_image.sum(axis=(1, 2)),
            }
            if not self.returns_images:
                columns = {"decision": self.decisions, **columns}
            columns |= {f"score_{k}": last[:, k] for k in range(last.shape[1])}
            return pandas.DataFrame(columns).rename_axis("image")
        tables = []
        for layer, spikes in self.spikes.items():
            places = np.unravel_index(spikes.torch_index, self.shapes[layer])
            names = ("channel", "row", "column") if len(places) == 3 else ("feature",)
            table = pandas.DataFrame({"image": spikes.image, "layer": layer, **dict(zip(names, places, strict=True))})
            tables.append(table.assign(step=spikes.step, time_s=spikes.step * self.dt_ms / 1000))
        order = ["image", "layer", "feature", "channel", "row", "column", "step", "time_s"]
        found = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame(columns=order)
        return found[[name for name in order if name in found]]

    def _check_image(self, image: int) -> None:
        if not isinstance(image, (int, np.integer)) or not 0 <= image < self.n_images:
            raise ParameterError(f"image is {image!r}; there are images 0 to {self.n_images - 1}")

    def accuracy_by_step(self, labels: np.ndarray) -> np.ndarray:
        """Return the share of correct decisions at each step, shape (n_steps,); 0 while no step counts yet."""
        self._check_labels(labels)
        correct = (self.decisions_by_step == np.asarray(labels)[:, None]).mean(axis=0)
        correct[: self.evaluation_delay] = 0.0
        return correct

    def accuracy(self, labels: np.ndarray) -> float:
        """Return the share of correct decisions at the end."""
        return float(self.accuracy_by_step(labels)[-1])

    def ann_accuracy(self, labels: np.ndarray) -> float:
        """Return the share of correct decisions of the network before conversion."""
        self._check_labels(labels)
        return float((self.ann_scores.argmax(axis=1) == np.asarray(labels)).mean())

    def stopped(self, stop: str) -> EarlyDecisions:
        """Return the decisions that a stopping rule would have made, from a recording of all steps.

        Parameters
        ----------
        stop : str
            Such as ``"lead >= 0.2"``; see `brianconv.stopping.StoppingRule`.

        Raises
        ------
        ParameterError
            If it is no rule, or images of this recording ended early already.
        """
        if self.decided.any():
            raise ParameterError("images of this recording ended early: record a run without early decision or stop")
        first = self.evaluation_delay + 1
        return stopped(self.scores, self.spike_counts_by_image[:, :, -1], stop, first)

    def latency(self, labels: np.ndarray, fraction: float = 0.99) -> int | None:
        """Return the first step at which the accuracy reaches a fraction of the ANN's; None if it never does.

        This is Hwang et al. (2021)'s definition of t99.0 %, t99.5 % and t99.9 %.

        Raises
        ------
        ParameterError
            If the fraction is not in (0, 1].
        """
        if not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
            raise ParameterError(f"fraction is {fraction!r}; it lies above 0 and not above 1")
        reached = np.flatnonzero(self.accuracy_by_step(labels) >= self.ann_accuracy(labels) * fraction - 1e-12)
        return int(reached[0]) + 1 if reached.size else None

    def latency_steps(self, labels: np.ndarray) -> dict[str, int | None]:
        """Return the latencies to 99.0, 99.5 and 99.9 % of the ANN's accuracy, as in result.json."""
        return {percent: self.latency(labels, float(percent) / 100) for percent in LATENCY_PERCENTS}

    def _check_labels(self, labels: np.ndarray) -> None:
        if self.returns_images:
            raise DataError("the network returns images, which have no classes: use mean_squared_error_by_step")
        check_labels(labels, self.n_images, self.scores.shape[2])

    def report(
        self,
        path: str | Path,
        images: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        *,
        shown: Sequence[int] = (0,),
        title: str = "",
        spiking: Any = None,
        details: Recording | None = None,
    ) -> Path:
        """Write one HTML file that shows the recording in a browser, without a network connection.

        Accuracy by step, layers, decisions and scores of single images, a raster in which a click shows the membrane of
        a neuron, maps of rates and first spikes, energy. A neuron has a trace if its potential was recorded.

        Parameters
        ----------
        path : str or Path
        images : array, shape (n_images, channels, rows, columns), optional
            Those that were simulated; without them there are no pictures and no comparison with the activations.
        labels : array of int, shape (n_images,), optional
            Without them there is no accuracy.
        shown : sequence of int
            Images that are shown one by one.
        title : str
        spiking : SpikingNetwork, optional
            The network of a recording that was loaded from files, which does not include it.
        details : Recording, optional
            Another simulation of the images shown, in their order, with spikes and potentials of more neurons.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        ParameterError
            If Bokeh is not installed, or an image was not simulated.
        DataError
            If images, labels or details do not fit.
        OutputError
            If the file cannot be written.
        """
        # the only import upwards: a recording knows nothing about reports but the name of their package
        report = import_module("brianconv.report")
        return report.write_report(
            self, path, images, labels, shown=shown, title=title, spiking=spiking, details=details
        )  # fmt: skip

    def save(self, folder: str | Path) -> None:
        """Write `recording.npz` and `recording.json` into a folder, both or neither; OutputError if it fails."""
        arrays: dict[str, np.ndarray] = {name: getattr(self, name) for name in (*ARRAYS, *SUMS)}
        for layer, spikes in self.spikes.items():
            columns = [spikes.image, spikes.step, spikes.torch_index]
            arrays[f"spikes/{layer}"] = np.stack(columns, axis=1).astype(np.int32)
        for layer, potentials in self.potentials.items():
            arrays[f"potentials/{layer}"] = potentials.values
            arrays[f"potential_neurons/{layer}"] = potentials.torch_index
            arrays |= {f"variables/{layer}/{name}": values for name, values in potentials.variables.items()}
        for monitor, found in self.monitors.items():
            arrays |= {f"monitors/{monitor}/{name}": values for name, values in found.variables.items()}
            arrays[f"monitors/{monitor}/t"] = found.t_ms
        about = {
            "layers": list(self.layers),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "evaluation_delay": self.evaluation_delay,
            "early_decision": self.early_decision,
            "parameters": {name: dict(values) for name, values in self.parameters.items()},
            "dt_ms": self.dt_ms,
            "output_scale": self.output_scale,
            "output_shift": self.output_shift,
            "rectified": self.rectified,
            "score_of_one": None if self.score_of_one is None else self.score_of_one.tolist(),
            "timing": dict(self.timing),
        }
        folder = writable_folder(folder)
        write_together(
            {
                folder / "recording.npz": lambda file: np.savez_compressed(file, **arrays),  # type: ignore[arg-type]
                folder / "recording.json": json_writer(about),
            }
        )

    @classmethod
    def load(cls, folder: str | Path) -> Recording:
        """Read what `save` wrote; raise DataError if the folder contains no recording, or a damaged one."""
        about, arrays = read_saved(folder)
        recorded = [name.partition("/")[::2] for name in arrays if "/" in name]
        return cls(
            layers=tuple(about["layers"]),
            shapes={name: tuple(about["shapes"][name]) for name in about["layers"]},
            evaluation_delay=about["evaluation_delay"],
            early_decision=about["early_decision"],
            parameters=about["parameters"],
            dt_ms=about["dt_ms"],
            output_scale=about["output_scale"],
            output_shift=about["output_shift"],
            rectified=about["rectified"],
            score_of_one=None if about["score_of_one"] is None else np.array(about["score_of_one"]),
            timing=about["timing"],
            spikes={layer: Spikes(*arrays[f"spikes/{layer}"].T) for kind, layer in recorded if kind == "spikes"},
            potentials={
                layer: Potentials(
                    arrays[f"potential_neurons/{layer}"],
                    arrays[f"potentials/{layer}"],
                    {name.split("/")[2]: a for name, a in arrays.items() if name.startswith(f"variables/{layer}/")},
                )
                for kind, layer in recorded
                if kind == "potentials"
            },
            monitors={
                name: Monitored.of_times(variables.pop("t"), variables, arrays["steps"], about["dt_ms"])
                for name, variables in checked_variables(arrays).items()
            },
            **{name: arrays[name] for name in ARRAYS},
        )
