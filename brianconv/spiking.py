"""A spiking network before it is built: normalised weights, a coding scheme, and one neuron model per population.

It is data only, strings and numbers: conversion/ makes it from a torch module, simulation/ makes Brian2 objects from
it, verification/ simulates it in torch.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from brian2 import Quantity, ms

from brianconv.coding import statements
from brianconv.coding.membrane import Membrane
from brianconv.coding.millivolts import Millivolts
from brianconv.coding.parameters import parameters_in_steps, resolve_parameters
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import in_whole_steps, is_quantity
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.population_models import PopulationModels


@dataclass(frozen=True, eq=False, repr=False)
class SpikingNetwork(PopulationModels):
    """A network of spiking neurons, ready to be built.

    Layers are named as in Brian2 (``stem_conv``) or as in torch (``stem.conv``) wherever a layer is named.

    Attributes
    ----------
    normalized : NormalizedNetwork
        Scaled weights and the scale of each population.
    coding : CodingScheme
    parameters : mapping
        ``parameters[name][population]`` is the value of each parameter of the coding scheme.
    neurons : mapping of str to NeuronModel
        The model of each population, the input first; change it with `change_neurons`.
    synaptic_delay : mapping of str to int or Quantity
        Delay of the synapses that end at a layer, in steps or as a time.
    membranes : mapping of str to Membrane
        Leak, refractory period and noise of populations that have them; see `with_membrane`.
    units : Millivolts or None
        Potentials in volts instead of normalised activations; see `in_millivolts`.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> isinstance(spiking, SpikingNetwork)
    True
    >>> spiking.populations
    ['input', 'layer_0', 'layer_2']
    >>> spiking.coding.name
    'rate'
    """

    def change_neurons(self, layers: str | Sequence[str] | None = None, **changes: Any) -> SpikingNetwork:
        """Return a copy in which the neuron model of some layers is changed.

        Parameters
        ----------
        layers : str, sequence of str or None
            Populations to change; None for all but the input and those that pool.
        **changes
            Fields of NeuronModel: equations, method, threshold, reset, on_image, spike_value, on_pre, refractory,
            namespace, initial, keep. Every variable that the equations add starts each image at its initial value: 0,
            or the one in ``initial={"w_a": 0.1}``; ``keep=["w_a"]`` carries it over from one image to the next.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer, a field or a variable does not exist.
        """
        names = self._chosen(layers)
        unknown = [key for key in changes if key not in NeuronModel.__dataclass_fields__]
        if unknown:
            fields = ", ".join(NeuronModel.__dataclass_fields__)
            raise ParameterError(f"a neuron model has no {unknown[0]!r}; it has {fields}")
        changed = {name: replace(self.neurons[name], **changes) for name in names}
        spiking = replace(self, neurons={**self.neurons, **changed})
        if {"initial", "keep"} & set(changes):
            for name in names:
                statements.check_own_values(spiking.neurons[name], spiking.model(name), name)
        return spiking

    def with_membrane(self, layers: str | Sequence[str] | None = None, **properties: Any) -> SpikingNetwork:
        """Return a copy in which the membranes of some layers leak, rest after a spike, or are noisy.

        Parameters
        ----------
        layers : str, sequence of str or None
            Populations to change; None for all but the input and those that pool.
        **properties
            Fields of Membrane: tau_m, refractory, noise, noise_seed.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer or a property does not exist, or the neurons cannot have it.
        """
        unknown = [key for key in properties if key not in Membrane.__dataclass_fields__]
        if unknown:
            raise ParameterError(f"a membrane has no {unknown[0]!r}; it has {', '.join(Membrane.__dataclass_fields__)}")
        names = self._chosen(layers)
        for name in names:
            if not self.is_biological(name) and self.neurons[name] != self.coding.neuron:
                raise ParameterError(
                    f"population {name!r} ({self.neurons[name].name}) has no membrane: it "
                    + ("sends pixels" if name == INPUT else "passes spikes on")
                )
        changed = {name: replace(self.membranes.get(name, Membrane()), **properties) for name in names}
        spiking = replace(self, membranes={**self.membranes, **changed})
        for name in names:
            spiking.model(name)  # raises an error if it is impossible
        return spiking

    def in_millivolts(self, v_rest: float = -70.0, v_threshold: float = -50.0) -> SpikingNetwork:
        """Return the same network with potentials in volts; weights are postsynaptic potentials, spikes are the same.

        Parameters
        ----------
        v_rest, v_threshold : float
            In mV: the potentials that stand for 0 and for an activation of 1, the threshold of rate coding.
        """
        return replace(self, units=Millivolts(v_rest, v_threshold))

    def with_parameters(self, **given: object) -> SpikingNetwork:
        """Return a copy with other values of the coding scheme's parameters, such as ``v_init=0.4``."""
        given = {key: self.graph.by_population(value) for key, value in given.items()}
        resolved = resolve_parameters(self.coding, given, self.populations, self.parameters)
        chosen = {name: resolved[name] if name in given else self.parameters[name] for name in resolved}
        return replace(self, parameters=chosen)

    def describe(self, layer: str | None = None, dt: Quantity = 1 * ms) -> str:
        """Return what the neurons of each layer do within a step, in the order in which it happens, as text.

        Parameters
        ----------
        layer : str, optional
            By default, all layers.
        dt : Quantity
            Length of a step, on which statements depend if times are given as quantities.
        """
        try:
            return self.described(layer, self.in_steps(dt))
        except ParameterError as error:
            if not self.has_times:
                raise
            return f"{self.described(layer, self)}\n\nnote: with steps of {dt}, this network cannot be built: {error}"

    @property
    def has_times(self) -> bool:
        """Whether anything is given as a quantity instead of a number of steps."""
        values = [value for by_population in self.parameters.values() for value in by_population.values()]
        values += [*self.synaptic_delay.values()]
        values += [value for m in self.membranes.values() for value in (m.tau_m, m.refractory, m.noise)]
        return any(is_quantity(value) for value in values)

    def in_steps(self, dt: Quantity) -> SpikingNetwork:
        """Return the same network with all times as numbers of steps of a length.

        Raises
        ------
        ParameterError
            If a delay, a refractory period or a window is not a whole number of steps.
        """
        return replace(
            self,
            parameters=parameters_in_steps(self.coding, self.parameters, dt),
            membranes={name: membrane.in_steps(dt) for name, membrane in self.membranes.items()},
            synaptic_delay={
                name: in_whole_steps(delay, dt, f"the synaptic delay of {name!r}")
                for name, delay in self.synaptic_delay.items()
            },
        )

    def _chosen(self, layers: str | Sequence[str] | None) -> list[str]:
        if layers is None:
            return [layer.name for layer in self.graph.layers if not layer.is_pooling]
        if not isinstance(layers, (Sequence, Set)):
            raise ParameterError(f"layers is {layers!r}; it is a name, or a list of names")
        return [self.check_population(name) for name in ([layers] if isinstance(layers, str) else layers)]
