"""A second implementation of the same spiking network in torch, step by step: the oracle behind `verify`.

It shares weights and parameter values with the Brian2 network and nothing else: dense tensors, torch's own layers, in
torch's order of neurons.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from brianconv.conversion.channels import Placement
from brianconv.conversion.geometry import Convolution, Dense, Geometry, OneToOne, TransposedConvolution
from brianconv.conversion.graph import INPUT, Connection
from brianconv.errors import ParameterError
from brianconv.spiking import SpikingNetwork, tolerance

Stepped = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Neurons:
    """A population of neurons for a batch of images.

    Attributes
    ----------
    v : tensor, shape (n_images, n_neurons)
    drive : tensor, shape (n_images, n_neurons)
        Pixels or biases.
    """

    def __init__(
        self, drive: torch.Tensor, parameters: Mapping[str, float], relative_tolerance: float, is_input: bool
    ) -> None:
        self.drive = drive
        self.parameters = parameters
        self.share = 1 - relative_tolerance  # of a threshold that has to be reached
        self.v = torch.full_like(drive, parameters.get("v_init", 0.0))
        self.is_input = is_input
        self.start()

    def start(self) -> None:
        """Set the state before the first step."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        """Do step t, counted from 1.

        Returns the spikes (0 or 1), the potential before the reset, and what the spikes carry to other neurons.
        """
        raise NotImplementedError

    def silent(self, arriving: torch.Tensor, t: int) -> Stepped:
        """Do step t as an output that never fires."""
        reached = self.integrated(arriving, t)
        self.v = reached
        return torch.zeros_like(reached), reached, torch.zeros_like(reached)

    def integrated(self, arriving: torch.Tensor, t: int) -> torch.Tensor:
        """Return the potential after integration."""
        return self.v + arriving + self.drive


class IntegrateAndFire(Neurons):
    """Integrate-and-fire neurons with reset by subtraction."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before = self.integrated(arriving, t)
        threshold = self.parameters["v_threshold"]
        spikes = (before >= threshold * self.share).to(before.dtype)
        self.v = before - spikes * threshold
        return spikes, before, spikes


class WeightedSpikes(Neurons):
    """Kim et al. (2018), Eqs. 8 to 10."""

    def omega(self, t: int) -> float:
        return 0.5 ** ((t - 1) % int(self.parameters["n_phases"]) + 1)

    def integrated(self, arriving: torch.Tensor, t: int) -> torch.Tensor:
        return self.v + arriving + self.drive * self.omega(t)

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before, omega = self.integrated(arriving, t), self.omega(t)
        spikes = (before >= omega * self.share).to(before.dtype)
        self.v = before - spikes * omega
        return spikes, before, spikes * omega


class BinaryDigits(WeightedSpikes):
    """The binary digits of the pixels, by integer arithmetic."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        k = int(self.parameters["n_phases"])
        whole = torch.floor(self.drive * (2**k - 1) + 0.5).to(torch.int64)
        phase = (t - 1) % k
        left = whole % 2 ** (k - phase)  # the digits that are still to be sent
        spikes = (left // 2 ** (k - phase - 1)).to(self.drive.dtype)
        return spikes, left.to(self.drive.dtype) / 2**k, spikes * self.omega(t)


class Bursting(Neurons):
    """Park et al. (2019): the threshold doubles with every spike in succession."""

    def start(self) -> None:
        self.v = self.v * self.parameters["v_threshold"]
        self.burst = torch.ones_like(self.v)

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before = self.integrated(arriving, t)
        worth = self.burst * self.parameters["v_threshold"]
        fired = before >= worth * self.share
        spikes = fired.to(before.dtype)
        self.v = before - spikes * worth
        self.burst = torch.where(fired, self.burst * self.parameters["beta"], torch.ones_like(worth))
        return spikes, before, spikes * worth


class FirstSpike(Neurons):
    """Park et al. (2020), Eqs. 5 to 8."""

    def start(self) -> None:
        self.v = self.drive.clone() if self.is_input else self.v + self.drive
        self.fired = torch.zeros_like(self.v, dtype=torch.bool)

    def integrated(self, arriving: torch.Tensor, t: int) -> torch.Tensor:
        return self.v + arriving

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        self.v = self.integrated(arriving, t)
        p, elapsed = self.parameters, t - self.parameters["fire_start"]
        if not 0 <= elapsed < p["window"]:
            return torch.zeros_like(self.v), self.v, torch.zeros_like(self.v)
        kernel = math.exp(-(elapsed - p["t_d"]) / p["tau"])
        now = (self.v >= p["theta_0"] * kernel * self.share) & ~self.fired
        self.fired = self.fired | now
        spikes = now.to(self.v.dtype)
        return spikes, self.v, spikes * kernel


class Pixels(Neurons):
    """Pixels that multiply weights in every step."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        return (self.drive != 0).to(self.drive.dtype), self.drive, self.drive


NEURONS: dict[str, type[Neurons]] = {
    "integrate_and_fire": IntegrateAndFire,
    "weighted_spikes": WeightedSpikes,
    "binary_digits": BinaryDigits,
    "bursting": Bursting,
    "first_spike": FirstSpike,
    "pixel": Pixels,
}


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """What the neurons of each population did.

    Attributes
    ----------
    spikes, potentials : mapping of str to array, shape (n_images, n_steps, n_neurons)
        Potentials are those before the reset.
    sent : mapping of str to array, shape (n_images, n_neurons)
        Sum of what the spikes carried: their number, their weights, or the values of a kernel; the potential at the end
        for an output that does not fire.
    """

    spikes: Mapping[str, np.ndarray]
    potentials: Mapping[str, np.ndarray]
    sent: Mapping[str, np.ndarray]


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
    carried: dict[str, torch.Tensor] = {}
    sent: dict[str, torch.Tensor] = {}
    for t in range(1, n_steps + 1):
        for name, model in neurons.items():
            arriving = torch.zeros_like(model.v)
            for connection in [] if name == INPUT else spiking.graph.layer(name).connections:
                queue = in_flight[connection]
                queue.append(_transmit(connection, carried[connection.source]))
                arriving = arriving + queue.popleft()
            fires = name != spiking.output or spiking.scheme.readout.fires
            fired, before, carried[name] = (model.step if fires else model.silent)(arriving, t)
            sent[name] = sent.get(name, 0.0) + carried[name] if fires else before
            spikes[name].append(fired)
            potentials[name].append(before)
    return ReferenceRun(
        {name: torch.stack(rows, 1).bool().numpy() for name, rows in spikes.items()},
        {name: torch.stack(rows, 1).numpy() for name, rows in potentials.items()},
        {name: values.numpy() for name, values in sent.items()},
    )


def _neurons(
    spiking: SpikingNetwork, name: str, images: np.ndarray, real: torch.dtype, relative_tolerance: float
) -> Neurons:
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
    parameters = {key: by_population[name] for key, by_population in spiking.shared_values.items()}
    return NEURONS[model.name](drive, parameters, relative_tolerance, name == INPUT)


def _batched(spiking: SpikingNetwork, name: str, images: np.ndarray) -> tuple[int, ...]:
    return (len(images), *spiking.graph.shapes[name])


def _silent_delays(spiking: SpikingNetwork, n_images: int, real: torch.dtype) -> dict[Connection, deque[torch.Tensor]]:
    """For each connection a queue of what is on its way, silent at the start."""
    queues = {}
    for layer in spiking.graph.layers:
        for connection in layer.connections:
            silence = torch.zeros(n_images, layer.n_neurons, dtype=real)
            delay = spiking.synaptic_delay.get(layer.name, 0)
            queues[connection] = deque([silence] * delay)
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
    if isinstance(geometry, TransposedConvolution):
        return functional.conv_transpose2d(
            x,
            torch.as_tensor(geometry.weight, dtype=x.dtype),
            None,
            geometry.stride,
            geometry.padding,
            geometry.output_padding,
            geometry.groups,
            geometry.dilation,
        )
    if isinstance(geometry, Placement):
        beyond = geometry.n_channels - geometry.range.stop
        return functional.pad(x, (*(0,) * (2 * x.ndim - 4), geometry.first, beyond))
    if isinstance(geometry, OneToOne):
        return x * torch.as_tensor(geometry.weight, dtype=x.dtype)
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
