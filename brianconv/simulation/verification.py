"""Compare a Brian2 simulation with the torch reference, and firing rates with activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.conversion.graph import INPUT
from brianconv.reference import ReferenceRun, simulate_reference
from brianconv.simulation.run import checked_settings, simulate
from brianconv.spiking import SpikingNetwork


@dataclass(frozen=True)
class Difference:
    """The first place where Brian2 and the reference disagree.

    Attributes
    ----------
    image, step, neuron : int
        Step from 1; neuron in torch's flat order.
    layer : str
    brian_fired, reference_fired : bool
    reference_potential : float
        Before the reset, in thresholds.
    """

    image: int
    layer: str
    neuron: int
    step: int
    brian_fired: bool
    reference_fired: bool
    reference_potential: float

    def __str__(self) -> str:
        who, other = ("Brian2", "the reference") if self.brian_fired else ("the reference", "Brian2")
        return (
            f"image {self.image}, layer {self.layer!r}, neuron {self.neuron}, step {self.step}: {who} fires and "
            f"{other} does not (potential {self.reference_potential:.9f})"
        )


@dataclass(frozen=True)
class Verification:
    """Outcome of `verify`.

    Attributes
    ----------
    first_difference : Difference or None
    n_spikes : int
        Spikes that were compared.
    correlations : mapping of str to float
        For each layer, Pearson correlation of what its neurons send (spikes, or what they carry) with the activations
        of the network before conversion; NaN if one of them is constant.
    """

    first_difference: Difference | None
    n_spikes: int
    correlations: Mapping[str, float]

    @property
    def passed(self) -> bool:
        return self.first_difference is None

    def __str__(self) -> str:
        verdict = f"equal, {self.n_spikes:,} spikes" if self.passed else f"different: {self.first_difference}"
        rows = [f"  {name:<20} {value:.4f}" for name, value in self.correlations.items()]
        heading = "correlation of what neurons send with activations:"
        return "\n".join([f"Brian2 and torch reference: {verdict}", heading, *rows])


def verify(
    spiking: SpikingNetwork,
    images: np.ndarray,
    n_steps: int | None = None,
    *,
    mode: str = "runtime",
    synapses: str = "structured",
    dtype: str = "float64",
) -> Verification:
    """Compare a Brian2 simulation with the torch reference, spike for spike, and rates with activations.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    n_steps : int, optional
        Steps an image; the code's default otherwise.
    mode : {"runtime", "standalone"}
    synapses : {"structured", "explicit"}
    dtype : {"float64", "float32"}

    Returns
    -------
    Verification
        With the earliest difference: by image, then step, then layer in order of depth, then neuron.
    """
    n_steps = checked_settings(spiking, np.asarray(images), n_steps, 0, 0, None).n_steps
    reference = simulate_reference(spiking, images, n_steps, dtype)
    recording = simulate(
        spiking, images, n_steps, mode=mode, synapses=synapses, dtype=dtype, record_spikes=list(spiking.populations)
    )
    fired = {
        name: recording.spikes_of(name).dense(len(images), n_steps, int(np.prod(shape)))
        for name, shape in spiking.graph.shapes.items()
    }
    return Verification(
        _first_difference(fired, reference),
        sum(int(spikes.sum()) for spikes in fired.values()),
        rate_correlations(spiking, images, reference.sent),
    )


def _first_difference(fired: Mapping[str, np.ndarray], reference: ReferenceRun) -> Difference | None:
    found = []
    for depth, (name, spikes) in enumerate(fired.items()):
        unequal = spikes != reference.spikes[name]
        if unequal.any():
            image, step, neuron = np.argwhere(unequal)[0]
            found.append((image, step, depth, neuron, name))
    if not found:
        return None
    image, step, _, neuron, name = min(found)
    here = (image, step, neuron)
    return Difference(
        int(image),
        name,
        int(neuron),
        int(step) + 1,
        bool(fired[name][here]),
        bool(reference.spikes[name][here]),
        float(reference.potentials[name][here]),
    )


def rate_correlations(spiking: SpikingNetwork, images: np.ndarray, rates: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return, for each layer, the correlation of firing rates (n_images, n_neurons) with normalised activations."""
    batches = list(spiking.normalized.ann.activations(images))
    correlations = {}
    for name, rate in rates.items():
        activation = np.concatenate([values[name] for values in batches]).reshape(len(images), -1)
        signed = name == INPUT or (name == spiking.output and not spiking.scheme.readout.fires)
        x, y = (activation if signed else np.clip(activation, 0, None)).ravel(), rate.ravel()
        constant = x.std() == 0 or y.std() == 0
        correlations[name] = float("nan") if constant else float(np.corrcoef(x, y)[0, 1])
    return correlations
