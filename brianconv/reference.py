"""A second implementation of the same spiking network in torch, step by step: the oracle behind `verify`.

It shares weights and parameter values with the Brian2 network and nothing else: dense tensors, torch's own layers, in
torch's order of neurons.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from brianconv.conversion.geometry import Convolution, Dense, Geometry
from brianconv.conversion.graph import INPUT, Connection
from brianconv.errors import ParameterError
from brianconv.spiking import SpikingNetwork, tolerance


class IntegrateAndFire:
    """Integrate-and-fire neurons with reset by subtraction, for a batch of images.

    Attributes
    ----------
    v : tensor, shape (n_images, n_neurons)
    """

    def __init__(self, drive: torch.Tensor, parameters: Mapping[str, float], relative_tolerance: float) -> None:
        self.drive = drive
        self.threshold = parameters["v_threshold"]
        self.lowest = self.threshold * (1 - relative_tolerance)
        self.v = torch.full_like(drive, parameters["v_init"])

    def step(self, arriving: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Integrate one step; return the spikes (0 or 1) and the potential before the reset."""
        self.v = self.v + arriving + self.drive
        before = self.v
        spikes = (before >= self.lowest).to(before.dtype)
        self.v = before - spikes * self.threshold
        return spikes, before


NEURONS: dict[str, Callable[..., IntegrateAndFire]] = {"integrate_and_fire": IntegrateAndFire}


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """Spikes and potentials before the reset, by population: arrays of shape (n_images, n_steps, n_neurons)."""

    spikes: Mapping[str, np.ndarray]
    potentials: Mapping[str, np.ndarray]


def simulate_reference(
    spiking: SpikingNetwork, images: np.ndarray, n_steps: int, dtype: str = "float64"
) -> ReferenceRun:
    """Simulate a spiking network in torch.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    n_steps : int
    dtype : {"float64", "float32"}

    Raises
    ------
    ParameterError
        If a neuron model was changed, or has no reference.
    """
    real = getattr(torch, dtype)
    count = len(images)
    neurons = {name: _neurons(spiking, name, images, real, tolerance(dtype)) for name in spiking.populations}
    in_flight = _silent_delays(spiking, count, real)
    spikes: dict[str, list[torch.Tensor]] = {name: [] for name in neurons}
    potentials: dict[str, list[torch.Tensor]] = {name: [] for name in neurons}
    for _ in range(n_steps):
        for name, model in neurons.items():
            arriving = torch.zeros_like(model.v)
            for connection in [] if name == INPUT else spiking.graph.layer(name).connections:
                queue = in_flight[name, connection.source]
                queue.append(_transmit(connection, spikes[connection.source][-1]))
                arriving = arriving + queue.popleft()
            fired, before = model.step(arriving)
            spikes[name].append(fired)
            potentials[name].append(before)
    return ReferenceRun(
        {name: torch.stack(rows, 1).bool().numpy() for name, rows in spikes.items()},
        {name: torch.stack(rows, 1).numpy() for name, rows in potentials.items()},
    )


def _neurons(
    spiking: SpikingNetwork, name: str, images: np.ndarray, real: torch.dtype, relative_tolerance: float
) -> IntegrateAndFire:
    model = spiking.neurons[name]
    original = spiking.scheme.encoding.neuron if name == INPUT else spiking.scheme.neuron
    if model != original or model.name not in NEURONS:
        raise ParameterError(
            f"population {name!r} has neurons ({model.name}) for which there is no torch reference: "
            f"there is one for {', '.join(NEURONS)} with unchanged equations"
        )
    values = (
        images if name == INPUT else np.broadcast_to(spiking.graph.layer(name).bias, _batched(spiking, name, images))
    )
    drive = torch.as_tensor(np.array(values, dtype=np.float64)).reshape(len(images), -1).to(real)
    parameters = {key: by_population[name] for key, by_population in spiking.parameters.items()}
    return NEURONS[model.name](drive, parameters, relative_tolerance)


def _batched(spiking: SpikingNetwork, name: str, images: np.ndarray) -> tuple[int, ...]:
    return (len(images), *spiking.graph.shapes[name])


def _silent_delays(
    spiking: SpikingNetwork, n_images: int, real: torch.dtype
) -> dict[tuple[str, str], deque[torch.Tensor]]:
    """For each connection a queue of what is on its way, silent at the start."""
    queues = {}
    for layer in spiking.graph.layers:
        for connection in layer.connections:
            silence = torch.zeros(n_images, layer.n_neurons, dtype=real)
            delay = spiking.synaptic_delay.get(layer.name, 0)
            queues[layer.name, connection.source] = deque([silence] * delay)
    return queues


def _transmit(connection: Connection, spikes: torch.Tensor) -> torch.Tensor:
    """Weighted sum of spikes at the postsynaptic neurons, without biases."""
    x = spikes.reshape(len(spikes), *connection.input_shape)
    for geometry in connection.chain:
        x = _apply(geometry, x)
    return x.reshape(len(x), -1)


def _apply(geometry: Geometry, x: torch.Tensor) -> torch.Tensor:
    if isinstance(geometry, Dense):
        return functional.linear(x, torch.as_tensor(geometry.weight, dtype=x.dtype))
    if isinstance(geometry, Convolution):
        (top, bottom), (left, right) = geometry.padding
        return functional.conv2d(
            functional.pad(x, (left, right, top, bottom)),
            torch.as_tensor(geometry.weight, dtype=x.dtype),
            stride=geometry.stride,
            dilation=geometry.dilation,
            groups=geometry.groups,
        )
    return x.reshape(len(x), *geometry.output_shape)
