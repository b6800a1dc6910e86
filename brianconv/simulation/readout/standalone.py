"""Readout in generated code: what operations.py does at run time, as templates of a C++ standalone program.

`OnImage` serves both modes: it runs the statements of a neuron model at the first step of an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from brian2 import Clock, NeuronGroup, get_device
from brian2.core.variables import Variables
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.groups.group import CodeRunner, Group

from brianconv.decisions import TOLERANCE
from brianconv.simulation.initial_values import restore_statements
from brianconv.simulation.synapses.structured import StructuredSynapses

if TYPE_CHECKING:
    from brianconv.simulation.network import BrianNetwork


COUNTERS = ("step", "image", "n_steps", "n_images", "theta", "first")


class ReadoutCodeObject(CPPStandaloneCodeObject):
    """C++ standalone code object that also knows the templates of this package."""

    templater = CPPStandaloneCodeObject.templater.derive("brianconv.simulation.readout")


class OnImage(CodeRunner):
    """Runs statements for all neurons of a group at the first step of each image.

    Parameters
    ----------
    group : NeuronGroup
    code : str
        Statements such as ``v = v_init``.
    schedule : NeuronGroup
        Holds the counter ``step``.
    """

    def __init__(self, group: NeuronGroup, code: str, schedule: NeuronGroup) -> None:
        standalone = is_standalone()
        CodeRunner.__init__(
            self,
            group,
            "on_image" if standalone else "stateupdate",
            code=code,
            clock=group.clock,
            when="start",
            name=f"{group.name}__on_image",
            template_kwds={"counter": _counter_arrays(schedule)} if standalone else None,
            codeobj_class=ReadoutCodeObject if standalone else None,
        )
        self.step = schedule.variables["step"]

    def run(self) -> None:
        if self.step.get_value() == 1:
            super().run()


class GeneratedOperation(Group, CodeRunner):
    """An operation of the generated program: a template of this package with variables of its own.

    Parameters
    ----------
    template : str
    clock : Clock
    when : str
        Scheduling slot.
    order : int
        Within the slot.
    name : str
    **template_kwds
        What the template refers to.
    """

    def __init__(
        self, template: str, clock: Clock, when: str, order: int = 0, name: str = "", **template_kwds: object
    ) -> None:
        CodeRunner.__init__(
            self, self, template, clock=clock, when=when, order=order, name=name or f"brianconv__{template}",
            codeobj_class=ReadoutCodeObject, template_kwds=template_kwds,
        )  # fmt: skip
        self.variables = Variables(self)
        self.variables.add_constant("N", 1)  # every owner of variables has a size


class SpikeCounter(GeneratedOperation):
    """Counts the spikes and synaptic operations of a population in every step.

    Attributes
    ----------
    spikes, operations : dynamic arrays of int, one entry a step
    """

    def __init__(self, source: NeuronGroup, fan_out: np.ndarray, slot: str) -> None:
        super().__init__("count_spikes", source.clock, slot, name=f"{source.name}__counter")
        self.add_dependency(source)
        self.variables.add_reference("_spikespace", source)
        self.variables.add_constant("_n_neurons", len(source))
        self.variables.add_array("fan_out", size=len(fan_out), dtype=np.int64, values=fan_out, constant=True)
        self.variables.add_dynamic_array("spikes", size=0, dtype=np.int64)
        self.variables.add_dynamic_array("operations", size=0, dtype=np.int64)
        self._enable_group_attributes()


class ImageSequence(GeneratedOperation):
    """Counts the steps and, at the end of an image, reads the next one from the file ``images``."""

    def __init__(self, brian: BrianNetwork) -> None:
        source = brian.populations["input"]
        counter, flush = _counter_arrays(brian.schedule), [*_flush_statements(brian), *restore_statements(brian)]
        super().__init__("advance", source.clock, "start", -1, counter=counter, flush=flush)
        self.variables.add_reference("pixel", source)
        self.variables.add_constant("_n_pixels", len(source))
        order = brian.pixel_order
        self.variables.add_array("pixel_order", size=len(order), dtype=np.int32, values=order, constant=True)
        self._enable_group_attributes()


class ImageEnd(GeneratedOperation):
    """Ends an image at its last step or as soon as it is decided, and stops the program after the last image.

    Attributes
    ----------
    steps, decisions, decided : dynamic arrays of int, one entry an image
        Number of steps, class decided on, and whether early decision ended the image.
    """

    def __init__(self, brian: BrianNetwork) -> None:
        counter = _counter_arrays(brian.schedule)
        super().__init__("finish", brian.schedule.clock, "end", 2, counter=counter, tolerance=TOLERANCE)
        order = brian.class_order
        self.variables.add_reference("score", brian.output)
        self.variables.add_constant("_n_classes", len(order))
        self.variables.add_array("class_order", size=len(order), dtype=np.int32, values=order, constant=True)
        for name in ("steps", "decisions", "decided"):
            self.variables.add_dynamic_array(name, size=0, dtype=np.int64)
        self._enable_group_attributes()


def add_operations(brian: BrianNetwork) -> None:
    """Add the generated readout to a network."""
    for index, (name, group) in enumerate(brian.populations.items()):
        brian.counters[name] = SpikeCounter(group, brian.fan_out[name], f"resets_{index}")
    brian.image_end = ImageEnd(brian)
    brian.image_sequence = ImageSequence(brian)
    brian.add(brian.image_sequence, brian.image_end, *brian.counters.values())


def _flush_statements(brian: BrianNetwork) -> list[str]:
    """C++ statements that drop spikes in flight, so that none reaches the next image."""
    statements = []
    for synapses in brian.connections.values():
        if isinstance(synapses, StructuredSynapses):
            statements += synapses.flush_statements()
        elif brian.spiking.synaptic_delay.get(synapses.target.name):
            statements += [
                f"for (auto &_spikes : brian::{pathway.name}.queue[0]->queue) _spikes.clear();"
                for pathway in synapses._pathways
            ]
    return statements


def _counter_arrays(schedule: NeuronGroup) -> dict[str, str]:
    """Names of the C++ arrays (of one element each) that hold the shared counters."""
    arrays = get_device().get_array_name
    return {name: f"brian::{arrays(schedule.variables[name])}[0]" for name in COUNTERS}


def is_standalone() -> bool:
    """Return whether Brian2's active device generates a program instead of running."""
    return isinstance(get_device(), CPPStandaloneDevice)
