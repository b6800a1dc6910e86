"""The same neurons in volts: potentials between a resting potential and a threshold in millivolts.

What is 0 and 1 in normalised activations becomes v_rest and v_threshold; weights become postsynaptic potentials. Spikes
stay the same.
"""

from __future__ import annotations

import ast
import math
import numbers
from dataclasses import dataclass, replace

from brianconv.coding.equations import (
    PARAMETER,
    SUBEXPRESSION,
    Code,
    Edit,
    Equation,
    edited,
    names_in,
    rewritten,
)
from brianconv.coding.neuron_models import LEAK
from brianconv.coding.scheme import NeuronModel
from brianconv.errors import ParameterError

UNIT_EQUATIONS = """
v_rest                        : volt (shared, constant)
v_swing                       : volt (shared, constant)
"""


@dataclass(frozen=True)
class Millivolts:
    """Potentials that stand for 0 and 1.

    Attributes
    ----------
    v_rest, v_threshold : float
        In mV.
    """

    v_rest: float = -70.0
    v_threshold: float = -50.0

    def __post_init__(self) -> None:
        for name, value in (("v_rest", self.v_rest), ("v_threshold", self.v_threshold)):
            if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
                raise ParameterError(f"{name} is {value!r}; it is a finite number of mV")
        if not self.v_threshold > self.v_rest:
            raise ParameterError(
                f"v_threshold is {self.v_threshold} mV and v_rest {self.v_rest} mV; the threshold lies above rest"
            )

    @property
    def swing(self) -> float:
        """v_threshold - v_rest in mV: one unit of normalised activation."""
        return self.v_threshold - self.v_rest

    @property
    def shared_values(self) -> dict[str, float]:
        """Values in volts of the variables that the changed equations have."""
        return {"v_rest": self.v_rest / 1000, "v_swing": self.swing / 1000}


def in_volts(model: NeuronModel) -> NeuronModel:
    """Return a neuron model whose potential is in volts."""
    return replace(
        model,
        equations="\n".join([*rewritten(model.equations, _equation).splitlines(), UNIT_EQUATIONS.strip()]),
        threshold=statements_in_volts(model.threshold),
        reset=statements_in_volts(model.reset),
        on_image=statements_in_volts(model.on_image),
    )


def statements_in_volts(text: str) -> str:
    """Return statements, or an expression, that set or read v, with v in volts.

    What v is set to or compared with is converted; elsewhere, v stands for its normalised value.
    """
    code = Code(text)
    potentials = {id(node): node for node in code.variables() if node.id == "v"}
    edits: list[Edit] = []
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Assign) and id(node.targets[0]) in potentials:
            del potentials[id(node.targets[0])]
            edits += _surrounded(code, node.value, "v_rest + v_swing * (", ")")
        elif isinstance(node, ast.AugAssign) and id(node.target) in potentials:
            del potentials[id(node.target)]
            if isinstance(node.op, (ast.Add, ast.Sub)):
                edits += _surrounded(code, node.value, "v_swing * (", ")")
            else:
                start, target_end = code.span(node.target)
                equals, end = text.index("=", target_end), code.span(node)[1]
                operator = text[target_end:equals].strip()
                operand = equals + 1 + len(text[equals + 1 :]) - len(text[equals + 1 :].lstrip())
                edits.append((start, operand, f"v = v_rest + v_swing * (((v - v_rest) / v_swing) {operator} ("))
                edits.append((end, end, "))"))
        elif isinstance(node, ast.Compare) and id(node.left) in potentials and len(node.ops) == 1:
            del potentials[id(node.left)]
            edits += _surrounded(code, node.comparators[0], "v_rest + v_swing * (", ")")
    tight = code.binding()
    for key, name in potentials.items():
        edits.append((*code.span(name), "((v - v_rest) / v_swing)" if key in tight else "(v - v_rest) / v_swing"))
    return edited(text, edits)


def _equation(equation: Equation) -> str | None:
    if equation.name != "v":
        return _with_normalized(equation)
    if equation.kind == PARAMETER:
        return equation.written(unit="volt")
    if equation.kind == SUBEXPRESSION:
        normalized = statements_in_volts(equation.expression)
        return equation.written(expression=f"v_rest + v_swing * ({normalized})", unit="volt")
    charge = statements_in_volts(equation.expression.replace(LEAK, ""))
    leak = " - (v - v_rest) / (tau_m * dt)" if LEAK in equation.expression else ""
    return equation.written(expression=f"v_swing * ({charge}){leak}", unit="volt")


def _with_normalized(equation: Equation) -> str | None:
    """Return an equation that reads the potential, with only the potential replaced; None if it does not."""
    if "v" not in names_in(equation.expression):
        return None
    normalized = statements_in_volts(equation.expression)
    if equation.expression in equation.source:
        return equation.source.replace(equation.expression, normalized, 1)
    return equation.written(expression=normalized)


def _surrounded(code: Code, node: ast.expr, before: str, after: str) -> list[Edit]:
    start, end = code.span(node)
    return [(start, start, before), (end, end, after)]
