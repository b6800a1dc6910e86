"""Readout in generated code: what runtime.py does in Python, as templates of a C++ standalone program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Clock, NeuronGroup
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from brianconv.early_decision import TOLERANCE
from brianconv.simulation.readout.on_image import ReadoutCodeObject, counter_arrays
from brianconv.stopping import StoppingRule


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
    spikes, operations : dynamic arrays of int, one entry per step
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
    """Counts the steps and, at the end of an image, reads the next one from the file ``images``.

    Parameters
    ----------
    schedule : NeuronGroup
        Holds the shared counters.
    source : NeuronGroup
        The input population.
    pixel_order : array of int
        For each input neuron the index of its pixel.
    statements : sequence of str
        C++ statements between two images, which drop spikes in flight and restore initial values.
    """

    def __init__(
        self, schedule: NeuronGroup, source: NeuronGroup, pixel_order: np.ndarray, statements: Sequence[str]
    ) -> None:
        counter = counter_arrays(schedule)
        super().__init__("advance", source.clock, "start", -1, counter=counter, flush=statements)
        self.variables.add_reference("pixel", source)
        self.variables.add_constant("_n_pixels", len(source))
        self.variables.add_array(
            "pixel_order", size=len(pixel_order), dtype=np.int32, values=pixel_order, constant=True
        )
        self._enable_group_attributes()


class ImageEnd(GeneratedOperation):
    """Ends an image at its last step or as soon as it is decided, and stops the program after the last image.

    Attributes
    ----------
    steps, decisions, decided : dynamic arrays of int, one entry per image
        Number of steps, class decided on, and whether early decision ended the image.
    """

    def __init__(
        self, schedule: NeuronGroup, output: NeuronGroup, class_order: np.ndarray, stop: StoppingRule | None = None
    ) -> None:
        counter = counter_arrays(schedule)
        condition = stop.in_cpp("_stop_") if stop else ""
        super().__init__(
            "early_decision", schedule.clock, "end", 2, name="brianconv__finish", counter=counter, tolerance=TOLERANCE,
            stop=condition,
        )  # fmt: skip
        self.variables.add_reference("score", output)
        self.variables.add_reference("_spikespace", output)
        self.variables.add_constant("_n_classes", len(class_order))
        self.variables.add_array(
            "class_order", size=len(class_order), dtype=np.int32, values=class_order, constant=True
        )
        for name in ("steps", "decisions", "decided"):
            self.variables.add_dynamic_array(name, size=0, dtype=np.int64)
        self._enable_group_attributes()
