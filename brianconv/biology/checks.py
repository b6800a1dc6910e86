"""Checks of the numbers that named models of synapses and neurons take."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from brianconv.coding.times import is_number, is_time
from brianconv.errors import ParameterError


def default_time(value: Any) -> Any:
    """Return the field of a dataclass whose default is a quantity."""
    return field(default_factory=lambda: value)


def check_time_constant(name: str, value: object) -> None:
    """Raise ParameterError unless this is a positive time, or a positive number of steps."""
    if not (is_number(value) or is_time(value)) or not np.asarray(value) > 0:
        raise ParameterError(f"{name} is {value!r}; it is a time such as 5*ms or a number of steps, above 0")


def check_finite(name: str, value: object) -> None:
    """Raise ParameterError unless this is a finite number."""
    if not is_number(value):
        raise ParameterError(f"{name} is {value!r}; it is a finite number")


def check_label(label: object) -> None:
    """Raise ParameterError unless a text can be part of the name of a variable."""
    if not isinstance(label, str) or not label.isidentifier() or label.startswith("_") or label.endswith("_"):
        raise ParameterError(f"label is {label!r}; it is part of the names of variables: letters, digits and _ between")
