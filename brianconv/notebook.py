"""Tables of objects: what notebooks show (`_repr_html_`), and pandas for those who have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from brianconv.errors import ParameterError


def html_table(caption: str, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table of text; everything is escaped.

    Parameters
    ----------
    caption : str
    heading : sequence of str
        One title per column.
    rows : iterable of sequences
        One cell per column.
    """
    cells = "".join(f"<th>{escape(title)}</th>" for title in heading)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{cells}</tr>{lines}</table>"


def pandas_for(method: str, instead: str = "") -> Any:
    """Return pandas, which only tables need; ParameterError that names the method if it is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise ParameterError(f"{method} needs pandas: pip install 'brianconv[analysis]'{instead}") from error
    return pandas
