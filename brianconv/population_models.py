"""What the populations of a spiking network do: their complete models, statements and values, and all of it as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from brian2 import Quantity

from brianconv.coding import statements
from brianconv.coding.description import Outgoing, describe_population, shown_value
from brianconv.coding.membrane import Membrane, with_membrane
from brianconv.coding.millivolts import Millivolts, in_volts, statements_in_volts
from brianconv.coding.neuron_models import RELAY
from brianconv.coding.scheme import CodingScheme, NeuronModel
from brianconv.coding.statements import joined
from brianconv.coding.synapse_model import SynapseModel, check_names, with_inputs, with_outputs
from brianconv.coding.times import Time, is_time
from brianconv.connectivity.connection import Connection
from brianconv.errors import ParameterError, UnknownLayerError
from brianconv.graph import INPUT, Layer, LayerGraph, NormalizedNetwork
from brianconv.notebook import html_table


@dataclass(frozen=True)
class CurrentMapping:
    """The current and the firing rate with which other neurons stand for an activation; see `biology.with_neurons`.

    Attributes
    ----------
    gain, offset : float
        Charge per step for an activation: gain * activation + offset.
    peak : float
        Spikes per step that stand for an activation of 1.
    """

    gain: float
    offset: float
    peak: float


@dataclass(frozen=True, eq=False, repr=False)
class PopulationModels:
    """The fields of a `SpikingNetwork`, and what follows from them for each of its populations."""

    normalized: NormalizedNetwork
    coding: CodingScheme
    parameters: Mapping[str, Mapping[str, Any]]
    neurons: Mapping[str, NeuronModel]
    synaptic_delay: Mapping[str, Time] = field(default_factory=dict)
    membranes: Mapping[str, Membrane] = field(default_factory=dict)
    units: Millivolts | None = None
    synapses: Mapping[str, SynapseModel] = field(default_factory=dict)
    mappings: Mapping[str, CurrentMapping] = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in self.graph.shapes.items())
        return f"<SpikingNetwork, {self.coding.name} coding: {shapes}>"

    def _repr_html_(self) -> str:
        return self.html(f"SpikingNetwork, {self.coding.name} coding, normalised by {self.normalized.method}")

    def html(self, caption: str) -> str:
        """Return a table of populations, shapes, neurons, synapses and parameters, as notebooks show it."""
        arriving = {layer.name: sum(c.n_synapses for c in layer.connections) for layer in self.graph.layers}
        rows = []
        for name, shape in self.graph.shapes.items():
            shown = ", ".join(f"{key} = {shown_value(key, value)}" for key, value in self._own_values(name).items())
            size, count = " x ".join(map(str, shape)), f"{int(np.prod(shape)):,}"
            rows.append((name, size, count, self.model(name).name, f"{arriving.get(name, 0):,}", shown))
        return html_table(caption, ("layer", "shape", "neurons", "model", "synapses onto it", "parameters"), rows)

    @property
    def graph(self) -> LayerGraph:
        """The layers with their scaled weights."""
        return self.normalized.graph

    @property
    def populations(self) -> list[str]:
        """Names of all populations, the input first, the output last."""
        return self.graph.names

    @property
    def output(self) -> str:
        """Name of the output population."""
        return self.graph.output.name

    @property
    def n_classes(self) -> int:
        """Number of output neurons."""
        return self.graph.output.n_neurons

    @cached_property
    def connections(self) -> dict[str, tuple[str, str]]:
        """Names of all connections, such as ``conv1_to_conv2``, with the populations at which they begin and end.

        A second connection between the same populations is ``conv1_to_conv2_2``.
        """
        found: dict[str, tuple[str, str]] = {}
        for layer in self.graph.layers:
            for connection in layer.connections:
                name = f"{connection.source}_to_{layer.name}"
                numbered = [name, *(f"{name}_{k}" for k in range(2, len(found) + 3))]
                found[next(n for n in numbered if n not in found)] = (connection.source, layer.name)
        return found

    @property
    def labelled_connections(self) -> list[tuple[str, Connection, Layer]]:
        """Name, connection and target of all connections, in the order in which they are made."""
        pairs = [(connection, layer) for layer in self.graph.layers for connection in layer.connections]
        return [(name, *pair) for name, pair in zip(self.connections, pairs, strict=True)]

    def check_connection(self, name: str) -> str:
        """Return the name of a connection; raise UnknownLayerError if there is none of that name."""
        if not isinstance(name, str) or name not in self.connections:
            raise UnknownLayerError(
                f"there is no connection {name!r}; the connections are {', '.join(self.connections)}"
            )
        return name

    def check_synapses(self, name: str) -> None:
        """Raise ParameterError unless a changed connection fits the neurons at both of its ends."""
        before, after = self.connections[name]
        model = self.synapses[name]
        if model.source_equations and before == INPUT and self.coding.encoding.analog_steps != 0:
            raise ParameterError(
                f"connection {name!r} starts at pixels, which are no spikes (encoding "
                f"{self.coding.encoding.name!r}): {model.name} needs spikes"
            )
        if model.source_equations and self.longest_delay(before):
            raise ParameterError(
                f"connection {name!r} has a delay; {model.name} reads its presynaptic variables when a spike leaves: "
                "convert with synaptic_delay=0"
            )
        if model.delay and self.neurons[before].spike_value != "1":
            raise ParameterError(
                f"connection {name!r}: spikes of {self.neurons[before].name} neurons carry a value "
                f"({self.neurons[before].spike_value}) that changes while they are in transit; delays that differ "
                "between synapses need spikes that all carry the same"
            )
        check_names(model, self.model(before), self.model(after), name)

    def check_population(self, name: str) -> str:
        """Return the name of a population given as in Brian2 or in torch; UnknownLayerError if there is none."""
        return self.graph.resolve(name)

    def model(self, population: str) -> NeuronModel:
        """Return the complete model of a population, with what makes it the input or the output."""
        model, readout = self.neurons[population], self.coding.readout
        if population == self.output and not readout.fires:
            model = statements.without_spikes(model)
        if population in self.membranes:
            model = with_membrane(model, self.membranes[population])
        if self.synapses:
            ends = {
                name: (before, after) for name, (before, after) in self.connections.items() if name in self.synapses
            }
            leaving = [self.synapses[name] for name, (before, _) in ends.items() if before == population]
            arriving = [self.synapses[name] for name, (_, after) in ends.items() if after == population]
            model = with_inputs(with_outputs(model, leaving, population), arriving, population)
        if self.units and self.is_biological(population):
            model = in_volts(model)
        if population == INPUT:
            model = statements.as_input(model, self.coding.encoding)
        if population == self.output:
            model = statements.as_output(model, readout)
        return statements.with_delay_line(model, self.longest_delay(population))

    def own_neuron(self, population: str) -> NeuronModel:
        """Return the neuron model that the coding scheme itself gives to a population."""
        if population == INPUT:
            return self.coding.encoding.neuron
        if self.graph.layer(population).passes_on:
            return RELAY
        return (population == self.output and self.coding.readout.neuron) or self.coding.neuron

    def restored_variables(self, population: str) -> list[str]:
        """Return the variables of a changed population that are reset to their initial values when an image begins."""
        own, changed = self.own_neuron(population), self.neurons[population]
        touched = any(population in self.connections[name] for name in self.synapses)
        if changed == own and not touched:
            return []
        of_coding = replace(self, neurons={**self.neurons, population: own}, synapses={}).model(population)
        return statements.restored(changed, self.model(population), of_coding, population)

    def is_biological(self, population: str) -> bool:
        """Whether a population has membranes, unlike pixels and relays."""
        return population != INPUT and self.neurons[population].name != RELAY.name

    def each_image(self, population: str) -> str:
        """Return the statements that run at the first step of every image, even if states are not reset."""
        if population == INPUT:
            return joined(self.coding.encoding.on_image)
        return joined(self.coding.readout.on_image) if population == self.output else ""

    def longest_delay(self, population: str) -> int:
        """Return the longest delay, in steps, of the spikes that leave a population; 0 if it is given as a time."""
        delays = (self.synaptic_delay.get(layer.name, 0) for layer in self.graph.targets(population))
        return max((int(delay) for delay in delays if isinstance(delay, (int, np.integer))), default=0)

    def analog_steps(self, n_steps: int) -> dict[str, np.ndarray]:
        """Return in which steps populations send pixels instead of spikes, by population, each (n_steps,) of bool.

        These are the input in the analog steps of its encoding, and maximum pooling while it passes such pixels on.
        """
        lasting, steps = self.coding.encoding.analog_steps, np.arange(n_steps)
        if lasting == 0:
            return {}
        late = {INPUT: 0}
        for name in self.graph.pixel_sources[1:]:
            source = self.graph.layer(name).connections[0].source
            late[name] = late[source] + int(self.synaptic_delay.get(name, 0))
        return {
            name: (steps >= d) & (steps < d + (n_steps if lasting is None else lasting)) for name, d in late.items()
        }

    def on_pre(self, connection: str) -> str:
        """Return what a spike does when it arrives over a connection."""
        population, target = self.connections[connection]
        delay = self.synaptic_delay.get(target, 0)
        of_coding = statements.on_pre(
            self.neurons[population], int(delay) if isinstance(delay, (int, np.integer)) else 0
        )
        changed = self.synapses.get(connection)
        return changed.effect(of_coding) if changed else of_coding

    def delay_line(self, population: str) -> str:
        """Return the statements that keep what the spikes of a population carry until they arrive; '' if none do."""
        return statements.delay_line(self.neurons[population], self.longest_delay(population))

    @property
    def skip_statement(self) -> str:
        """Statement that keeps the output at its initial potential while its input is skipped."""
        return statements.skip_statement(self.neurons[self.output], self.units is not None)

    @property
    def evaluate(self) -> str:
        """Statements that set the score at the end of every step."""
        code = self.coding.readout.evaluate
        return statements_in_volts(code) if self.units else code

    @property
    def default_steps(self) -> int:
        """Length of an image in steps unless the user says otherwise."""
        steps, more = self.coding.default_steps, self.coding.readout.more_steps
        needed = steps if isinstance(steps, int) else steps(self.parameters, self.graph.depth)
        return needed + (more({name: by[self.output] for name, by in self.parameters.items()}) if more else 0)

    @property
    def shared_values(self) -> dict[str, Mapping[str, Any]]:
        """Values of parameters, and of what schedule, membranes and units derive from them, by population."""
        schedule = self.coding.schedule
        timed = any(is_time(value) for by in self.parameters.values() for value in by.values())  # dt is not known yet
        of_membranes: dict[str, dict[str, Any]] = {}
        for population, membrane in self.membranes.items():
            for name, value in membrane.shared_values.items():
                of_membranes.setdefault(name, {})[population] = value
        of_units = self.units.shared_values if self.units else {}
        return {
            **self.parameters,
            **(schedule(self.parameters, self.graph.depth) if schedule and not timed else {}),
            **of_membranes,
            **{name: dict.fromkeys(self.populations, value) for name, value in of_units.items()},
        }

    def described(self, layer: str | None, in_steps: PopulationModels) -> str:
        """Return what the neurons of each layer do within a step; times as they are given, statements in steps."""
        names = [self.check_population(layer)] if layer is not None else self.populations
        notes = [] if layer is not None else [f"note: {note}" for note in self.graph.notes]
        return "\n\n".join([*(self._describe(name, in_steps) for name in names), *notes])

    def _own_values(self, name: str) -> dict[str, Any]:
        model, shared = self.model(name), self.shared_values.items()
        return {p: by[name] for p, by in shared if name in by and statements.has_variable(model, p)}

    def _describe(self, name: str, in_steps: PopulationModels) -> str:
        model, changed = in_steps.model(name), self.neurons[name]
        values = in_steps._own_values(name) | self._own_values(name) | dict(model.namespace)
        if name != INPUT and statements.has_variable(model, "drive"):
            values["drive"] = "the neuron's bias" if self.graph.layer(name).bias.any() else "0, as there is no bias"
        begin = [f"{variable} = {model.initial.get(variable, 0)}" for variable in in_steps.restored_variables(name)]
        delays = {layer.name: self.synaptic_delay.get(layer.name, 0) for layer in self.graph.layers}
        return describe_population(
            name,
            self.graph.shapes[name],
            model,
            on_image="\n".join([model.on_image, *begin]),
            kept=changed.keep,
            skip=in_steps.skip_statement if name == self.output else "",
            delay_line=in_steps.delay_line(name),
            outgoing=[
                Outgoing(
                    layer.name,
                    connection.n_synapses,
                    str(delay) if isinstance(delay := delays[layer.name], Quantity) else f"{delay} steps",
                    in_steps.on_pre(label),
                    layer.is_pooling,
                )
                for label, connection, layer in self.labelled_connections
                if connection.source == name
            ],
            evaluate=in_steps.evaluate if name == self.output else "",
            values=values,
        )
