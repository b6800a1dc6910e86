"""The same neurons in volts: potentials between a resting potential and a threshold in millivolts.

What is 0 and 1 in normalised activations becomes v_rest and v_threshold; weights become postsynaptic potentials. Spikes
stay the same.
"""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass, replace

from brianconv.coding.scheme import NeuronModel
from brianconv.errors import ParameterError

READ = re.compile(r"(?<![\w.])v(?![\w(])")
COMPARISON = re.compile(r"^\s*v\s*(>=|<=|>|<|!=)\s*(.+?)\s*$")
ASSIGNMENT = re.compile(r"^(\s*)v\s*([-+]?=)\s*(.+?)\s*$")
EQUATION = re.compile(r"^(\s*)(dv/dt|v)(?:\s*=\s*(.+?))?\s*:\s*1\s*$")
LEAK = " - v / (tau_m * dt)"
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
        equations="\n".join([*(_equation(line) for line in model.equations.splitlines()), UNIT_EQUATIONS.strip()]),
        threshold=_condition(model.threshold),
        reset=statements_in_volts(model.reset),
        on_image=statements_in_volts(model.on_image),
    )


def statements_in_volts(code: str) -> str:
    """Return statements that read or set v, with v in volts."""
    return "\n".join(_statement(line) for line in code.splitlines())


def _equation(line: str) -> str:
    found = EQUATION.match(line)
    if not found:
        return _plain(line)
    indent, left, right = found.groups()
    if right is None:
        return f"{indent}v : volt"
    if left == "v":
        return f"{indent}v = v_rest + v_swing * ({_plain(right)}) : volt"
    charge = right.replace(LEAK, "")
    leak = " - (v - v_rest) / (tau_m * dt)" if LEAK in right else ""
    return f"{indent}dv/dt = v_swing * ({_plain(charge)}){leak} : volt"


def _statement(line: str) -> str:
    found = ASSIGNMENT.match(line)
    if not found:
        return _plain(line)
    indent, operator, right = found.groups()
    if operator == "=":
        return f"{indent}v = v_rest + v_swing * ({_plain(right)})"
    return f"{indent}v {operator} v_swing * ({_plain(right)})"


def _condition(condition: str) -> str:
    parts = re.split(r"(\s+and\s+|\s+or\s+|[()](?=\s*v\s*[<>!]))", condition)
    return "".join(_compared(part) for part in parts)


def _compared(part: str) -> str:
    found = COMPARISON.match(part)
    return f"v {found[1]} v_rest + v_swing * ({found[2]})" if found else _plain(part)


def _plain(code: str) -> str:
    """Replace the potential in an expression by its normalised value."""
    return READ.sub("(v - v_rest) / v_swing", code)
