"""A spiking network before it is built: normalised weights, a coding scheme, and one neuron model per population.

It is data only, strings and numbers: conversion/ makes it from a torch module, simulation/ makes Brian2 objects from
it, verification/ simulates it in torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from brian2 import Quantity, ms

from brianconv import dales_law
from brianconv.coding import statements
from brianconv.coding.membrane import Membrane
from brianconv.coding.millivolts import Millivolts
from brianconv.coding.neuron_models import RELAY
from brianconv.coding.parameters import parameters_in_steps, resolve_parameters
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import WHOLE, in_whole_steps, is_quantity
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.population_models import PopulationModels
from brianconv.values import check_choice


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
    synapses : mapping of str to SynapseModel
        What the spikes of changed connections do; see `change_connection`.
    mappings : mapping of str to CurrentMapping
        Currents of layers that were given other neurons; see `biology.with_neurons`.

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
            Fields of NeuronModel: equations, method, threshold, reset, on_image, spike_value, refractory, namespace,
            initial, keep. Every variable that the equations add starts each image at its initial value: 0,
            or the one in ``initial={"w_a": 0.1}``; ``keep=["w_a"]`` carries it over from one image to the next.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer, a field or a variable does not exist.
        """
        names = self._chosen(layers)
        unknown = [key for key in changes if key not in NeuronModel.__dataclass_fields__]
        if "on_pre" in unknown:
            arriving = [name for name, (_, after) in self.connections.items() if after in names]
            raise ParameterError(
                "what a spike does belongs to a connection: use change_connection("
                f"{arriving[0] if arriving else next(iter(self.connections))!r}, on_pre=...)"
            )
        if unknown:
            fields = ", ".join(NeuronModel.__dataclass_fields__)
            raise ParameterError(f"a neuron model has no {unknown[0]!r}; it has {fields}")
        changed = {name: replace(self.neurons[name], **changes) for name in names}
        spiking = replace(self, neurons={**self.neurons, **changed})
        if {"initial", "keep"} & set(changes):
            for name in names:
                statements.check_own_values(spiking.neurons[name], spiking.model(name), name)
        return spiking

    def change_connection(
        self, connections: str | Sequence[str] | None = None, model: SynapseKind | str = "", **changes: Any
    ) -> SpikingNetwork:
        """Return a copy in which the spikes of some connections do something else.

        Parameters
        ----------
        connections : str, sequence of str or None
            Names such as ``conv1_to_conv2`` (`connections` has all of them); None for all but those that pool.
        model : SynapseKind or str
            A named model such as ``ExponentialCurrent(tau=5*ms)``; or equations of each synapse, as in
            `brian2.Synapses`, besides those of its weight ``w``.
        **changes
            Fields of SynapseModel: ``on_pre`` (what a spike does when it arrives, such as ``"v_post += w * x"``),
            ``on_post``, ``delay`` (a `JitteredDelay`), ``namespace``, ``initial`` and others.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a connection, a field or a variable does not exist, or the connection pools.

        Notes
        -----
        Connections whose synapses have a state or a delay of their own, or change their weights, have explicit
        synapses; all others work with structured ones.

        Examples
        --------
        >>> _ = torch.manual_seed(2)
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
        >>> slow = spiking.change_connection("input_to_layer_0", ExponentialCurrent(tau=5))
        >>> slow.on_pre("input_to_layer_0")
        'I_syn_post += w'
        """
        pooling = [name for name, _, layer in self.labelled_connections if layer.passes_on]
        names = self._chosen_connections(connections, pooling)
        unknown = [key for key in changes if key not in SynapseModel.__dataclass_fields__]
        if unknown:
            fields = ", ".join(SynapseModel.__dataclass_fields__)
            raise ParameterError(f"a connection has no {unknown[0]!r} that could be changed; it has {fields}")
        if isinstance(model, str) and model:
            changes["model"] = model
        named = model.model if isinstance(model, SynapseKind) else None
        changed = {name: replace(named or self.synapses.get(name, SynapseModel()), **changes) for name in names}
        spiking = replace(self, synapses={**self.synapses, **changed})
        for name in names:
            spiking.check_synapses(name)
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

    def with_dale(self, inhibition: str = "split") -> SpikingNetwork:
        """Return a network that obeys Dale's law: each hidden neuron excites all its targets, or inhibits all of them.

        A population that has weights of both signs keeps the positive ones. The negative ones belong to a second
        population, ``<name>_inhibitory``, whose neurons fire with those of the first. Sums, and therefore spikes, are
        the same (up to rounding, as they are added in another order). The input is no population of neurons in this
        sense: its weights keep their signs.

        Parameters
        ----------
        inhibition : {"split", "relay"}
            The second population receives the same input as the first; or it is driven by the first, one to one, and
            passes its spikes on in the same step.

        Raises
        ------
        ParameterError
            If a connection cannot be divided by sign, or connections have been changed: change them afterwards.

        Examples
        --------
        >>> _ = torch.manual_seed(2)
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
        >>> spiking.with_dale().populations
        ['input', 'layer_0', 'layer_0_inhibitory', 'layer_2']
        """
        check_choice("inhibition", inhibition, dales_law.WAYS)
        if self.synapses:
            raise ParameterError("connections have been changed: divide them by sign first, and change them afterwards")
        before = self.normalized
        graph = dales_law.with_signs(before.graph, inhibition)
        ann = graph if before.ann is before.graph else dales_law.with_signs(before.ann, inhibition)
        scale = {name: before.activation_scale[dales_law.first_of(name, self.populations)] for name in graph.names}
        firsts = {name: dales_law.first_of(name, self.populations) for name in graph.names}
        relays = {layer.name for layer in graph.layers if layer.relays}

        def of_firsts(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: values[first] for name, first in firsts.items() if first in values}

        return replace(
            self,
            normalized=replace(before, graph=graph, ann=ann, activation_scale=scale),
            parameters={key: of_firsts(by_population) for key, by_population in self.parameters.items()},
            neurons=of_firsts(self.neurons) | dict.fromkeys(relays, RELAY),
            synaptic_delay=of_firsts(self.synaptic_delay) | dict.fromkeys(relays, 0),
            membranes={n: membrane for n, membrane in of_firsts(self.membranes).items() if n not in relays},
            mappings={n: mapping for n, mapping in of_firsts(self.mappings).items() if n not in relays},
        )

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
        for model in self.synapses.values():
            values += [model.namespace[name] for name in model.times]
            values += [model.delay.low, model.delay.high] if model.delay else []
        return any(is_quantity(value) for value in values)

    def in_steps(self, dt: Quantity) -> SpikingNetwork:
        """Return the same network with all times as numbers of steps of a length.

        Raises
        ------
        ParameterError
            If a delay, a refractory period or a window is not a whole number of steps, or neurons were made for steps
            of another length.
        """
        for name, model in self.neurons.items():
            if model.dt is not None and abs(float(model.dt / dt) - 1) > WHOLE:
                raise ParameterError(
                    f"the neurons of {name!r} ({model.name}) were made for steps of {model.dt}: simulate with "
                    f"dt={model.dt}, or make them with dt={dt}"
                )
        return replace(
            self,
            parameters=parameters_in_steps(self.coding, self.parameters, dt),
            membranes={name: membrane.in_steps(dt) for name, membrane in self.membranes.items()},
            synapses={name: model.in_steps(dt) for name, model in self.synapses.items()},
            synaptic_delay={
                name: in_whole_steps(delay, dt, f"the synaptic delay of {name!r}")
                for name, delay in self.synaptic_delay.items()
            },
        )

    def _chosen_connections(self, connections: str | Sequence[str] | None, pooling: Sequence[str]) -> list[str]:
        if connections is None:
            return [name for name in self.connections if name not in pooling]
        if not isinstance(connections, (Sequence, Set)):
            raise ParameterError(f"connections is {connections!r}; it is a name, or a list of names")
        names = [
            self.check_connection(name) for name in ([connections] if isinstance(connections, str) else connections)
        ]
        for name in names:
            if name in pooling:
                raise ParameterError(
                    f"connection {name!r} only passes spikes on (maximum pooling, or a relay), without weights: change "
                    "the connections after it"
                )
        return names

    def _chosen(self, layers: str | Sequence[str] | None) -> list[str]:
        if layers is None:
            return [layer.name for layer in self.graph.layers if not layer.passes_on]
        if not isinstance(layers, (Sequence, Set)):
            raise ParameterError(f"layers is {layers!r}; it is a name, or a list of names")
        return [self.check_population(name) for name in ([layers] if isinstance(layers, str) else layers)]
