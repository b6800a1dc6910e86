"""Simulate many images in one run, at run time or as a generated program, and return one Recording."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import Quantity, ms

from brianconv.coding.times import Time, in_whole_steps, is_quantity
from brianconv.connectivity.base import channels_last
from brianconv.early_decision import check_early_decision
from brianconv.errors import ParameterError, ShapeError
from brianconv.graph import INPUT
from brianconv.images import check_images, image_array
from brianconv.monitored import Monitored
from brianconv.positions import Position
from brianconv.progress import progress_bar
from brianconv.recording import Potentials, Recording, Spikes
from brianconv.simulation.build import build_network
from brianconv.simulation.extension import Extend, arrays_of, by_monitor
from brianconv.simulation.memory_limit import check_memory
from brianconv.simulation.network import NOTHING, check_dt, checked_recordings
from brianconv.simulation.parallel_runs import is_time, run_shards
from brianconv.simulation.program import DEVICE_LOCK, Program, check_device, compile_network
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.runtime import RuntimeNetwork
from brianconv.spiking import SpikingNetwork
from brianconv.stopping import StoppingRule, check_stop
from brianconv.values import check_choice

MOST_IMAGES = 2**31 - 1
MODES = ("runtime", "standalone")
BYTES_PER_POTENTIAL = 24  # the monitor's copy, the file's and the recording's


class Simulation:
    """A spiking network that is built once and run with any images, steps and parameter values.

    Parameters
    ----------
    spiking : SpikingNetwork
    mode : {"runtime", "standalone"}
        Brian2's run-time mode (Cython, or NumPy without a compiler), or a generated C++ program.
    synapses : {"structured", "explicit"}
        Kernels shared across positions, or every synapse stored; the spikes are the same.
    dtype : {"float64", "float32"}
    dt : Quantity
        Length of a step.
    record_spikes : sequence of str
        Populations whose spikes are recorded.
    record_potentials : sequence of str, or mapping of str to positions of neurons
        Populations whose potentials are recorded, before the reset, together with their spikes, and which neurons: a
        list of (channel, row, column), or (feature,); None for all.
    record_variables : mapping of str to sequence of str
        Other variables of the equations, such as ``{"conv1": ["fatigue"]}``, recorded at the same moments and in the
        same neurons: those of `record_potentials`, or all of a population that is not in it.
    stop : str, optional
        Condition at which the next image begins, such as ``"lead >= 0.2"``; see `StoppingRule`. It is evaluated when
        evaluation_delay and skip are over.
    extend : callable, optional
        Function that takes the network (`BrianNetwork`, with ``populations``, ``connections`` and ``schedule``) and
        returns a list of Brian2 objects of your own: monitors, groups, synapses, objects with ``run_regularly``. They
        become part of the network, in standalone mode of the program; give them names, and ``clock=brian.clock`` or a
        ``dt`` of their own. What your monitors record is in ``recording.monitors``, by their names.

    Attributes
    ----------
    brian : RuntimeNetwork or None
        The Brian2 objects, in run-time mode.
    program : Program or None
        The compiled program, in standalone mode.
    build_s : float
        Seconds that building took.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> simulation = Simulation(convert(model, images))
    >>> [simulation.run(images, 10, v_init=v_init).n_steps for v_init in (0.0, 0.5)]
    [10, 10]
    """

    def __init__(
        self,
        spiking: SpikingNetwork,
        mode: str = "runtime",
        *,
        synapses: str = "structured",
        dtype: str = "float64",
        dt: Quantity = 1 * ms,
        record_spikes: Sequence[str] = (),
        record_potentials: Sequence[str] | Mapping[str, Sequence[Position | int] | None] = (),
        record_variables: Mapping[str, Sequence[str]] = NOTHING,
        stop: str | None = None,
        extend: Extend | None = None,
    ) -> None:
        check_choice("mode", mode, MODES)
        check_dt(dt)
        self.spiking = spiking.in_steps(dt)
        self.dt = dt
        self.recorded, self.recorded_variables = checked_recordings(
            spiking, record_spikes, record_potentials, record_variables
        )
        named = [spiking.check_population(name) for name in record_spikes]
        self.record_spikes = tuple(dict.fromkeys((*named, *self.recorded)))  # traces show their spikes
        self.brian: RuntimeNetwork | None = None
        self.program: Program | None = None
        start = time.perf_counter()
        build: dict[str, Any] = {
            "synapses": synapses,
            "dtype": dtype,
            "dt": dt,
            "record_spikes": self.record_spikes,
            "record_potentials": record_potentials,
            "record_variables": record_variables,
            "stop": checked_stop(spiking, stop),
            "extend": extend,
        }
        if mode == "runtime":
            with DEVICE_LOCK:
                check_device()
                brian = build_network(spiking, **build)
                assert isinstance(brian, RuntimeNetwork)
                self.brian = brian
                self.brian.run(0 * ms)  # compiles
        else:
            self.program = compile_network(spiking, **build)
        self.build_s = time.perf_counter() - start

    def __repr__(self) -> str:
        return f"<Simulation, {self._mode} mode, built in {self.build_s:.1f} s: {self.spiking!r}>"

    def _repr_html_(self) -> str:
        return self.spiking.html(f"Simulation, {self._mode} mode, built in {self.build_s:.1f} s")

    @property
    def _mode(self) -> str:
        return "runtime" if self.program is None else "standalone"

    def run(
        self,
        images: np.ndarray,
        n_steps: Time | None = None,
        *,
        evaluation_delay: Time = 0,
        skip: Time = 0,
        early_decision: float | None = None,
        jobs: int = 1,
        first_image: int = 0,
        reset_every: int | None = 1,
        progress: bool = False,
        **parameters: object,
    ) -> Recording:
        """Simulate images and return what was recorded.

        Parameters
        ----------
        images : array, shape (n_images, channels, rows, columns)
            In [0, 1].
        n_steps : int, optional
            Steps per image; by default the coding scheme's.
        evaluation_delay : int
            Delayed evaluation: output spikes count from step evaluation_delay + 1 on.
        skip : int
            Steps at the beginning during which the output neither integrates nor fires.
        early_decision : float, optional
            Threshold of early decision: the next image begins as soon as one is decided (Kim et al. 2018, Algorithm
            1); no early decision otherwise.
        jobs : int
            Number of processes among which the images are divided, in standalone mode.
        first_image : int
            Number of images before the first one: Poisson input depends on it, so that some images of a run can be
            simulated again with the same spikes.
        reset_every : int or None
            Number of images after which membranes and synapses are reset: 1 for every image; the number of frames for
            films, whose frames are images one after another and last `n_steps` each; None for one image after the
            other without a gap. Spikes of the output are counted image by image. Only for codes whose output fires and
            whose layers do not take turns.
        progress : bool
            Whether to show a progress bar.
        **parameters
            Parameters of the coding scheme that differ from those of the conversion, such as ``v_init=0.3``.

        Raises
        ------
        DataError, ShapeError, ParameterError
            For images or parameters that do not fit; before anything runs.
        KeyboardInterrupt
            If the simulation was stopped before the last image.
        """
        images = image_array(images)
        spiking = self.spiking.with_parameters(**parameters).in_steps(self.dt)
        settings = checked_settings(spiking, images, n_steps, evaluation_delay, skip, early_decision, self.dt)
        settings = _from_image(settings, first_image, reset_every)
        _check_sequences(spiking, settings, len(images))
        _check_jobs(jobs, self._mode)
        self._check_recording_memory(len(images), settings.n_steps)
        start = time.perf_counter()
        with progress_bar(len(images), "simulating", "image", shown=progress) as bar:
            raw = self._run(spiking, images, settings, jobs, lambda done: bar.update(done - bar.n))
        timing = {"build_s": self.build_s, "simulate_s": time.perf_counter() - start}
        return self._recording(spiking, images, settings, raw, timing)

    def _run(
        self, spiking: SpikingNetwork, images: np.ndarray, settings: RunSettings, jobs: int, progress: Any
    ) -> dict[str, np.ndarray]:
        if self.program is not None:
            return run_shards(self.program, spiking, images, settings, jobs, progress)
        assert self.brian is not None
        with DEVICE_LOCK:
            return _run_network(self.brian, spiking, images, settings, progress)

    def _check_recording_memory(self, n_images: int, n_steps: int) -> None:
        n_values = (
            n_images
            * n_steps
            * sum(
                len(neurons) * (1 + len(self.recorded_variables.get(name, ())))
                for name, neurons in self.recorded.items()
            )
        )
        check_memory(
            n_values * BYTES_PER_POTENTIAL,
            f"{n_values:,} membrane potentials" + " and other variables" * any(self.recorded_variables.values()),
            "record fewer neurons, steps or images",
        )

    def _recording(
        self,
        spiking: SpikingNetwork,
        images: np.ndarray,
        settings: RunSettings,
        raw: dict[str, np.ndarray],
        timing: dict[str, float],
    ) -> Recording:
        graph = spiking.graph
        steps = raw["steps"].astype(int)
        spikes, operations = (
            _counts_by_image(raw, kind, graph.names, steps, settings.n_steps) for kind in ("spikes", "operations")
        )
        analog_operations = _take_out_analog(spiking, spikes, operations)
        _add_ticks(spiking, steps, spikes, operations)
        return Recording(
            layers=tuple(graph.names),
            scores=_by_image(raw["scores"], steps, settings.n_steps),
            spike_counts_by_image=spikes,
            synaptic_operations_by_image=operations,
            analog_operations_by_image=analog_operations,
            steps=steps,
            decided=raw["decided"].astype(bool),
            evaluation_delay=settings.evaluation_delay,
            early_decision=settings.early_decision,
            parameters=spiking.parameters,
            dt_ms=1000 * float(self.dt),
            output_scale=spiking.normalized.output_scale,
            output_shift=spiking.normalized.output_shift,
            rectified=graph.output.rectified,
            score_of_one=_score_of_one(spiking, settings.n_steps),
            ann_scores=spiking.normalized.ann_scores(images).reshape(len(images), -1),
            shapes=dict(graph.shapes),
            spikes={name: self._spikes(name, raw, steps, settings.n_steps) for name in self.record_spikes},
            potentials={
                name: self._potentials(name, neurons, raw, steps, settings.n_steps)
                for name, neurons in self.recorded.items()
            },
            timing=timing,
            spiking=spiking,
            monitors={
                name: Monitored.of_times(1000 * variables.pop("t"), variables, steps, 1000 * float(self.dt))
                for name, variables in by_monitor(raw).items()
            },
        )

    def _potentials(
        self, name: str, neurons: np.ndarray, raw: dict[str, np.ndarray], steps: np.ndarray, n_steps: int
    ) -> Potentials:
        variables = self.recorded_variables.get(name, ())
        v, *others = (_by_image(raw[f"state_{name}__{variable}"], steps, n_steps) for variable in ("v", *variables))
        in_millivolts = self.spiking.units and self.spiking.is_biological(name)
        return Potentials(neurons, 1000 * v if in_millivolts else v, dict(zip(variables, others, strict=True)))

    def _spikes(self, name: str, raw: dict[str, np.ndarray], steps: np.ndarray, n_steps: int) -> Spikes:
        total = np.rint(raw[f"spike_time_{name}"] / float(self.dt)).astype(int)  # steps since the start of the run
        image, step = _image_and_step(steps)
        neuron = channels_last(self.spiking.graph.shapes[name])[raw[f"spike_neuron_{name}"]]
        analog = self.spiking.analog_steps(n_steps).get(name, np.zeros(n_steps, dtype=bool))
        kept = ~analog[step[total] - 1]
        return Spikes(image[total][kept], step[total][kept], neuron[kept])


def simulate(
    spiking: SpikingNetwork,
    images: np.ndarray,
    n_steps: Time | None = None,
    *,
    mode: str = "runtime",
    synapses: str = "structured",
    dtype: str = "float64",
    dt: Quantity = 1 * ms,
    record_spikes: Sequence[str] = (),
    record_potentials: Sequence[str] | Mapping[str, Sequence[Position | int] | None] = (),
    record_variables: Mapping[str, Sequence[str]] = NOTHING,
    stop: str | None = None,
    extend: Extend | None = None,
    evaluation_delay: Time = 0,
    skip: Time = 0,
    early_decision: float | None = None,
    jobs: int = 1,
    first_image: int = 0,
    reset_every: int | None = 1,
    progress: bool = False,
    **parameters: object,
) -> Recording:
    """Build a network, run it once and return the recording; see Simulation for the parameters.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> recording = simulate(convert(model, images), images, 50)
    >>> bool((recording.decisions == recording.ann_scores.argmax(axis=1)).all())
    True
    """
    check_dt(dt)
    images = image_array(images)
    settings = checked_settings(spiking, images, n_steps, evaluation_delay, skip, early_decision, dt)
    _check_sequences(spiking, _from_image(settings, first_image, reset_every), len(images))
    _check_jobs(jobs, mode)
    simulation = Simulation(
        spiking.with_parameters(**parameters),
        mode,
        synapses=synapses,
        dtype=dtype,
        dt=dt,
        record_spikes=record_spikes,
        record_potentials=record_potentials,
        record_variables=record_variables,
        stop=stop,
        extend=extend,
    )
    return simulation.run(
        images,
        n_steps,
        evaluation_delay=evaluation_delay,
        skip=skip,
        early_decision=early_decision,
        jobs=jobs,
        first_image=first_image,
        reset_every=reset_every,
        progress=progress,
    )


def checked_settings(
    spiking: SpikingNetwork,
    images: np.ndarray,
    n_steps: Time | None,
    evaluation_delay: Time,
    skip: Time,
    early_decision: float | None,
    dt: Quantity = 1 * ms,
) -> RunSettings:
    """Return the settings of a run; raise DataError, ShapeError or ParameterError if something does not fit."""
    check_images(images, spiking.graph.input_shape, "images", spiking.coding.encoding.bounded)
    return checked_run(spiking, n_steps, evaluation_delay, skip, early_decision, dt)


def checked_run(
    spiking: SpikingNetwork,
    n_steps: Time | None,
    evaluation_delay: Time,
    skip: Time,
    early_decision: float | None,
    dt: Quantity = 1 * ms,
) -> RunSettings:
    """Return the settings of a run whose images are not known yet; see `checked_settings`."""
    given = {
        name: in_whole_steps(value, dt, name) if is_quantity(value) else value
        for name, value in (("n_steps", n_steps), ("evaluation_delay", evaluation_delay), ("skip", skip))
    }
    if given["n_steps"] is None:
        given["n_steps"] = spiking.in_steps(dt).default_steps
    settings = RunSettings(**given, early_decision=early_decision)  # type: ignore[arg-type]
    evaluation_delay = settings.evaluation_delay
    if early_decision is not None and len(spiking.graph.output.shape) > 1:
        raise ShapeError(
            f"early decision compares classes, but the output {spiking.output!r} is an image of shape "
            f"{spiking.graph.output.shape}: leave early_decision (--early-decision) out"
        )
    if early_decision is not None:
        check_early_decision(early_decision, spiking.n_classes)
    readout = spiking.coding.readout
    if evaluation_delay and readout.fires and not readout.can_be_delayed:
        raise ParameterError(
            f"evaluation_delay is {evaluation_delay}, but readout {readout.name!r} does not count spikes: leave it out"
        )
    if evaluation_delay and not readout.fires:
        raise ParameterError(
            f"evaluation_delay is {evaluation_delay}, but the output of coding {spiking.coding.name!r} accumulates its "
            f"potential and has no spikes to discard: use skip={evaluation_delay} (--set skip={evaluation_delay}), "
            "which ignores its input in the first steps"
        )
    return settings


def checked_stop(spiking: SpikingNetwork, stop: str | None) -> StoppingRule | None:
    """Return a stopping rule; raise ParameterError or ShapeError if it is none, or the output is an image."""
    if stop is None:
        return None
    if len(spiking.graph.output.shape) > 1:
        raise ShapeError(f"stop compares classes, but the output {spiking.output!r} is an image: leave it out")
    rule = StoppingRule(stop)
    check_stop(rule, spiking.n_classes)
    return rule


def _check_sequences(spiking: SpikingNetwork, settings: RunSettings, n_images: int) -> None:
    """Raise ParameterError if images cannot follow each other without a reset."""
    every = settings.reset_every
    if every == 1:
        return
    coding = spiking.coding
    if not coding.readout.fires or coding.schedule or coding.neuron.active:
        raise ParameterError(
            f"reset_every is {every}, but coding {coding.name!r} begins anew with every image: its output accumulates, "
            "or its layers take turns. Use a code that counts spikes, such as 'rate'"
        )
    if every and n_images % every:
        raise ParameterError(f"{n_images} images are no whole number of sequences of {every} (reset_every)")


def _from_image(settings: RunSettings, first_image: int, reset_every: int | None) -> RunSettings:
    if type(first_image) is not int or not 0 <= first_image <= MOST_IMAGES:
        raise ParameterError(f"first_image is {first_image!r}; it is a whole number from 0 to {MOST_IMAGES}")
    return replace(settings, first_image=first_image, reset_every=reset_every)


def _check_jobs(jobs: int, mode: str) -> None:
    if type(jobs) is not int or jobs < 1 or (jobs > 1 and mode == "runtime"):
        raise ParameterError(
            f"jobs is {jobs!r}; it is a whole number, 1 or more, and more than 1 in standalone mode only"
        )


def _run_network(
    brian: RuntimeNetwork, spiking: SpikingNetwork, images: np.ndarray, settings: RunSettings, progress: Any
) -> dict[str, np.ndarray]:
    duration = brian.present(images, settings, spiking)
    before = {name: len(array) for name, array in _monitored(brian).items()}
    brian.tally.progress = progress
    start_s = float(brian.network.t)
    brian.run(duration)
    tally = brian.tally
    if len(tally.steps) < len(images):
        raise KeyboardInterrupt(f"stopped after {len(tally.steps)} of {len(images)} images")
    raw = {name: array[before[name] :].copy() for name, array in _monitored(brian).items()}
    for name in raw:
        if is_time(name):
            raw[name] -= start_s
    raw["steps"], raw["decided"] = np.array(tally.steps), np.array(tally.decided)
    spikes, operations = np.array(tally.spikes), np.array(tally.operations)
    for column, name in enumerate(brian.populations):
        raw[f"spikes_{name}"], raw[f"operations_{name}"] = spikes[:, column], operations[:, column]
    return raw


def _monitored(brian: RuntimeNetwork) -> dict[str, np.ndarray]:
    arrays = {"scores": brian.score_monitor.variables["score"].get_value()}
    for name, spikes in brian.spike_monitors.items():
        arrays[f"spike_neuron_{name}"] = spikes.variables["i"].get_value()
        arrays[f"spike_time_{name}"] = spikes.variables["t"].get_value()
    for name, potentials in brian.potential_monitors.items():
        for variable in potentials.record_variables:
            arrays[f"state_{name}__{variable}"] = potentials.variables[variable].get_value()
    return arrays | arrays_of(brian.extension)


def _score_of_one(spiking: SpikingNetwork, n_steps: int) -> np.ndarray | None:
    meaning = spiking.coding.score_of_one
    values = {name: by[spiking.output] for name, by in spiking.shared_values.items() if spiking.output in by}
    return meaning(values, n_steps) / spiking.normalized.score_unit if meaning else None


def _take_out_analog(spiking: SpikingNetwork, spikes: np.ndarray, operations: np.ndarray) -> np.ndarray:
    """Set counts to 0 where pixels are sent instead of spikes; return their operations, shape (n_images, n_steps)."""
    taken = np.zeros(operations.shape[:2], dtype=operations.dtype)
    for name, analog in spiking.analog_steps(operations.shape[1]).items():
        column = spiking.graph.names.index(name)
        taken[:, analog] += operations[:, analog, column]
        spikes[:, analog, column] = operations[:, analog, column] = 0
    return taken


def _add_ticks(spiking: SpikingNetwork, steps: np.ndarray, spikes: np.ndarray, operations: np.ndarray) -> None:
    """Count the spikes of neurons that tick, one per layer, each of which reaches every neuron of the layer."""
    ticks = spiking.coding.ticks
    if ticks is None:
        return
    n_steps = spikes.shape[1]
    running = np.arange(1, n_steps + 1) <= steps[:, None]
    for column, (name, shape) in enumerate(spiking.graph.shapes.items()):
        if name == spiking.output or (name != INPUT and spiking.graph.layer(name).passes_on):
            continue
        values = {key: by[name] for key, by in spiking.shared_values.items() if name in by}
        of_layer = ticks(values, n_steps) * running
        spikes[:, :, column] += of_layer
        operations[:, :, column] += of_layer * int(np.prod(shape))


def _image_and_step(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return image index and step (from 1) of every step of the whole run."""
    image = np.repeat(np.arange(len(steps)), steps)
    first = np.cumsum(steps) - steps
    return image, np.arange(steps.sum()) - first[image] + 1


def _by_image(rows: np.ndarray, steps: np.ndarray, n_steps: int) -> np.ndarray:
    """Cut rows of the whole run into (n_images, n_steps, columns), NaN after the end of an image."""
    image, step = _image_and_step(steps)
    dtype = rows.dtype if rows.dtype.kind == "f" else np.float64  # conditions and counters become numbers
    cut = np.full((len(steps), n_steps, rows.shape[1]), np.nan, dtype=dtype)
    cut[image, step - 1] = rows
    return cut


def _counts_by_image(
    raw: dict[str, np.ndarray], kind: str, names: Sequence[str], steps: np.ndarray, n_steps: int
) -> np.ndarray:
    """Return spikes or operations as (n_images, n_steps, n_layers), 0 after the end of an image."""
    image, step = _image_and_step(steps)
    counts = np.zeros((len(steps), n_steps, len(names)), dtype=np.int64)
    for column, name in enumerate(names):
        counts[image, step - 1, column] = raw[f"{kind}_{name}"]
    return counts
