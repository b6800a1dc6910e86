"""Templates of generated programs for the passes over all neurons of a population."""

from __future__ import annotations

import numpy as np
from brian2 import NeuronGroup, get_device
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

from brianconv.simulation.template_helpers import array_pointers


class NeuronCodeObject(CPPStandaloneCodeObject):
    """C++ standalone code object that knows the templates of this package."""

    templater = CPPStandaloneCodeObject.templater.derive(
        "brianconv.simulation.neurons", env_globals={"array_pointers": array_pointers}
    )


def vectorise_threshold(group: NeuronGroup, active: tuple[str, str] | None = None) -> None:
    """Let a generated program evaluate the threshold condition of a group in one vectorised pass.

    Parameters
    ----------
    group : NeuronGroup
    active : (str, str), optional
        Shared variables with the first step in which a neuron can fire and the number of such steps: the pass is
        skipped in others.
    """
    thresholder = group.thresholder["spike"]
    thresholder.codeobj_class = NeuronCodeObject
    thresholder.template_kwds["active"] = _active_steps(group, active) if active else ""


def _active_steps(group: NeuronGroup, active: tuple[str, str]) -> str:
    """C++ condition that this is a step in which neurons can fire."""
    step, first, count = (f"brian::{get_device().get_array_name(group.variables[n])}[0]" for n in ("step", *active))
    return f"{step} >= {first} && {step} < {first} + {count}"


class Sleeping:
    """Leaves out the threshold of a group at run time in steps in which no neuron can fire."""

    def __init__(self, group: NeuronGroup, active: tuple[str, str]) -> None:
        self.thresholder = group.thresholder["spike"]
        self.condition = [group.variables[name] for name in ("step", *active)]
        self.spikes = group.variables["_spikespace"]
        self.evaluate = self.thresholder.run
        self.thresholder.run = self.run

    def run(self) -> None:
        """Evaluate the threshold, or remove the spikes of the step before."""
        step, first, count = (np.ravel(variable.get_value())[0] for variable in self.condition)
        if first <= step < first + count:
            self.evaluate()
        else:
            self.spikes.get_value()[-1] = 0
