"""Templates of generated programs for the passes over all neurons of a population."""

from __future__ import annotations

from brian2 import NeuronGroup
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

from brianconv.simulation.pointers import array_pointers


class NeuronCodeObject(CPPStandaloneCodeObject):
    """C++ standalone code object that knows the templates of this package."""

    templater = CPPStandaloneCodeObject.templater.derive(
        "brianconv.simulation.neurons", env_globals={"array_pointers": array_pointers}
    )


def vectorise_threshold(group: NeuronGroup) -> None:
    """Let a generated program evaluate the threshold condition of a group in one vectorised pass."""
    group.thresholder["spike"].codeobj_class = NeuronCodeObject
