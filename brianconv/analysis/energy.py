"""Estimates of energy: spikes, operations and picojoules, as the papers count them.

Four measures, from the closest to the simulation to the most abstract:

- spikes and synaptic operations of each population, as recorded (Hwang et al., 2021, Fig. 13); pixels that enter as
  analog values are not spikes, and count as multiply-accumulates only;
- multiplications and additions of a coding scheme (Park et al., 2020, Table III);
- compute energy of multiply-accumulates and accumulates in 45 nm CMOS (Datta et al., 2021, section VI);
- energy on TrueNorth and SpiNNaker relative to another code (Park et al., 2020, Table II).

None of them counts memory accesses, leaks of potentials (but see `operation_counts`) or biases.

Sources: Hwang et al. (2021), Front. Neurosci. 15:629000. Park et al. (2020), T2FSNN, DAC. Datta et al. (2021),
Training energy-efficient deep spiking neural networks with single-spike hybrid input encoding, IJCNN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding import find_coding
from brianconv.coding.scheme import CodingScheme
from brianconv.connectivity.connection import Connection
from brianconv.errors import DataError, ParameterError
from brianconv.graph import LayerGraph
from brianconv.recording import Recording

# energy of 32-bit integer operations in 45 nm CMOS at 0.9 V, in pJ (Datta et al., 2021, Table IV, after Horowitz, 2014)
MULTIPLICATION_PJ = 3.1
ACCUMULATE_PJ = 0.1
MULTIPLY_ACCUMULATE_PJ = 3.2  # a multiplication and an addition


@dataclass(frozen=True)
class Architecture:
    """How the energy of a neuromorphic chip divides between spikes and time, at the reference's spikes and latency.

    Attributes
    ----------
    name : str
    dynamic, static : float
        Shares of the energy that grow with the number of spikes and with the latency; E_dyn and E_sta of Park et al.
        (2020), section IV-B.
    """

    name: str
    dynamic: float
    static: float


TRUENORTH = Architecture("TrueNorth", dynamic=0.4, static=0.6)
SPINNAKER = Architecture("SpiNNaker", dynamic=0.64, static=0.36)


@dataclass(frozen=True)
class OperationCounts:
    """Numbers of multiplications and additions, in the unit of what they were computed from."""

    multiplications: float
    additions: float


@dataclass(frozen=True)
class ComputeEnergy:
    """Compute energy of one image in a network and in its spiking counterpart.

    Attributes
    ----------
    ann_pj : float
        All multiply-accumulates of the network before conversion.
    analog_pj : float
        Multiply-accumulates of analog pixels in the first layer of the spiking network.
    spikes_pj : mapping of str to float
        Accumulates, by the population whose spikes cause them.
    """

    ann_pj: float
    analog_pj: float
    spikes_pj: Mapping[str, float]

    @property
    def snn_pj(self) -> float:
        return self.analog_pj + sum(self.spikes_pj.values())

    @property
    def gain(self) -> float:
        """How many times less energy the spiking network takes; infinite if it is silent."""
        return self.ann_pj / self.snn_pj if self.snn_pj else math.inf


def spikes_by_layer(recording: Recording, n_steps: int | None = None) -> dict[str, float]:
    """Return the spikes per image of each population, the input first.

    Parameters
    ----------
    recording : Recording
    n_steps : int, optional
        Count only this many first steps, for example a latency; by default all, also for a latency of None, which was
        never reached.

    Raises
    ------
    ParameterError
        If the recording does not have so many steps.
    """
    return _per_image(recording, recording.spike_counts, n_steps)


def synaptic_operations_by_layer(recording: Recording, n_steps: int | None = None) -> dict[str, float]:
    """Return the synaptic operations per image that the spikes of each population cause: spikes times real fan-out.

    With a latency from `Recording.latency_steps` as `n_steps`, their sum is what Hwang et al. (2021), Fig. 13, call
    SOPs/image.

    Parameters
    ----------
    recording : Recording
    n_steps : int, optional
        Count the first so many steps; all otherwise.

    Raises
    ------
    ParameterError
        If the recording does not have so many steps.
    """
    return _per_image(recording, recording.synaptic_operations, n_steps)


def spikes_per_neuron(recording: Recording, n_steps: int | None = None) -> dict[str, float]:
    """Return the average spikes per image and neuron of each population: Datta et al. (2021), section VI-A, zeta.

    Parameters
    ----------
    recording : Recording
    n_steps : int, optional
        Count the first so many steps; all otherwise.

    Raises
    ------
    ParameterError
        If the recording does not have so many steps.
    """
    spikes = spikes_by_layer(recording, n_steps)
    return {name: count / math.prod(recording.shapes[name]) for name, count in spikes.items()}


def normalized_energy(
    architecture: Architecture, *, spikes: float, latency: float, reference_spikes: float, reference_latency: float
) -> float:
    """Return the energy on a neuromorphic chip relative to a reference, usually rate coding on the same network.

    Park et al. (2020), section IV-B: (# of spikes) E_dyn + (latency) E_sta, where, as their Table II shows, both are
    in units of the reference. All 24 energies of that table follow from its spikes and latencies within 0.001, the
    rounding of their last digit (phase coding on MNIST, SpiNNaker: 19.2288, printed 19.228, is cut off, not rounded).
    They give no energies for reverse coding (TDSNN).

    Parameters
    ----------
    architecture : Architecture
        `TRUENORTH` or `SPINNAKER`.
    spikes, reference_spikes : float
        Spikes an image, both in the same unit.
    latency, reference_latency : float
        Steps until the decision, both in the same unit.

    Raises
    ------
    ParameterError
        If a number is negative or not finite, or a number of the reference is zero.
    """
    _check_counts(
        spikes=spikes, latency=latency, reference_spikes=reference_spikes, reference_latency=reference_latency
    )
    if not reference_spikes or not reference_latency:
        raise ParameterError(
            f"the reference has {reference_spikes:g} spikes and a latency of {reference_latency:g}; both must be above "
            "0: take a run that fires and decides, such as one with rate coding"
        )
    return architecture.dynamic * spikes / reference_spikes + architecture.static * latency / reference_latency


def operation_counts(
    code: str | CodingScheme, spikes: float, *, macs: float = 0.0, decays: float = 0.0
) -> OperationCounts:
    """Return the multiplications and additions of an inference, as in Park et al. (2020), Table III.

    Each spike is one addition, and one multiplication where it is weighted by its time; kernels are lookup tables. The
    columns for rate, phase, burst and T2FSNN equal the spikes in Table II. These are spikes, not synaptic operations:
    give the latter as `spikes` to count an addition per synapse. Two columns do not follow from the paper: the DNN's
    146.50 million are less than half of the 313.8 million multiply-accumulates of VGG-16 with 13 convolutions and
    512-512-100 (`macs_by_layer`), and TDSNN's 14.84 and 154.21 million come from unprinted numbers of neurons, steps
    and tick spikes.

    Parameters
    ----------
    code : str or CodingScheme
        Its hidden neurons determine whether a spike carries a weight of its own.
    spikes : float
        Spikes per image, including those of auxiliary neurons.
    macs : float
        Multiply-accumulates of analog values; with no spikes, the counts are those of the network before conversion.
    decays : float
        Times that a potential decays by a multiplication: neurons times steps for leaky neurons.

    Raises
    ------
    ParameterError
        If the coding scheme is unknown, or a number is negative or not finite.
    """
    weighted = find_coding(code).neuron.spike_value != "1"
    _check_counts(spikes=spikes, macs=macs, decays=decays)
    return OperationCounts(weighted * spikes + macs + decays, spikes + macs)


def macs_by_layer(graph: LayerGraph, *, padding: bool = False) -> dict[str, int]:
    """Return the multiply-accumulates per image of each layer before conversion.

    Convolutions and dense layers are counted: Datta et al. (2021), Table III. Not counted: average pooling, though
    it is folded into a connection here (its n_synapses is that of pooling and weights together), one-to-one
    connections such as shortcuts, and biases: they take additions, or one multiplication per neuron.

    Parameters
    ----------
    graph : LayerGraph
    padding : bool
        Count the products with padded zeros also, as the formula in Table III does. Without them, which is the
        default, a network without pooling whose neurons all fire once accumulates as often as it multiplies before
        conversion.
    """
    return {
        layer.name: sum(_connection_macs(connection, padding) for connection in layer.connections)
        for layer in graph.layers
    }


def compute_energy(recording: Recording, graph: LayerGraph) -> ComputeEnergy:
    """Return the compute energy per image before and after conversion, from recorded operations.

    Datta et al. (2021), Eqs. 24 and 25 (24 prints F_SNN where it means F_ANN) and the footnote to them: before
    conversion each multiply-accumulate costs 3.2 pJ; after it, pixels that enter as analog values cost
    multiply-accumulates in the first layer, and each synaptic operation costs an accumulate of 0.1 pJ.

    As in the paper, analog pixels cost all multiply-accumulates of the first layer, those of black pixels too, once per
    image: neither pixels nor weights change, so that the products of the first analog step are reused in later ones (a
    constant current into each neuron, which like a bias is not counted).

    Two things differ from Eq. 25. Operations are recorded, spikes times real fan-out, not estimated from an average
    activity; and spikes of the input count, which the footnote asks for and the equation leaves out. After average
    pooling over p places a spike reaches all that the pooled value reaches, so that a layer whose inputs all fire once
    takes p times as many accumulates as it took multiply-accumulates before.

    Parameters
    ----------
    recording : Recording
    graph : LayerGraph
        The network that was recorded.

    Raises
    ------
    DataError
        If the recording has other populations than the graph.
    """
    _check_populations(recording, graph)
    operations = synaptic_operations_by_layer(recording)
    return ComputeEnergy(
        ann_pj=MULTIPLY_ACCUMULATE_PJ * sum(macs_by_layer(graph).values()),
        analog_pj=MULTIPLY_ACCUMULATE_PJ * analog_macs(recording, graph),
        spikes_pj={name: ACCUMULATE_PJ * count for name, count in operations.items()},
    )


def compute_energy_by_step(recording: Recording, graph: LayerGraph) -> np.ndarray:
    """Return the compute energy per image of the spiking network up to each step, in pJ, shape (n_steps,).

    As `compute_energy` counts it; its `snn_pj` is the last entry.

    Parameters
    ----------
    recording : Recording
    graph : LayerGraph
        The network that was recorded.
    """
    operations = recording.synaptic_operations.sum(axis=1).cumsum() / recording.n_images
    return MULTIPLY_ACCUMULATE_PJ * analog_macs(recording, graph) + ACCUMULATE_PJ * operations


def analog_macs(recording: Recording, graph: LayerGraph) -> int:
    """Return the multiply-accumulates per image of analog pixels and weights; 0 if pixels entered as spikes only.

    They are those of all layers that pixels reach directly, made once per image; see `compute_energy`.

    Parameters
    ----------
    recording : Recording
    graph : LayerGraph
        The network that was recorded.
    """
    if not recording.analog_operations.any():
        return 0
    first = [connection for name in graph.pixel_sources for connection in graph.outgoing(name)]
    return sum(_connection_macs(connection, padding=False) for connection in first)


def estimated_compute_energy(macs: Mapping[str, float], spikes_per_neuron: Mapping[str, float]) -> ComputeEnergy:
    """Return the compute energy per image from average activities, to compare with published ones.

    Datta et al. (2021), Table III with Eqs. 24 and 25 to the letter: the first layer multiplies analog pixels once,
    a further layer accumulates F_ANN times its own zeta (although the spikes that reach it are those of the layer
    before), and spikes of the input are left out. The paper's gains of about 70 (CIFAR-10) and 125 (CIFAR-100) cannot
    be recomputed: they rest on activities that are drawn but not printed (Fig. 3). They lie below 177, the gain of
    VGG-16 with two hidden dense layers of 512 neurons if no layer but the first took energy, and need a uniform
    activity of 0.28 and 0.076 spikes per neuron.

    Parameters
    ----------
    macs : mapping of str to float
        Multiply-accumulates of each layer, the first one first; as `macs_by_layer` returns them with padding.
    spikes_per_neuron : mapping of str to float
        zeta of each layer but the first; entries for others are ignored.

    Raises
    ------
    DataError
        If there is no layer, or the activity of a layer is missing.
    ParameterError
        If a number is negative or not finite.
    """
    if not macs:
        raise DataError("there are no multiply-accumulates: give those of at least one layer, first layer first")
    first, *others = macs
    missing = [name for name in others if name not in spikes_per_neuron]
    if missing:
        given = ", ".join(spikes_per_neuron) or "none"
        raise DataError(f"the spikes per neuron of layer {missing[0]!r} are missing; given are those of: {given}")
    _check_counts(**{f"macs of {name}": count for name, count in macs.items()})
    _check_counts(**{f"spikes per neuron of {name}": spikes_per_neuron[name] for name in others})
    return ComputeEnergy(
        ann_pj=MULTIPLY_ACCUMULATE_PJ * sum(macs.values()),
        analog_pj=MULTIPLY_ACCUMULATE_PJ * macs[first],
        spikes_pj={name: ACCUMULATE_PJ * macs[name] * spikes_per_neuron[name] for name in others},
    )


def _per_image(recording: Recording, by_step: np.ndarray, n_steps: int | None) -> dict[str, float]:
    if n_steps is not None and not 1 <= n_steps <= recording.n_steps:
        raise ParameterError(f"n_steps is {n_steps}; the recording has steps 1 to {recording.n_steps}")
    totals = by_step[:n_steps].sum(axis=0) / recording.n_images
    return dict(zip(recording.layers, totals.tolist(), strict=True))


def _connection_macs(connection: Connection, padding: bool) -> int:
    return sum(part.n_multiplications(padding) for part in connection.chain if part.weighted)


def _check_counts(**counts: float) -> None:
    for name, count in counts.items():
        if not (math.isfinite(count) and count >= 0):
            raise ParameterError(f"{name.replace('_', ' ')}: {count:g} is not a count; give a finite number, 0 or more")


def _check_populations(recording: Recording, graph: LayerGraph) -> None:
    recorded = {name: tuple(recording.shapes[name]) for name in recording.layers}
    if recorded != dict(graph.shapes):
        raise DataError(
            f"the recording has populations {_listed(recorded)}, the graph {_listed(graph.shapes)}: "
            "give the graph of the network that was recorded"
        )


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
