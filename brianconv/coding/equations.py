"""What Brian2's own parser says about the equations of a neuron model."""

from __future__ import annotations

import re

from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER, Equations

FIXED = {"constant", "linked"}
ASSIGNED = re.compile(r"(?:^|[;\n])\s*(\w+)\s*=(?!=)")


def state_variables(equations: str) -> list[str]:
    """Return the variables that a simulation can change: all but constants, linked variables and subexpressions.

    Raises
    ------
    brian2.equations.equations.EquationError, SyntaxError, ValueError
        If Brian2 does not understand the equations.
    """
    return [
        name
        for name, equation in Equations(equations).items()
        if equation.type in (DIFFERENTIAL_EQUATION, PARAMETER) and not FIXED & set(equation.flags)
    ]


def assigned(statements: str) -> set[str]:
    """Return the variables that some statements set, without those that they only add to."""
    return set(ASSIGNED.findall(statements))
