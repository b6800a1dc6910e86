"""The equations of neuron models as LaTeX."""

from __future__ import annotations

from brian2 import Equations
from brian2.equations.equations import DIFFERENTIAL_EQUATION, SUBEXPRESSION
from brian2.parsing.sympytools import str_to_sympy
from sympy import latex

from brianconv.coding.scheme import NeuronModel


def latex_equations(model: NeuronModel) -> list[str]:
    r"""Return the differential equations and subexpressions of a model, such as ``\frac{dv}{dt} = ...``."""
    lines = []
    for name, equation in Equations(model.equations).items():
        if equation.type in (DIFFERENTIAL_EQUATION, SUBEXPRESSION):
            symbol = latex(str_to_sympy(name))
            left = rf"\frac{{d {symbol}}}{{dt}}" if equation.type == DIFFERENTIAL_EQUATION else symbol
            lines.append(f"{left} = {latex(str_to_sympy(equation.expr.code))}")
    return lines


def latex_condition(condition: str) -> str:
    """Return a threshold condition as LaTeX."""
    return latex(str_to_sympy(condition))
