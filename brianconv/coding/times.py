"""Times, which users give in steps or as Brian2 quantities such as ``20*ms``."""

from __future__ import annotations

import math
import numbers
from typing import Any

from brian2 import Quantity, get_dimensions, second
from brian2.units.fundamentalunits import DIMENSIONLESS

from brianconv.errors import ParameterError

Time = float | Quantity
PER_ROOT_TIME = get_dimensions(second**-0.5)
WHOLE = 1e-6


def is_time(value: object) -> bool:
    """Return whether a value is a Brian2 quantity that is one time."""
    return isinstance(value, Quantity) and not value.shape and value.dim == get_dimensions(second)


def is_quantity(value: object) -> bool:
    """Return whether a value has a unit."""
    return isinstance(value, Quantity) and value.dim is not DIMENSIONLESS


def in_steps(value: Any, dt: Quantity, what: str) -> float:
    """Return a time as a number of steps; a plain number is one already.

    Raises
    ------
    ParameterError
        If the value has another unit.
    """
    if is_time(value):
        return float(value / dt)
    if is_quantity(value):
        raise ParameterError(f"{what} is {value}; it is a time such as 2*ms, or a number of steps")
    return value if isinstance(value, int) else float(value)


def in_whole_steps(value: Any, dt: Quantity, what: str) -> int:
    """Return a time as a whole number of steps.

    Raises
    ------
    ParameterError
        If the value has another unit or is no whole number of steps.
    """
    steps = in_steps(value, dt, what)
    if not math.isfinite(steps) or abs(steps - round(steps)) > WHOLE:
        raise ParameterError(
            f"{what} is {value}, {steps:g} steps of {dt}; choose a whole number of steps, or another dt"
        )
    return round(steps)


def per_root_step(value: Any, dt: Quantity, what: str) -> float:
    """Return a standard deviation per square root of time as one per step; a plain number is one already.

    Raises
    ------
    ParameterError
        If the value has another unit.
    """
    if isinstance(value, Quantity) and not value.shape and value.dim == PER_ROOT_TIME:
        return float(value * dt**0.5)
    if is_quantity(value):
        raise ParameterError(f"{what} is {value}; it is a number per step, or a quantity such as 0.1*ms**-0.5")
    return float(value)


def is_number(value: object) -> bool:
    """Return whether a value is one finite number without a unit."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and not is_quantity(value) and math.isfinite(value)  # type: ignore[arg-type]
