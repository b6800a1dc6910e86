"""Give the layers of a converted network another neuron, and currents with which they still compute the same.

A converted layer expects neurons whose firing rate is their normalised activation, from 0 to 1 spike per step. Another
neuron has another f-I curve. Its input current is therefore a gain times the activation plus an offset, chosen so that
its firing rate is as proportional to the activation as possible over those that calibration images cause; and what each
of its spikes carries is divided by the rate that stands for 1. All three are folded into weights and biases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2 import Quantity, ms
from scipy.optimize import minimize

from brianconv.biology.f_i_curve import f_i_curve
from brianconv.biology.neuron_kind import NeuronKind
from brianconv.coding.neuron_models import INTEGRATE_AND_FIRE
from brianconv.coding.times import Time, in_steps
from brianconv.connectivity.folding import appended
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.errors import ParameterError
from brianconv.graph import INPUT, Layer
from brianconv.images import image_array
from brianconv.population_models import CurrentMapping
from brianconv.spiking import SpikingNetwork

N_CURRENTS = 400
HIGHEST = 64.0  # thresholds per time constant: no neuron of this kind needs more


@dataclass(frozen=True, eq=False)
class Fit:
    """How a neuron stands for an activation.

    Attributes
    ----------
    mapping : CurrentMapping
    currents, rates : array
        The f-I curve: charge per step, and spikes per step.
    error : float
        Root of the mean squared difference between rate / rate of 1 and the rectified activation.
    """

    mapping: CurrentMapping
    currents: np.ndarray
    rates: np.ndarray
    error: float


def with_neurons(
    spiking: SpikingNetwork,
    kind: NeuronKind,
    layers: str | Sequence[str] | None = None,
    images: Any = None,
    *,
    interval: Time = 5 * ms,
    duration: Time = 300 * ms,
    dt: Quantity = 1 * ms,
) -> SpikingNetwork:
    """Return a copy in which some layers have another neuron, and currents that suit it.

    Parameters
    ----------
    spiking : SpikingNetwork
        Of a coding scheme with integrate-and-fire neurons, such as rate coding.
    kind : NeuronKind
        Such as ``AdaptiveExponential()``.
    layers : str, sequence of str or None
        Populations to change; None for all hidden ones but those that pool. The output counts spikes as before.
    images : array, shape (n_images, channels, rows, columns), optional
        Calibration images: the neuron is fitted to the activations above 0 that they cause; by default to all from 0
        to 1 alike.
    interval : Quantity or float
        Between the spikes of a neuron whose activation is 1: 5*ms are 200 spikes per second.
    duration : Quantity or int
        For which a neuron is driven to measure its f-I curve: about as long as an image lasts.
    dt : Quantity
        Length of a step, with which the network must be simulated. Neurons with an upstroke need 0.1*ms.

    Raises
    ------
    ParameterError
        If the coding scheme has other neurons, a layer has been changed before, or the neuron cannot fire that fast.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> leaky = with_neurons(spiking, LeakyIntegrateAndFire())
    >>> leaky.neurons["layer_0"].name, leaky.neurons["layer_2"].name
    ('leaky_integrate_and_fire', 'integrate_and_fire')
    """
    if not isinstance(kind, NeuronKind):
        raise ParameterError(f"the neuron is {kind!r}; it is one of brianconv.biology, such as LeakyIntegrateAndFire()")
    names = _changed_layers(spiking, layers)
    activations = _activations(spiking, names, images)
    model = replace(kind.model(dt), dt=dt)
    steps = in_steps(interval, dt, "interval")
    if not steps >= 1:
        raise ParameterError(f"interval is {interval}; neurons fire once per step of {dt} at most")
    currents, rates = _measured(model, 1 / steps, duration, dt)
    mappings = {name: _fit(currents, rates, 1 / steps, activations[name]).mapping for name in names}
    changed = replace(
        spiking,
        neurons={**spiking.neurons, **dict.fromkeys(names, model)},
        mappings={**spiking.mappings, **mappings},
        normalized=replace(spiking.normalized, graph=_mapped(spiking, mappings)),
    )
    if kind.synapses:
        onto = [name for name, (_, after) in changed.connections.items() if after in names]
        changed = changed.change_connection(onto, kind.synapses)
    return changed


def fit(
    model: Any, activations: np.ndarray, *, interval: Time = 5 * ms, duration: Time = 300 * ms, dt: Quantity = 1 * ms
) -> Fit:
    """Return how a neuron model stands for activations; see `with_neurons`."""
    steps = in_steps(interval, dt, "interval")
    currents, rates = _measured(model, 1 / steps, duration, dt)
    return _fit(currents, rates, 1 / steps, activations)


def _changed_layers(spiking: SpikingNetwork, layers: str | Sequence[str] | None) -> list[str]:
    if spiking.coding.neuron.name != INTEGRATE_AND_FIRE.name:
        raise ParameterError(
            f"coding {spiking.coding.name!r} has neurons of its own ({spiking.coding.neuron.name}), whose spikes mean "
            "something else than a rate: use coding 'rate', 'analog' or 'poisson'"
        )
    if layers is None:
        names = [layer.name for layer in spiking.graph.layers[:-1] if not layer.passes_on]
    else:
        names = [spiking.check_population(name) for name in ([layers] if isinstance(layers, str) else layers)]
    for name in names:
        if not spiking.is_biological(name):
            raise ParameterError(f"population {name!r} has no membrane ({spiking.neurons[name].name})")
        if spiking.neurons[name] != spiking.coding.neuron or name in spiking.membranes:
            raise ParameterError(f"population {name!r} has been changed before: start from the converted network")
    return names


def _activations(spiking: SpikingNetwork, names: Sequence[str], images: Any) -> dict[str, np.ndarray]:
    if images is None:
        return dict.fromkeys(names, np.linspace(0, 1, 201))
    found: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in names}
    for values in spiking.normalized.ann.activations(image_array(images)):
        for name in names:
            found[name].append(values[name][values[name] > 0])  # silence is the easy part, and most of it
    levels = np.linspace(0, 1, 401)
    return {
        name: np.quantile(active, levels) if (active := np.concatenate(rows)).size else levels
        for name, rows in found.items()
    }


def _measured(model: Any, peak: float, duration: Time, dt: Quantity) -> tuple[np.ndarray, np.ndarray]:
    """Return the f-I curve up to a current at which the neuron fires faster than it has to."""
    highest = 2.0**-10
    while highest <= HIGHEST:
        reached = f_i_curve(model, np.linspace(0, highest, 9), duration, dt)
        if reached.max() > 1.3 * peak:
            break
        highest *= 2
    else:
        raise ParameterError(
            f"neurons {model.name!r} do not fire {1.3 * peak / float(dt):.0f} times per second under any current, but "
            f"{reached.max() / float(dt):.0f} times at most: give a longer interval, or a shorter refractory period"
        )
    currents = np.linspace(0, highest, N_CURRENTS)
    return currents, f_i_curve(model, currents, duration, dt)


def _fit(currents: np.ndarray, rates: np.ndarray, peak: float, activations: np.ndarray) -> Fit:
    """Return gain and offset for which the rate is as proportional to the rectified activation as possible."""
    wanted = np.clip(activations, 0, 1)
    firing = np.flatnonzero(rates > 0)
    rheobase = currents[max(firing[0] - 1, 0)]
    at_one = currents[np.argmax(rates >= peak)]

    def difference(gain: float, offset: float) -> float:
        reached = np.interp(gain * activations + offset, currents, rates) / peak
        return float(np.mean((reached - wanted) ** 2))

    start = np.array([at_one - rheobase, rheobase])
    scale = np.where(start > 0, start, at_one)
    found = minimize(lambda x: difference(*(x * scale)), start / scale, method="Nelder-Mead", options={"xatol": 1e-5})
    gain, offset = (float(value) for value in found.x * scale)
    if not gain > 0 or difference(gain, offset) > difference(*start):
        gain, offset = (float(value) for value in start)
    return Fit(CurrentMapping(gain, offset, peak), currents, rates, difference(gain, offset) ** 0.5)


def _mapped(spiking: SpikingNetwork, mappings: Mapping[str, CurrentMapping]) -> Any:
    """Return the layers with gains, offsets and rates in their weights and biases."""
    graph, sent = spiking.graph, {INPUT: 1.0}
    layers = []
    for layer in graph.layers:
        if layer.passes_on:
            sent[layer.name] = sent[layer.connections[0].source]
            layers.append(layer)
            continue
        mapping = mappings.get(layer.name)
        sent[layer.name] = mapping.peak if mapping else 1.0
        layers.append(_with_current(layer, mapping, sent))
    return replace(graph, layers=tuple(layers))


def _with_current(layer: Layer, mapping: CurrentMapping | None, sent: Mapping[str, float]) -> Layer:
    gain = mapping.gain if mapping else 1.0
    connections = [
        connection.scaled(np.asarray(1 / sent[connection.source]), np.asarray(1 / gain))
        for connection in layer.connections
    ]
    if mapping and mapping.offset:
        first = connections[0]
        constant = OneToOne(np.ones(()), first.output_shape, np.array(mapping.offset))
        connections[0] = replace(first, chain=appended(first.chain, constant))
    return replace(layer, connections=tuple(connections))
