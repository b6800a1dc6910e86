"""Checks of values that were read from files; each returns the value, or raises ValueError with its name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from brianconv.errors import ParameterError

MOST_STEPS = 10**6  # of an image


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number in [low, high]; truth values do not count."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {shown(value)}; it is a whole number from {low} to {high}")
    return value


def real(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number in [low, high]."""
    if type(value) not in (int, float) or not (math.isfinite(value) and low <= value <= high):
        limits = "" if math.isinf(low) and math.isinf(high) else f" in [{low:g}, {high:g}]"
        raise ValueError(f"{name} is {shown(value)}; it is a finite number{limits}")
    return value


def reals(values: Any, name: str, length: int, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Return a list of `length` finite numbers in [low, high]."""
    for k, value in enumerate(sequence(values, name, length)):
        real(value, f"{name}[{k}]", low, high)
    return values


def sequence(values: Any, name: str, length: int | None = None) -> list[Any]:
    """Return a list of `length` values, of one or more if that is None."""
    if not isinstance(values, list) or not values or len(values) != (length or len(values)):
        found = f"{len(values)} values" if isinstance(values, list) else shown(values)
        raise ValueError(f"{name} has {found}; it is a list of {length or 'one or more'}")
    return values


def mapping(content: Any, name: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return a mapping that has these keys and no others."""
    content = known(content, name, expected := list(keys))
    if missing := [key for key in expected if key not in content]:
        raise ValueError(f"{name} has no {missing[0]!r}")
    return content


def known(content: Any, name: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return a mapping that has some of these keys and no others."""
    if not isinstance(content, dict):
        raise ValueError(f"{name} is {shown(content)}; it must be a mapping")
    if unknown := [key for key in content if key not in keys]:
        raise ValueError(f"{name} has {shown(unknown[0])}, which is none of {', '.join(keys)}")
    return content


def shown(value: Any) -> str:
    """Return a value as text, or its type if it is long."""
    if isinstance(value, (dict, list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value) if isinstance(value, (int, float, str, type(None))) else f"a {type(value).__name__}"
    return text if len(text) < 60 else f"{text[:50]}..."


def check_choice(what: str, value: object, choices: Iterable[str], article: str = "is") -> None:
    """Raise ParameterError unless a value is one of some names."""
    if not isinstance(value, str) or value not in choices:
        raise ParameterError(f"{what} {value!r} {article} unknown; choose one of {', '.join(choices)}")
