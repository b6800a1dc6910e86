"""Compare a Brian2 simulation with the torch reference: spikes, potentials and scores at every step, and decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np
from brian2 import ms

from brianconv.coding.neuron_models import RELAY
from brianconv.coding.scheme import tolerance
from brianconv.graph import INPUT
from brianconv.images import image_array
from brianconv.positions import Position, position_of_torch_index
from brianconv.recording import Recording
from brianconv.simulation.run import checked_settings, simulate
from brianconv.spiking import SpikingNetwork
from brianconv.verification.reference import ReferenceRun, sent_by, simulate_reference


@dataclass(frozen=True)
class Difference:
    """The first place where Brian2 and the reference disagree.

    Attributes
    ----------
    image, step : int
        Step from 1.
    layer : str
    position : tuple of int
        Of the neuron, (channel, row, column) or (feature,).
    quantity : {"spike", "potential", "score", "decision step"}
        What differs: potentials are those before the reset, in normalised activations.
    brian, reference : float
        Its value in either simulation; 0 or 1 for spikes.
    """

    image: int
    layer: str
    position: Position
    step: int
    quantity: str
    brian: float
    reference: float

    def __str__(self) -> str:
        where = f"image {self.image}, layer {self.layer!r}, neuron {self.position}, step {self.step}"
        if self.quantity == "spike":
            who, other = ("Brian2", "the reference") if self.brian else ("the reference", "Brian2")
            return f"{where}: {who} fires and {other} does not"
        if self.quantity == "decision step":
            return f"image {self.image}: decided in step {self.brian:g} by Brian2, {self.reference:g} by the reference"
        return f"{where}: the {self.quantity} is {self.brian:.9g} in Brian2, {self.reference:.9g} in the reference"


@dataclass(frozen=True, repr=False)
class Verification:
    """Outcome of `verify`.

    Attributes
    ----------
    first_difference : Difference or None
    n_spikes : int
        Spikes that were compared.
    n_values : int
        Potentials and scores that were compared: those of the output, and what maximum pooling passes on.
    correlations : mapping of str to float
        For each layer, Pearson correlation of what its neurons sent in Brian2 (spikes, or what they carry; the
        potential of an output that does not fire) with the activations of the network before conversion; NaN if one of
        them is constant.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> outcome = verify(convert(model, images), images, 10)
    >>> isinstance(outcome, Verification), outcome.passed, outcome.first_difference
    (True, True, None)
    """

    first_difference: Difference | None
    n_spikes: int
    n_values: int
    correlations: Mapping[str, float]

    @property
    def passed(self) -> bool:
        return self.first_difference is None

    def __str__(self) -> str:
        compared = f"{self.n_spikes:,} spikes, {self.n_values:,} potentials and scores"
        verdict = f"equal, {compared}" if self.passed else f"DIFFERENT ({compared}): {self.first_difference}"
        rows = [f"  {name:<20} {value:.4f}" for name, value in self.correlations.items()]
        heading = "correlation of what neurons send with activations:"
        return "\n".join([f"Brian2 and torch reference: {verdict}", heading, *rows])

    def __repr__(self) -> str:
        outcome = "passed" if self.passed else f"failed: {self.first_difference}"
        return f"<Verification {outcome}; {self.n_spikes:,} spikes, {self.n_values:,} potentials and scores>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values for a JSON file; a correlation that does not exist is None."""
        correlations = {name: None if np.isnan(value) else value for name, value in self.correlations.items()}
        difference = None if self.first_difference is None else asdict(self.first_difference)
        return {
            "passed": self.passed,
            "first_difference": difference,
            "n_spikes": self.n_spikes,
            "n_values": self.n_values,
            "correlations": correlations,
        }


def verify(
    spiking: SpikingNetwork,
    images: np.ndarray,
    n_steps: int | None = None,
    *,
    mode: str = "runtime",
    synapses: str = "structured",
    dtype: str = "float64",
    evaluation_delay: int = 0,
    skip: int = 0,
    early_decision: float | None = None,
) -> Verification:
    """Compare a Brian2 simulation with the torch reference, at every step of every image.

    This covers all spikes, potentials and scores of the output, what maximum pooling passes on, and with early
    decision the step in which each image is decided.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    n_steps : int, optional
        Steps per image; by default the coding scheme's.
    mode : {"runtime", "standalone"}
    synapses : {"structured", "explicit"}
    dtype : {"float64", "float32"}
    evaluation_delay, skip, early_decision
        As in `Simulation.run`.

    Returns
    -------
    Verification
        With the earliest difference: by image, then step, then layer in order of depth, then neuron.

    Raises
    ------
    ParameterError
        If neurons or the readout have no reference, such as changed ones.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> verify(convert(model, images), images, 10).passed
    True
    """
    images, spiking = image_array(images), spiking.in_steps(1 * ms)
    n_steps = checked_settings(spiking, images, n_steps, evaluation_delay, skip, early_decision).n_steps
    run = {"evaluation_delay": evaluation_delay, "skip": skip, "early_decision": early_decision}
    reference = simulate_reference(spiking, images, n_steps, dtype, **run)  # type: ignore[arg-type]
    recording = simulate(
        spiking, images, n_steps, mode=mode, synapses=synapses, dtype=dtype, record_spikes=list(spiking.populations),
        record_potentials=_with_potentials(spiking), **run,  # type: ignore[arg-type]
    )  # fmt: skip
    comparison = _Comparison(spiking, recording, reference, tolerance(dtype))
    return Verification(
        comparison.first_difference(),
        sum(len(spikes.step) for spikes in recording.spikes.values()),
        comparison.n_values,
        activation_correlations(spiking, images, sent_values(spiking, images, recording)),
    )


def _with_potentials(spiking: SpikingNetwork) -> list[str]:
    pooling = [layer.name for layer in spiking.graph.layers if layer.is_pooling]
    return [*pooling, spiking.output]


class _Comparison:
    """Differences between a recording and a reference run, quantity by quantity."""

    def __init__(
        self, spiking: SpikingNetwork, recording: Recording, reference: ReferenceRun, relative_tolerance: float
    ) -> None:
        self.spiking, self.recording, self.reference = spiking, recording, reference
        self.tolerance = relative_tolerance
        self.n_values = 0
        n_steps = recording.n_steps
        self.running = np.arange(1, n_steps + 1) <= np.minimum(recording.steps, reference.steps)[:, None]

    def first_difference(self) -> Difference | None:
        found = [difference for difference in self._differences() if difference is not None]
        depth = {name: k for k, name in enumerate(self.spiking.populations)}
        order = {"spike": 0, "potential": 1, "score": 2, "decision step": 3}
        return min(found, key=lambda d: (d.image, d.step, depth[d.layer], order[d.quantity], d.position), default=None)

    def _differences(self) -> Iterator[Difference | None]:
        spiking, recording, reference = self.spiking, self.recording, self.reference
        for name, expected in reference.spikes.items():
            fired = recording.spikes_of(name).dense(*expected.shape)
            yield self._first(name, "spike", fired, expected, fired != expected)
        for name, potentials in recording.potentials.items():
            expected = reference.potentials[name]
            yield self._unequal(name, "potential", _normalised(spiking, name, potentials.values), expected)
        yield self._unequal(spiking.output, "score", recording.scores, reference.scores)
        for image in np.flatnonzero(recording.steps != reference.steps)[:1]:
            steps = (int(recording.steps[image]), int(reference.steps[image]))
            origin = position_of_torch_index(spiking.graph.output.shape, 0)
            yield Difference(int(image), spiking.output, origin, min(steps), "decision step", *map(float, steps))

    def _unequal(self, name: str, quantity: str, found: np.ndarray, expected: np.ndarray) -> Difference | None:
        self.n_values += int(self.running.sum()) * found.shape[2]
        scale = max(1.0, float(np.abs(expected).max()))
        close = np.isclose(found, expected, rtol=self.tolerance, atol=self.tolerance * scale)
        return self._first(name, quantity, found, expected, ~close)

    def _first(
        self, name: str, quantity: str, found: np.ndarray, expected: np.ndarray, unequal: np.ndarray
    ) -> Difference | None:
        places = np.argwhere(unequal & self.running[:, :, None])
        if not len(places):
            return None
        image, step, neuron = (int(k) for k in places[0])
        position = position_of_torch_index(self.spiking.graph.shapes[name], neuron)
        here = (image, step, neuron)
        return Difference(image, name, position, step + 1, quantity, float(found[here]), float(expected[here]))


def _normalised(spiking: SpikingNetwork, name: str, potentials: np.ndarray) -> np.ndarray:
    units = spiking.units
    return (potentials - units.v_rest) / units.swing if units and spiking.is_biological(name) else potentials


def sent_values(spiking: SpikingNetwork, images: np.ndarray, recording: Recording) -> dict[str, np.ndarray]:
    """Return the sum of what the neurons of each population sent in Brian2, shape (n_images, n_neurons).

    Populations whose spikes, or potentials where these are sent, were not recorded are left out, and changed neurons
    whose spikes carry other values than 1.
    """
    sent = {}
    by_potential = [layer.name for layer in spiking.graph.layers if layer.is_pooling]
    by_potential += [] if spiking.coding.readout.fires else [spiking.output]
    last = np.arange(recording.n_images), recording.steps - 1
    running = np.arange(1, recording.n_steps + 1) <= recording.steps[:, None]
    analog = spiking.analog_steps(recording.n_steps)
    for name, shape in spiking.graph.shapes.items():
        if name not in recording.spikes or (name in by_potential and not _has_all_potentials(recording, name)):
            continue
        fired = recording.spikes_of(name).dense(recording.n_images, recording.n_steps, int(np.prod(shape)))
        if name in analog:  # pixels are sent as they are, and are no spikes
            fired[:, analog[name]] = running[:, analog[name], None]
        if name == spiking.output and not spiking.coding.readout.fires:
            sent[name] = _normalised(spiking, name, recording.potentials[name].values)[last]
        elif name != INPUT and spiking.graph.layer(name).is_pooling:
            sent[name] = np.where(fired, recording.potentials[name].values, 0.0).sum(axis=1)
        elif spiking.neurons[name] != spiking.own_neuron(name) or (name != INPUT and spiking.graph.layer(name).relays):
            relayed = spiking.neurons[name].name == RELAY.name
            if (spiking.coding.neuron if relayed else spiking.neurons[name]).spike_value == "1":
                mapping = spiking.mappings.get(name)
                sent[name] = fired.sum(axis=1) / (mapping.peak if mapping else 1.0)
        else:
            sent[name] = sent_by(spiking, name, images, fired)
    return sent


def _has_all_potentials(recording: Recording, name: str) -> bool:
    recorded = recording.potentials.get(name)
    return recorded is not None and len(recorded.torch_index) == int(np.prod(recording.shapes[name]))


def activation_correlations(
    spiking: SpikingNetwork, images: np.ndarray, sent: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return, for each layer, the correlation of what its neurons sent (n_images, n_neurons) with their activations."""
    batches = list(spiking.normalized.ann.activations(images))
    correlations = {}
    for name, values in sent.items():
        activation = np.concatenate([batch[name] for batch in batches]).reshape(len(images), -1)
        signed = name == INPUT or (name == spiking.output and not spiking.coding.readout.fires)
        x, y = (activation if signed else np.clip(activation, 0, None)).ravel(), values.ravel()
        constant = x.std() == 0 or y.std() == 0
        correlations[name] = float("nan") if constant else float(np.corrcoef(x, y)[0, 1])
    return correlations
