"""What happens at the first step of an image: the statements of a neuron model, in both modes."""

from __future__ import annotations

from brian2 import NeuronGroup, get_device
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.groups.group import CodeRunner

from brianconv.simulation.cython_modules import code_object_class

COUNTERS = ("step", "image", "n_steps", "n_images", "early_decision", "first", "reset_every")


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
        Holds the shared counters.
    resets : bool
        Whether the statements reset states: they do not run for images that continue a sequence.
    """

    def __init__(self, group: NeuronGroup, code: str, schedule: NeuronGroup, resets: bool = True) -> None:
        standalone = is_standalone()
        counter = counter_arrays(schedule) if standalone else {}
        CodeRunner.__init__(
            self,
            group,
            "on_image" if standalone else "stateupdate",
            code=code,
            clock=group.clock,
            when="start",
            name=f"{group.name}__on_{'image' if resets else 'each_image'}",
            order=0 if resets else 1,
            template_kwds={"counter": counter, "resets": resets} if standalone else None,
            codeobj_class=ReadoutCodeObject if standalone else code_object_class(),
        )
        self.schedule, self.resets, self.step = schedule, resets, schedule.variables["step"]

    def run(self) -> None:
        if self.step.get_value() == 1 and (begins_anew(self.schedule) or not self.resets):
            super().run()


def begins_anew(schedule: NeuronGroup) -> bool:
    """Return whether the current image is the first of a sequence, before which states are reset (run-time mode)."""
    image, every = (schedule.variables[name].get_value()[0] for name in ("image", "reset_every"))
    return bool(image % every == 0)


def counter_arrays(schedule: NeuronGroup) -> dict[str, str]:
    """Names of the C++ arrays (of one element each) that hold the shared counters."""
    arrays = get_device().get_array_name
    return {name: f"brian::{arrays(schedule.variables[name])}[0]" for name in COUNTERS}


def is_standalone() -> bool:
    """Return whether Brian2's active device generates a program instead of running."""
    return isinstance(get_device(), CPPStandaloneDevice)
