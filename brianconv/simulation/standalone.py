"""A network in standalone mode: generated C++ moves it from image to image, counts and decides."""

from __future__ import annotations

from dataclasses import dataclass, field

from brian2 import NeuronGroup

from brianconv.simulation.compat import pathways
from brianconv.simulation.initial_values import restore_statements
from brianconv.simulation.network import BrianNetwork
from brianconv.simulation.neurons.threshold import vectorise_threshold
from brianconv.simulation.readout.standalone import ImageEnd, ImageSequence, SpikeCounter
from brianconv.simulation.synapses.structured import StructuredSynapses


@dataclass(eq=False, repr=False)
class StandaloneNetwork(BrianNetwork):
    """A network whose readout is generated code.

    Attributes
    ----------
    image_sequence : ImageSequence
    image_end : ImageEnd
    counters : dict of str to SpikeCounter
        Spikes and synaptic operations of every step, by population.

    Examples
    --------
    >>> issubclass(StandaloneNetwork, BrianNetwork)
    True
    """

    image_sequence: ImageSequence = field(init=False)
    image_end: ImageEnd = field(init=False)
    counters: dict[str, SpikeCounter] = field(default_factory=dict)

    def add_image_operations(self) -> None:
        """Add what counts steps, reads images, counts spikes and ends images."""
        for index, (name, group) in enumerate(self.populations.items()):
            self.counters[name] = SpikeCounter(group, self.fan_out[name], f"resets_{index}")
        self.image_end = ImageEnd(self.schedule, self.output, self.class_order, self.stop)
        between = [*self._flush_statements(), *restore_statements(self)]
        self.image_sequence = ImageSequence(self.schedule, self.populations["input"], self.pixel_order, between)
        self.add(self.image_sequence, self.image_end, *self.counters.values())

    def prepare_threshold(self, group: NeuronGroup, active: tuple[str, str] | None) -> None:
        """Evaluate the threshold in one vectorised pass, and not at all in steps in which no neuron can fire."""
        vectorise_threshold(group, active)

    def _flush_statements(self) -> list[str]:
        """C++ statements that drop spikes in flight, so that none reaches the next image."""
        statements = []
        for synapses in self.connections.values():
            if isinstance(synapses, StructuredSynapses):
                statements += synapses.flush_statements()
            elif self.takes_time(synapses.name):
                statements += [
                    f"for (auto &_spikes : brian::{pathway.name}.queue[0]->queue) _spikes.clear();"
                    for pathway in pathways(synapses)
                ]
        return statements
