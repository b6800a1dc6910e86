"""Brian2's targets, extended by the templates of structured synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brian2 import Synapses, get_device
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.utils.stringtools import word_substitute

from brianconv.simulation.compat import pathways
from brianconv.simulation.cython_modules import ModuleCodeObject, code_object_class
from brianconv.simulation.template_helpers import array_pointers

PACKAGE = "brianconv.simulation.synapses"
EVENT_INDICES = ("_presynaptic_idx", "_postsynaptic_idx", "_kernel_idx")


class StructuredCPPStandaloneCodeObject(CPPStandaloneCodeObject):
    """C++ standalone code object that knows the templates of structured synapses."""

    templater = CPPStandaloneCodeObject.templater.derive(PACKAGE, env_globals={"array_pointers": array_pointers})


class StructuredCythonCodeObject(ModuleCodeObject):
    """Cython code object that knows the templates of structured synapses."""

    templater = CythonCodeObject.templater.derive(PACKAGE)


class StructuredNumpyCodeGenerator(NumpyCodeGenerator):
    """Takes the indices of one event after the other where statements cannot be vectorised."""

    class_name = "numpy"

    def vectorise_code(self, *args: Any, **kwds: Any) -> list[str]:
        lines = super().vectorise_code(*args, **kwds)
        if lines[0] == "_full_idx = _idx":
            lines[3:3] = [f"    {name} = _all{name.removesuffix('_idx')}[_idx]" for name in EVENT_INDICES]
        return lines

    def conditional_write(
        self, line: str, stmt: Any, variables: Any, conditional_write_vars: Mapping[str, str], created_vars: Any
    ) -> str:
        line = super().conditional_write(line, stmt, variables, conditional_write_vars, created_vars)
        if stmt.var not in conditional_write_vars:
            return line
        condition = conditional_write_vars[stmt.var]  # such as not_refractory: one value per event
        return word_substitute(line, {name: f"{name}[{condition}]" for name in EVENT_INDICES})


class StructuredNumpyCodeObject(NumpyCodeObject):
    """NumPy code object that knows the templates of structured synapses."""

    templater = NumpyCodeObject.templater.derive(PACKAGE)
    generator_class = StructuredNumpyCodeGenerator


class PlainCythonCodeObject(ModuleCodeObject):
    """Cython code object of plain synapses whose statements may name any variable.

    Brian2 2.10 and later count the arriving spikes in a variable ``i``. A statement that reads the index ``i`` of the
    presynaptic neuron overwrites it: spikes are left out or repeated.
    """

    templater = CythonCodeObject.templater.derive(PACKAGE)


def active_target() -> type:
    """Return the class of Brian2's code objects for the target that is active now."""
    return CythonCodeObject if code_object_class() else get_device().code_object_class(None)


def protect_events(synapses: Synapses) -> None:
    """Let every spike run the statements of plain synapses once, whatever variables they name.

    The target is the one that is active now, even if the user sets another one before the network runs.
    """
    chosen = active_target()
    for pathway in pathways(synapses):
        pathway.codeobj_class = PlainCythonCodeObject if chosen is CythonCodeObject else chosen


CODE_OBJECTS = {
    CPPStandaloneCodeObject: StructuredCPPStandaloneCodeObject,
    CythonCodeObject: StructuredCythonCodeObject,
    NumpyCodeObject: StructuredNumpyCodeObject,
}
