"""Stopping rules of one's own: a condition on the scores so far, at which the next image begins.

The same expression is evaluated by Python at run time, by generated C++ in standalone mode, and from a recording.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brianconv.early_decision import EarlyDecisions, StableDecision
from brianconv.errors import ParameterError
from brianconv.values import shown

VARIABLES = {
    "step": "step of the image, from 1",
    "best": "number of the class with the highest score",
    "score": "the highest score",
    "lead": "difference of the two highest scores",
    "average_lead": "moving average of it: (lead + average_lead before) / 2, as in Kim et al. (2018), Algorithm 1",
    "stable": "number of steps for which `best` has stayed the same; 0 where it has just changed",
    "spikes": "number of spikes of the output since the image began",
}
FUNCTIONS: dict[str, Callable[[float], float]] = {"abs": abs, "exp": math.exp, "log": math.log, "sqrt": math.sqrt}
ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.Gt, ast.GtE,
    ast.Lt, ast.LtE, ast.Eq, ast.NotEq, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Name, ast.Load, ast.Call,
    ast.Constant,
)  # fmt: skip
LONGEST = 1000  # characters
LARGEST = 1e300


@dataclass(frozen=True)
class StoppingRule:
    """A condition at which an image ends.

    Attributes
    ----------
    text : str
        In Brian2's language, such as ``"lead >= 3"`` or ``"stable >= 10 and lead > 0.1"``, over `step`, `best`,
        `score`, `lead`, `average_lead`, `stable` and `spikes`, with ``and``, ``or``, ``not``, arithmetic, and `abs`,
        `exp`, `log`, `sqrt`.

    Raises
    ------
    ParameterError
        If it is no such condition.

    Examples
    --------
    >>> StoppingRule("lead >= 3 and step > 10").holds({"lead": 4.0, "step": 11})
    True
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not 0 < len(self.text) <= LONGEST:
            raise ParameterError(f"stop is {shown(self.text)}; it is a condition such as 'lead >= 3'")
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ParameterError(f"stop is {self.text!r}, which is no expression: {error}") from error
        for node in ast.walk(tree):
            self._check(node)
        top = tree.body
        while isinstance(top, ast.UnaryOp) and isinstance(top.op, ast.Not):
            top = top.operand
        if not isinstance(top, (ast.Compare, ast.BoolOp)):
            raise ParameterError(f"stop is {self.text!r}, which is a value and no condition, such as 'lead >= 3'")

    def _check(self, node: ast.AST) -> None:
        called = isinstance(node, ast.Call)
        if not isinstance(node, ALLOWED) or (isinstance(node, ast.Compare) and len(node.ops) != 1):
            raise ParameterError(
                f"stop is {self.text!r}; {type(node).__name__} is not part of a condition: use comparisons of two "
                "values, and, or, not, arithmetic"
            )
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and len(node.args) == 1 and not node.keywords
        ):
            raise ParameterError(f"stop is {self.text!r}; functions are {', '.join(FUNCTIONS)}, of one value each")
        if isinstance(node, ast.Name) and not called and node.id not in (*VARIABLES, *FUNCTIONS):
            raise ParameterError(f"stop is {self.text!r}; there is no {node.id!r}; there are {', '.join(VARIABLES)}")
        if isinstance(node, ast.Constant) and not (
            isinstance(node.value, (int, float)) and not isinstance(node.value, bool) and abs(node.value) <= LARGEST
        ):
            raise ParameterError(f"stop is {self.text!r}; {node.value!r} is no number")

    @cached_property
    def _code(self) -> Any:
        return compile(ast.parse(self.text.strip(), mode="eval"), "<stop>", "eval")

    def holds(self, values: Mapping[str, float]) -> bool:
        """Return whether the condition holds; not where its value is not defined, as in a division by 0."""
        with np.errstate(all="ignore"):
            numbers = {name: np.float64(value) for name, value in values.items()}
            functions = {"abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}
            return bool(eval(self._code, {"__builtins__": {}}, {**functions, **numbers}))

    def in_cpp(self, prefix: str) -> str:
        """Return the condition in C++, with a prefix before the names of variables; all of them are doubles."""
        return _cpp(ast.parse(self.text.strip(), mode="eval").body, prefix)


OPERATORS: dict[type[ast.AST], str] = {
    ast.And: "&&", ast.Or: "||", ast.Not: "!", ast.USub: "-", ast.UAdd: "+", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<",
    ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip


def _cpp(node: ast.expr, prefix: str) -> str:
    match node:
        case ast.BoolOp():
            return "(" + f" {OPERATORS[type(node.op)]} ".join(_cpp(value, prefix) for value in node.values) + ")"
        case ast.UnaryOp():
            return f"({OPERATORS[type(node.op)]}{_cpp(node.operand, prefix)})"
        case ast.Compare():
            right = _cpp(node.comparators[0], prefix)
            return f"({_cpp(node.left, prefix)} {OPERATORS[type(node.ops[0])]} {right})"
        case ast.BinOp():
            return f"({_cpp(node.left, prefix)} {OPERATORS[type(node.op)]} {_cpp(node.right, prefix)})"
        case ast.Call(func=ast.Name(id=name)):
            return f"std::{'fabs' if name == 'abs' else name}({_cpp(node.args[0], prefix)})"
        case ast.Name():
            return prefix + node.id
        case ast.Constant(value=float() | int() as number):
            return repr(float(number))
    raise ParameterError(f"stop: {type(node).__name__} is not part of a condition")


@dataclass
class StopState:
    """What the variables of a rule are, step by step, for one image.

    Attributes
    ----------
    rule : StoppingRule
    """

    rule: StoppingRule

    def __post_init__(self) -> None:
        self.stable = StableDecision(1)

    def update(self, scores: np.ndarray, step: int, spikes: int) -> bool:
        """Take in the scores of one step, shape (n_classes,), and return whether the image ends."""
        self.stable.update(scores[None], 1.0)
        highest = np.partition(np.asarray(scores, dtype=np.float64), -2)[-2:]
        return self.rule.holds(
            {
                "step": step,
                "best": int(self.stable.decision[0]),
                "score": highest[1],
                "lead": highest[1] - highest[0],
                "average_lead": float(self.stable.average_difference[0]),
                "stable": int(self.stable.stable_steps[0]),
                "spikes": spikes,
            }
        )


def stopped(scores: np.ndarray, output_spikes: np.ndarray, stop: str, first: int = 1) -> EarlyDecisions:
    """Return the decisions that a rule makes of recorded scores.

    Parameters
    ----------
    scores : array, shape (n_images, n_steps, n_classes)
    output_spikes : array of int, shape (n_images, n_steps)
        Spikes of the output in each step.
    stop : str
        See `StoppingRule`.
    first : int
        Step at which the rule starts, from 1.
    """
    rule = StoppingRule(stop)
    n_images, n_steps, n_classes = scores.shape
    check_stop(rule, n_classes)
    steps, decisions = np.full(n_images, n_steps), np.zeros(n_images, dtype=int)
    decided = np.zeros(n_images, dtype=bool)
    spikes = output_spikes.cumsum(axis=1)
    for image in range(n_images):
        state = StopState(rule)
        for step in range(first, n_steps + 1):
            if state.update(scores[image, step - 1], step, int(spikes[image, step - 1])):
                steps[image], decided[image] = step, True
                break
        decisions[image] = scores[image, steps[image] - 1].argmax()
    return EarlyDecisions(decisions, steps, decided)


def check_stop(rule: StoppingRule | Callable[..., Any] | None, n_classes: int) -> None:
    """Raise ParameterError if a rule compares classes of which there is one only."""
    if rule is not None and n_classes < 2:
        raise ParameterError("stop compares the two highest scores: the output must have at least two classes")
