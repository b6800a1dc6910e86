"""A second implementation of the same spiking network in torch, step by step: the oracle behind `verify`.

It shares weights and parameter values with the Brian2 network and nothing else: dense tensors, torch's own layers, in
torch's order of neurons.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from brianconv.coding import random_numbers
from brianconv.coding.membrane import Membrane
from brianconv.coding.scheme import tolerance
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity, channels_last
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.selection import Selection
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.connectivity.weighted_sum import WeightedSum
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.spiking import SpikingNetwork

DECISION_TOLERANCE = 1e-6
Stepped = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class PopulationValues:
    """Values and circumstances of one population: what its neurons are made from.

    Attributes
    ----------
    parameters : mapping of str to float
    membrane : Membrane
    relative_tolerance : float
    is_input : bool
    place : array of int, shape (n_neurons,)
        Index of each neuron in the Brian2 population, on which random numbers depend.
    skip : int
        Steps during which the neurons stay at their initial potential.
    """

    parameters: Mapping[str, float]
    membrane: Membrane
    relative_tolerance: float
    is_input: bool
    place: np.ndarray
    skip: int = 0


class Neurons:
    """A population of neurons for a batch of images.

    Attributes
    ----------
    v : tensor, shape (n_images, n_neurons)
    drive : tensor, shape (n_images, n_neurons)
        Pixels or biases.
    """

    def __init__(self, drive: torch.Tensor, given: PopulationValues) -> None:
        self.drive = drive
        self.given = given
        self.parameters = given.parameters
        self.fraction = 1 - given.relative_tolerance  # of a threshold that has to be reached
        self.v = torch.full_like(drive, given.parameters.get("v_init", 0.0))
        self.is_input = given.is_input
        self.resting = torch.zeros_like(drive)  # steps in which a neuron cannot fire
        tau_m = given.membrane.tau_m
        self.decay = 1.0 if tau_m is None else math.exp(-1 / tau_m)
        self.gain = 1.0 if tau_m is None else tau_m * (1 - self.decay)
        self.start()
        self.beginning = self.v

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

    def charge(self, t: int) -> torch.Tensor | float:
        """Return the charge of a step that does not come from spikes."""
        return self.drive

    def integrated(self, arriving: torch.Tensor, t: int) -> torch.Tensor:
        """Return the potential after integration."""
        if t <= self.given.skip:
            return self.beginning
        return self.v * self.decay + (self.charge(t) + self.noise(t)) * self.gain + arriving

    def spike_value(self, t: int) -> torch.Tensor | float:
        """Return what a spike of each neuron carries in step t."""
        return 1.0

    def take_note(self, fired: torch.Tensor) -> None:
        """Update what later spikes carry after the spikes of a step."""

    def noise(self, t: int) -> torch.Tensor | float:
        """Return the noise of a step."""
        membrane = self.given.membrane
        if not membrane.noise:
            return 0.0
        drawn = random_numbers.normal(membrane.noise_seed, np.arange(len(self.v))[:, None], t, self.given.place)
        return membrane.noise * torch.as_tensor(drawn).to(self.v.dtype)

    def fires(self, condition: torch.Tensor) -> torch.Tensor:
        """Return which neurons fire: those of a condition that are not refractory."""
        fired = condition & (self.resting == 0)
        rest = torch.full_like(self.resting, max(self.given.membrane.refractory - 1, 0))
        self.resting = torch.where(fired, rest, (self.resting - 1).clamp(min=0))
        return fired


class IntegrateAndFire(Neurons):
    """Integrate-and-fire neurons with reset by subtraction."""

    def start(self) -> None:
        self.v = self.v * self.parameters["v_threshold"]

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before = self.integrated(arriving, t)
        threshold = self.parameters["v_threshold"]
        spikes = self.fires(before >= threshold * self.fraction).to(before.dtype)
        self.v = before - spikes * threshold
        return spikes, before, spikes * self.spike_value(t)


class WeightedSpikes(Neurons):
    """Kim et al. (2018), Eqs. 8 to 10."""

    def omega(self, t: int) -> float:
        return 0.5 ** ((t - 1) % int(self.parameters["n_phases"]) + 1)

    def charge(self, t: int) -> torch.Tensor:
        return self.drive * self.omega(t)

    def spike_value(self, t: int) -> float:
        return self.omega(t)

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before, omega = self.integrated(arriving, t), self.omega(t)
        spikes = self.fires(before >= omega * self.fraction).to(before.dtype)
        self.v = before - spikes * omega
        return spikes, before, spikes * self.spike_value(t)


class BinaryDigits(WeightedSpikes):
    """The binary digits of the pixels, by integer arithmetic."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        k = int(self.parameters["n_phases"])
        whole = torch.floor(self.drive * (2**k - 1) + 0.5).to(torch.int64)
        phase = (t - 1) % k
        left = whole % 2 ** (k - phase)  # the digits that are still to be sent
        spikes = (left // 2 ** (k - phase - 1)).to(self.drive.dtype)
        return spikes, left.to(self.drive.dtype) / 2**k, spikes * self.spike_value(t)


class BinaryDigitsPerStep(BinaryDigits):
    """Binary digits whose sum over a period is the value of every step of it."""

    def spike_value(self, t: int) -> float:
        return self.omega(t) * int(self.parameters["n_phases"])


class Bursting(Neurons):
    """Park et al. (2019): the threshold doubles with each consecutive spike."""

    def start(self) -> None:
        self.v = self.v * self.parameters["v_threshold"]
        self.burst = torch.ones_like(self.v)

    def spike_value(self, t: int) -> torch.Tensor:
        return self.burst * self.parameters["v_threshold"]

    def take_note(self, fired: torch.Tensor) -> None:
        self.burst = torch.where(fired, self.burst * self.parameters["beta"], torch.ones_like(self.burst))

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        before, worth = self.integrated(arriving, t), self.spike_value(t)
        fired = self.fires(before >= worth * self.fraction)
        spikes = fired.to(before.dtype)
        self.v = before - spikes * worth
        self.take_note(fired)
        return spikes, before, spikes * worth


class FirstSpike(Neurons):
    """Park et al. (2020), Eqs. 5 to 8."""

    def start(self) -> None:
        self.v = self.drive.clone() if self.is_input else self.v + self.drive
        self.fired = torch.zeros_like(self.v, dtype=torch.bool)

    def charge(self, t: int) -> float:
        return 0.0

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        self.v = self.integrated(arriving, t)
        p, elapsed = self.parameters, t - self.parameters["fire_start"]
        if not 0 <= elapsed < p["window"]:
            return torch.zeros_like(self.v), self.v, torch.zeros_like(self.v)
        kernel = self.spike_value(t)
        now = (self.v >= p["theta_0"] * kernel * self.fraction) & ~self.fired
        self.fired = self.fired | now
        spikes = now.to(self.v.dtype)
        return spikes, self.v, spikes * kernel

    def spike_value(self, t: int) -> float:
        elapsed = t - self.parameters["fire_start"]
        return math.exp(-(elapsed - self.parameters["t_d"]) / self.parameters["tau"])


class LastChance(Neurons):
    """One spike, when the growing threshold is about to exceed the potential."""

    def start(self) -> None:
        self.v = self.drive.clone() if self.is_input else self.v + self.drive

    def charge(self, t: int) -> float:
        return 0.0

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        self.v = self.integrated(arriving, t)
        p, elapsed = self.parameters, t - self.parameters["fire_start"]
        if not 0 <= elapsed < p["window"]:
            return torch.zeros_like(self.v), self.v, torch.zeros_like(self.v)
        last = elapsed == p["window"] - 1
        kernel, following = self.spike_value(t), self.spike_value(t + 1)
        limit = math.inf if last else p["theta_0"] * following * self.fraction
        spikes = self.fires((self.v >= p["theta_0"] * kernel * self.fraction) & (self.v < limit)).to(self.v.dtype)
        return spikes, self.v, spikes * kernel

    def spike_value(self, t: int) -> float:
        elapsed = t - self.parameters["fire_start"]
        return math.exp((elapsed - self.parameters["window"] + 1) / self.parameters["tau"])


class LeakyLimited(Neurons):
    """Datta et al. (2021), Eqs. 6 to 8, with a limit on the number of spikes."""

    def start(self) -> None:
        self.v = self.v * self.parameters["v_threshold"]
        self.above = torch.zeros_like(self.v)
        self.count = torch.zeros_like(self.v)

    def integrated(self, arriving: torch.Tensor, t: int) -> torch.Tensor:
        if t <= self.given.skip:
            return self.beginning
        p = self.parameters
        return p["decay"] * self.v + self.drive + self.noise(t) + arriving - p["v_threshold"] * self.above

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        p = self.parameters
        self.v = self.integrated(arriving, t)
        over = self.v > p["v_threshold"] * (2 - self.fraction)
        spikes = self.fires(over & (self.count < p["spike_limit"])).to(self.v.dtype)
        self.count = self.count + spikes
        self.above = spikes
        return spikes, self.v, spikes


class Accumulator(Neurons):
    """Datta et al. (2021), Eq. 9."""

    def start(self) -> None:
        self.v = self.v * self.parameters["v_threshold"]


class Pixels(Neurons):
    """Pixels that multiply weights in every step."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        return (self.drive != 0).to(self.drive.dtype), self.drive, self.drive

    def spike_value(self, t: int) -> torch.Tensor:
        return self.drive


class PoissonPixels(Neurons):
    """Pixels that fire at random."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        images = np.arange(len(self.drive))[:, None]
        drawn = random_numbers.uniform(self.parameters["seed"], images, t, self.given.place)
        spikes = (torch.as_tensor(drawn) < self.drive.abs()).to(self.drive.dtype)
        return spikes, self.drive, spikes * self.spike_value(t)

    def spike_value(self, t: int) -> torch.Tensor:
        return self.drive.sign()


class SingleSpikePixels(Neurons):
    """Datta et al. (2021), Eq. 4 without the analog step."""

    def start(self) -> None:
        p = self.parameters
        exact = p["window"] + (2 - p["window"]) * (self.drive - p["pixel_low"]) / (p["pixel_high"] - p["pixel_low"])
        self.spike_step = torch.floor(exact + 0.5 + (1 - self.fraction) / 100).clamp(2, p["window"])

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        spikes = ((self.spike_step == t) & (t > 1)).to(self.drive.dtype)
        return spikes, self.drive, spikes


class HybridPixels(SingleSpikePixels):
    """Datta et al. (2021), Eqs. 4 and 5."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        if t == 1:
            return (self.drive != 0).to(self.drive.dtype), self.drive, self.drive
        return super().step(arriving, t)

    def spike_value(self, t: int) -> torch.Tensor | float:
        return self.drive if t == 1 else 1.0


class Relay(Neurons):
    """Maximum pooling: passes what the input with the largest sum so far sends."""

    def __init__(self, drive: torch.Tensor, given: PopulationValues, pooling: MaxPooling) -> None:
        super().__init__(drive, given)
        self.pooling = pooling
        self.total = torch.zeros(len(drive), *pooling.image_shape, dtype=drive.dtype)

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        carried = arriving.reshape(self.total.shape)
        self.total = self.total + carried.abs()
        rim = self._rim()
        padded = functional.pad(self.total, rim, value=-math.inf)
        sums, values = (
            functional.unfold(x, self.pooling.kernel_size, stride=self.pooling.stride).reshape(
                len(x), x.shape[1], math.prod(self.pooling.kernel_size), -1
            )
            for x in (padded, functional.pad(carried, rim))
        )
        leader = sums.argmax(dim=2, keepdim=True)  # the first one if several are equal
        passed = values.gather(2, leader).reshape(len(self.v), -1)
        return (passed != 0).to(passed.dtype), passed, passed

    def _rim(self) -> tuple[int, int, int, int]:
        """Padding (left, right, top, bottom) with which every window is full."""
        pooling = self.pooling
        settings = (pooling.kernel_size, pooling.stride, pooling.padding)
        n_windows = functional.max_pool2d(self.total, *settings, ceil_mode=pooling.ceil_mode).shape[2:]
        lengths = zip(n_windows, *settings, self.total.shape[2:], strict=True)
        (top, bottom), (left, right) = (
            (pad, max(pad, (windows - 1) * stride + kernel - pad - length))
            for windows, kernel, stride, pad, length in lengths
        )
        return left, right, top, bottom


class PassOn(Neurons):
    """Passes on what another population sends, one to one."""

    def step(self, arriving: torch.Tensor, t: int) -> Stepped:
        return (arriving != 0).to(arriving.dtype), arriving, arriving


NEURONS: dict[str, type[Neurons]] = {
    "integrate_and_fire": IntegrateAndFire,
    "weighted_spikes": WeightedSpikes,
    "binary_digits": BinaryDigits,
    "binary_digits_per_step": BinaryDigitsPerStep,
    "bursting": Bursting,
    "first_spike": FirstSpike,
    "last_chance": LastChance,
    "leaky_limited": LeakyLimited,
    "accumulator": Accumulator,
    "pixel": Pixels,
    "poisson_pixel": PoissonPixels,
    "single_spike_pixel": SingleSpikePixels,
    "hybrid_pixel": HybridPixels,
}


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """What the neurons of each population did.

    Attributes
    ----------
    spikes, potentials : mapping of str to array, shape (n_images, n_steps, n_neurons)
        Potentials are those before the reset. Analog pixels are not spikes.
    sent : mapping of str to array, shape (n_images, n_neurons)
        Sum of what the spikes carried: their number, their weights, or the values of a kernel; the potential at the end
        for an output that does not fire.
    scores : array, shape (n_images, n_steps, n_classes)
    steps : array of int, shape (n_images,)
        Step in which each image was decided, or the last one.
    """

    spikes: Mapping[str, np.ndarray]
    potentials: Mapping[str, np.ndarray]
    sent: Mapping[str, np.ndarray]
    scores: np.ndarray
    steps: np.ndarray


def simulate_reference(
    spiking: SpikingNetwork,
    images: np.ndarray,
    n_steps: int,
    dtype: str = "float64",
    *,
    evaluation_delay: int = 0,
    skip: int = 0,
    early_decision: float | None = None,
) -> ReferenceRun:
    """Simulate a spiking network in torch.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    n_steps : int
    dtype : {"float64", "float32"}
    evaluation_delay, skip, early_decision
        As in `Simulation.run`; here an image runs to the last step, even if it has been decided.

    Raises
    ------
    ParameterError
        If a neuron model was changed, or neurons or readout have no reference.
    """
    real, readout = getattr(torch, dtype), spiking.coding.readout
    if readout.name not in READOUTS:
        raise ParameterError(f"readout {readout.name!r} has no torch reference; there is one for {', '.join(READOUTS)}")
    for changed in spiking.synapses:
        raise ParameterError(
            f"connection {changed!r} has changed synapses ({spiking.synapses[changed].name}), for which there is no "
            "torch reference: verify the network before its connections are changed"
        )
    count = len(images)
    neurons = {name: _neurons(spiking, name, images, real, tolerance(dtype), skip) for name in spiking.populations}
    in_flight = _silent_delays(spiking, count, real)
    spikes: dict[str, list[torch.Tensor]] = {name: [] for name in neurons}
    potentials: dict[str, list[torch.Tensor]] = {name: [] for name in neurons}
    carried: dict[str, torch.Tensor] = {}
    sent: dict[str, torch.Tensor] = {}
    for t in range(1, n_steps + 1):
        for name, model in neurons.items():
            arriving: torch.Tensor | float = 0.0
            for connection in [] if name == INPUT else spiking.graph.layer(name).connections:
                queue = in_flight[connection]
                queue.append(_transmit(connection, carried[connection.source]))
                arriving = arriving + queue.popleft()
            fires = name != spiking.output or readout.fires
            fired, before, carried[name] = (model.step if fires else model.silent)(torch.as_tensor(arriving), t)
            sent[name] = sent.get(name, 0.0) + carried[name] if fires else before
            spikes[name].append(fired)
            potentials[name].append(before)
    output = neurons[spiking.output]
    trains, courses = (torch.stack(of_all[spiking.output]) for of_all in (spikes, potentials))
    scores = READOUTS[readout.name](output, trains, courses, evaluation_delay).movedim(0, 1).numpy()
    fired_by_name = {name: torch.stack(rows, 1).bool().numpy() for name, rows in spikes.items()}
    for name, analog in spiking.analog_steps(n_steps).items():
        fired_by_name[name][:, analog] = False
    return ReferenceRun(
        fired_by_name,
        {name: torch.stack(rows, 1).numpy() for name, rows in potentials.items()},
        {name: values.numpy() for name, values in sent.items()},
        scores,
        np.array([_decision_step(rows, early_decision, max(evaluation_delay, skip) + 1) for rows in scores]),
    )


def sent_by(spiking: SpikingNetwork, name: str, images: np.ndarray, fired: np.ndarray) -> np.ndarray:
    """Return the sum of what given spikes of a population carried, shape (n_images, n_neurons).

    Parameters
    ----------
    spiking : SpikingNetwork
    name : str
        A population that fires and does not pool.
    images : array, shape (n_images, channels, rows, columns)
    fired : boolean array, shape (n_images, n_steps, n_neurons)
    """
    model = _neurons(spiking, name, images, torch.float64, tolerance("float64"), 0)
    total = torch.zeros_like(model.drive)
    for t, spikes in enumerate(torch.as_tensor(fired).movedim(1, 0), start=1):
        total = total + spikes * model.spike_value(t)
        model.take_note(spikes)
    return total.numpy()


def _spike_counts(
    model: Neurons, spikes: torch.Tensor, potentials: torch.Tensor, evaluation_delay: int
) -> torch.Tensor:
    """Hwang et al. (2021): spikes after the delay, divided by the steps since then."""
    step = torch.arange(1, len(spikes) + 1, dtype=spikes.dtype)[:, None, None]
    counted = torch.where(step > evaluation_delay, spikes, torch.zeros_like(spikes))
    return counted.cumsum(0) / (step - evaluation_delay).clamp(min=1)


def _potentials(model: Neurons, spikes: torch.Tensor, potentials: torch.Tensor, evaluation_delay: int) -> torch.Tensor:
    return potentials


def _potentials_and_times(
    model: Neurons, spikes: torch.Tensor, potentials: torch.Tensor, evaluation_delay: int
) -> torch.Tensor:
    """Datta et al. (2021), Eqs. 9 to 11: the potential minus the first step above the threshold, or this one."""
    step = torch.arange(1, len(potentials) + 1, dtype=potentials.dtype)[:, None, None]
    reached = potentials >= model.parameters["v_threshold"] * model.fraction
    waiting = torch.where(reached, step, torch.full_like(potentials, math.inf)).cummin(0).values
    return potentials - torch.minimum(waiting, step)


def _first_spike_values(
    model: Neurons, spikes: torch.Tensor, potentials: torch.Tensor, evaluation_delay: int
) -> torch.Tensor:
    worth = torch.tensor([float(model.spike_value(t)) for t in range(1, len(spikes) + 1)], dtype=spikes.dtype)
    return (spikes * worth[:, None, None]).cumsum(0)


READOUTS: dict[str, Callable[[Neurons, torch.Tensor, torch.Tensor, int], torch.Tensor]] = {
    "spike_count": _spike_counts,
    "accumulated_potential": _potentials,
    "potential_and_time": _potentials_and_times,
    "first_spike": _first_spike_values,
}


def _decision_step(scores: np.ndarray, early_decision: float | None, first: int) -> int:
    """Return the step at which Algorithm 1 of Kim et al. (2018) decides on one image, or the last one."""
    average, best, stable = 0.0, -1, 0
    if early_decision is None:
        return len(scores)
    for t in range(first, len(scores) + 1):
        second, highest = np.sort(scores[t - 1].astype(float))[-2:]
        average = 0.5 * (average + highest - second)
        winner = int(scores[t - 1].argmax())
        stable = stable + 1 if winner == best else 0
        if winner == best and stable * average >= early_decision * (1 - DECISION_TOLERANCE):
            return t
        best = winner
    return len(scores)


def _neurons(
    spiking: SpikingNetwork, name: str, images: np.ndarray, real: torch.dtype, relative_tolerance: float, skip: int
) -> Neurons:
    model = spiking.neurons[name]
    pooling = spiking.graph.layer(name).connections[0].chain[-1] if name != INPUT else None
    relays = name != INPUT and spiking.graph.layer(name).relays
    if model != spiking.own_neuron(name) or not (isinstance(pooling, MaxPooling) or relays or model.name in NEURONS):
        raise ParameterError(
            f"population {name!r} has neurons ({model.name}) for which there is no torch reference: "
            f"there is one for {', '.join(NEURONS)} with unchanged equations"
        )
    values = (
        images if name == INPUT else np.broadcast_to(spiking.graph.layer(name).bias, _batched(spiking, name, images))
    )
    drive = torch.as_tensor(np.array(values, dtype=np.float64)).reshape(len(images), -1).to(real)
    given = PopulationValues(
        {key: by_population[name] for key, by_population in spiking.shared_values.items() if name in by_population},
        spiking.membranes.get(name, Membrane()),
        relative_tolerance,
        name == INPUT,
        np.argsort(channels_last(spiking.graph.shapes[name])),
        skip if name == spiking.output else 0,
    )
    if relays:
        return PassOn(drive, given)
    return Relay(drive, given, pooling) if isinstance(pooling, MaxPooling) else NEURONS[model.name](drive, given)


def _batched(spiking: SpikingNetwork, name: str, images: np.ndarray) -> tuple[int, ...]:
    return (len(images), *spiking.graph.shapes[name])


def _silent_delays(spiking: SpikingNetwork, n_images: int, real: torch.dtype) -> dict[Connection, deque[torch.Tensor]]:
    """For each connection a queue of spikes in transit, silent at the start."""
    queues = {}
    for layer in spiking.graph.layers:
        for connection in layer.connections:
            n_arriving = int(np.prod(connection.input_shape)) if layer.is_pooling else layer.n_neurons
            silence = torch.zeros(n_images, n_arriving, dtype=real)
            delay = spiking.synaptic_delay.get(layer.name, 0)
            queues[connection] = deque([silence] * delay)
    return queues


def _transmit(connection: Connection, spikes: torch.Tensor) -> torch.Tensor:
    """Weighted sum of spikes at the postsynaptic neurons, without biases; the spikes themselves for max pooling."""
    if isinstance(connection.chain[-1], MaxPooling):
        return spikes
    x = spikes.reshape(len(spikes), *connection.input_shape)
    for connectivity in connection.chain:
        x = _apply(connectivity, x)
    return x.reshape(len(x), -1)


def _apply(connectivity: Connectivity, x: torch.Tensor) -> torch.Tensor:
    if isinstance(connectivity, Dense):
        return functional.linear(x, torch.as_tensor(connectivity.weight, dtype=x.dtype))
    if isinstance(connectivity, TransposedConvolution):
        return functional.conv_transpose2d(
            x,
            torch.as_tensor(connectivity.weight, dtype=x.dtype),
            None,
            connectivity.stride,
            connectivity.padding,
            connectivity.output_padding,
            connectivity.groups,
            connectivity.dilation,
        )
    if isinstance(connectivity, ChannelPadding):
        beyond = connectivity.n_channels - connectivity.range.stop
        return functional.pad(x, (*(0,) * (2 * x.ndim - 4), connectivity.first, beyond))
    if isinstance(connectivity, OneToOne):
        return x * torch.as_tensor(connectivity.weight, dtype=x.dtype)
    if isinstance(connectivity, AveragePooling):
        return _apply(connectivity.window, x)
    if isinstance(connectivity, Convolution):
        (top, bottom), (left, right) = connectivity.padding
        return functional.conv2d(
            functional.pad(x, (left, right, top, bottom)),
            torch.as_tensor(connectivity.weight, dtype=x.dtype),
            stride=connectivity.stride,
            dilation=connectivity.dilation,
            groups=connectivity.groups,
        )
    if isinstance(connectivity, Selection):
        values = torch.nn.functional.pad(x.reshape(len(x), -1), (0, 1))  # index -1: the zero behind the last
        return values[:, torch.as_tensor(connectivity.index.astype(int))].reshape(len(x), *connectivity.output_shape)
    if isinstance(connectivity, WeightedSum):
        matrix = torch.as_tensor(connectivity.matrix.toarray(), dtype=x.dtype)
        return (x.reshape(len(x), -1) @ matrix.T).reshape(len(x), *connectivity.output_shape)
    return x.reshape(len(x), *connectivity.output_shape)
