"""Equations, expressions and statements of neuron models, read and changed by the grammar that Brian2 reads.

Equations are found by Brian2's own grammar. Its expressions and statements are Python's, so Python's parser finds where
a name occurs. Whatever is not changed keeps its wording and layout.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from brianconv.errors import ParameterError

DIFFERENTIAL_EQUATION, SUBEXPRESSION, PARAMETER = "differential equation", "subexpression", "parameter"  # as in Brian2
FIXED = {"constant", "linked"}
Edit = tuple[int, int, str]


@dataclass(frozen=True)
class Equation:
    """One equation and its position.

    Attributes
    ----------
    name : str
        The variable that it defines.
    kind : str
        `DIFFERENTIAL_EQUATION`, `SUBEXPRESSION` or `PARAMETER`, as Brian2 calls them.
    expression : str
        Right-hand side as it is written; '' for a parameter.
    unit : str
    flags : tuple of str
        Such as ``('shared', 'constant')``.
    source : str
        As it is written.
    start, end : int
        Its position in the text.
    """

    name: str
    kind: str
    expression: str
    unit: str
    flags: tuple[str, ...]
    source: str
    start: int
    end: int

    @property
    def changes(self) -> bool:
        """Whether a simulation can change the variable."""
        return self.kind != SUBEXPRESSION and not FIXED & set(self.flags)

    def written(self, *, kind: str | None = None, expression: str = "", unit: str | None = None) -> str:
        """Return the equation on one line, with another kind, right-hand side or unit."""
        left = f"d{self.name}/dt" if (kind or self.kind) == DIFFERENTIAL_EQUATION else self.name
        flags = f" ({', '.join(self.flags)})" if self.flags else ""
        return f"{left}{f' = {expression}' if expression else ''} : {unit or self.unit}{flags}"


@lru_cache(maxsize=1024)
def equations_of(text: str) -> Mapping[str, Equation]:
    """Return the equations of a text by the variables that they define.

    Raises
    ------
    ParameterError
        If Brian2 refuses them.
    """
    from brian2.equations.equations import EQUATION, Equations  # takes long, and not every command needs it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # between Brian2 and pyparsing, not the user's concern
            Equations(text)
    except Exception as error:  # Brian2 raises several kinds for what it does not understand
        raise ParameterError(f"Brian2 refuses the equations {text.strip()!r}: {error}") from error
    found = {}
    for groups, start, end in EQUATION.scan_string(text):
        (tokens,) = groups
        piece = text[start:end].rstrip()
        kind = next(k for k in (DIFFERENTIAL_EQUATION, SUBEXPRESSION, PARAMETER) if k in groups)
        expression = str(tokens.get("expression", ""))
        if expression and "#" not in piece and "\n" not in piece:
            expression = piece.partition("=")[2].partition(":")[0]
        name = tokens["identifier"]
        found[name] = Equation(
            name,
            kind,
            expression.strip(),
            tokens["unit"].strip(),
            tuple(tokens.get("flags", ())),
            piece,
            start,
            start + len(piece),
        )
    return MappingProxyType(found)


def state_variables(text: str) -> list[str]:
    """Return the variables that a simulation can change: all but constants, linked variables and subexpressions."""
    return [name for name, equation in equations_of(text).items() if equation.changes]


def rewritten(text: str, change: Callable[[Equation], str | None]) -> str:
    """Return equations, each rewritten by a function, or unchanged where the function returns None."""
    edits = [(e.start, e.end, new) for e in equations_of(text).values() if (new := change(e)) is not None]
    return edited(text, edits)


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return a text in which pieces, each from a first character up to a last, are replaced."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class Code:
    """An expression, or statements, with the places of the names in it.

    Parameters
    ----------
    text : str
        In Brian2's language.

    Raises
    ------
    ParameterError
        If it is neither an expression nor statements.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        lines = "\n".join(line.strip() for line in text.split("\n"))  # Brian2 ignores indentation
        try:
            self.tree = ast.parse(lines)
        except SyntaxError as error:
            raise ParameterError(f"Brian2 would not understand {text.strip()!r}: {error.msg}") from error
        self._line_starts = self._starts(lines)

    def _starts(self, parsed: str) -> list[int]:
        """Return where in the text each line that was parsed begins."""
        starts, position = [], 0
        for line in parsed.split("\n"):
            position = self.text.index(line, position)
            starts.append(position)
            position += len(line)
        return starts

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the first character of a node in the text, and the one after its last."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._line_starts[node.lineno - 1] + node.col_offset,
            self._line_starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def written(self, node: ast.expr) -> str:
        """Return an expression as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def variables(self) -> Iterator[ast.Name]:
        """Yield every mention of a variable, not counting names of functions."""
        functions = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and id(node) not in functions:
                yield node

    def assignments(self) -> Iterator[tuple[str, ast.Assign | ast.AugAssign]]:
        """Yield the assignments with the variables that they set."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Assign, ast.AugAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        yield target.id, node

    def binding(self) -> set[int]:
        """Return the ids of nodes that bind more tightly to their neighbours than a product would."""
        tight = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)):
                tight.add(id(node.right))
                if isinstance(node.op, ast.Pow):
                    tight.add(id(node.left))
        return tight


def renamed(expression: str, new_name: Callable[[str], str]) -> str:
    """Return an expression with its variables renamed; names of functions are unchanged."""
    code = Code(expression)
    return edited(expression, [(*code.span(node), new_name(node.id)) for node in code.variables()])


def names_in(*texts: str) -> set[str]:
    """Return the variables that expressions or statements mention."""
    return {node.id for text in texts for node in Code(text).variables()}


def mentioned(equations: str) -> set[str]:
    """Return the variables that equations define or read."""
    found = equations_of(equations)
    return set(found) | names_in(*(equation.expression for equation in found.values()))


def assigned(statements: str, *, changed: bool = False) -> set[str]:
    """Return the variables that statements set; optionally also those that they only add to or otherwise modify."""
    kinds = (ast.Assign, ast.AugAssign) if changed else (ast.Assign,)
    return {name for name, node in Code(statements).assignments() if isinstance(node, kinds)}
