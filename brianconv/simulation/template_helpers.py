"""Names of the arrays that generated C++ works on, for templates that pass them to a function.

``__restrict`` pointers tell the compiler that arrays do not overlap, but only as parameters of a function, and not as
local variables, which is how Brian2 declares them (GCC 12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brian2.core.variables import ArrayVariable


def array_pointers(variables: Mapping[str, Any], get_array_name: Callable[[Any], str]) -> list[str]:
    """Return the names of the C++ pointers to the arrays among some variables."""
    arrays = [variable for variable in variables.values() if isinstance(variable, ArrayVariable)]
    return sorted({get_array_name(variable) for variable in arrays})
