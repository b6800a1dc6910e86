"""What a search for pre-charges costs, before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from brianconv.connectivity.connection import Connection
from brianconv.graph import Layer
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.pcmp import layer_error
from brianconv.tuning.pcmp.search import CANDIDATES, N_STEPS
from brianconv.tuning.propagation import Propagation

PROBED_STEPS = 16


@dataclass(frozen=True)
class PcmpCost:
    """What a search takes.

    Attributes
    ----------
    n_images, n_steps, n_candidates : int
    multiply_adds : int
        Of the weighted sums; each is made twice, for the candidates and for the spikes of the best one.
    updates : int
        Steps of a membrane, of all neurons and candidates.
    seconds : float
        Estimated from a short probe on this machine.
    """

    n_images: int
    n_steps: int
    n_candidates: int
    multiply_adds: int
    updates: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.n_images} images x {self.n_steps} steps x {self.n_candidates} candidates: "
            f"{self.multiply_adds:.2g} multiply-adds, {self.updates:.2g} membrane updates, "
            f"about {_duration(self.seconds)}"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def estimate_cost(
    spiking: SpikingNetwork,
    n_images: int,
    n_steps: int = N_STEPS,
    n_candidates: int = len(CANDIDATES),
    dtype: str = "float32",
) -> PcmpCost:
    """Return the operations of `tune_pcmp`, and the time that they will take, from a probe of a second or so."""
    real, graph = getattr(torch, dtype), spiking.graph
    edges = {layer.name: sum(_edges(connection) for connection in layer.connections) for layer in graph.layers}
    passes = {layer.name: 2 if graph.outgoing(layer.name) else 1 for layer in graph.layers}
    steps = n_images * n_steps
    per_update = _probe_updates(n_candidates, real)
    seconds = sum(passes[layer.name] * _probe_sums(layer, real) for layer in graph.layers) * steps
    updates = n_candidates * graph.n_neurons * steps
    multiply_adds = sum(passes[name] * count for name, count in edges.items()) * steps
    return PcmpCost(n_images, n_steps, n_candidates, multiply_adds, updates, seconds + updates * per_update)


def _edges(connection: Connection) -> int:
    return sum(part.n_edges for part in connection.chain if not part.rearranges)


def _probe_updates(n_candidates: int, real: torch.dtype) -> float:
    """Seconds that an update of a membrane takes."""
    arriving = torch.rand(PROBED_STEPS, max(1, layer_error.MEMBRANES // n_candidates), dtype=real)
    start = time.perf_counter()
    layer_error.summed_squared_errors(arriving, arriving[0], torch.zeros(n_candidates, dtype=real), 1.0, 1.0)
    return (time.perf_counter() - start) / (arriving.numel() * n_candidates)


def _probe_sums(layer: Layer, real: torch.dtype) -> float:
    """Seconds that the weighted sums of a layer take in a step."""
    propagation = Propagation(layer, real)
    start = time.perf_counter()
    for connection in layer.connections:
        propagation.spikes(connection, torch.zeros(PROBED_STEPS, int(np.prod(connection.input_shape)), dtype=real))
    return (time.perf_counter() - start) / PROBED_STEPS
