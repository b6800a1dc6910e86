"""Times, which users give in steps or as Brian2 quantities such as ``20*ms``."""

from __future__ import annotations

import math
import numbers
import sys
from typing import TYPE_CHECKING, Any

from brianconv.errors import ParameterError

if TYPE_CHECKING:
    from brian2 import Quantity

    Time = float | Quantity
else:
    Time = Any
WHOLE = 1e-6


def has_dimensions(value: Any, **exponents: float) -> bool:
    """Return whether a value is one Brian2 quantity with these exponents of seconds.

    Brian2 is not imported for that: without it, there are no quantities.
    """
    units = sys.modules.get("brian2.units.fundamentalunits")
    if units is None or not isinstance(value, units.Quantity) or value.shape:
        return False
    return value.dim == units.get_or_create_dimension(**exponents)


def is_time(value: object) -> bool:
    """Return whether a value is a Brian2 quantity that is one time."""
    return has_dimensions(value, time=1)


def is_per_root_time(value: object) -> bool:
    """Return whether a value is one Brian2 quantity per square root of time."""
    return has_dimensions(value, time=-0.5)


def is_quantity(value: object) -> bool:
    """Return whether a value has a unit."""
    units = sys.modules.get("brian2.units.fundamentalunits")
    return units is not None and isinstance(value, units.Quantity) and value.dim is not units.DIMENSIONLESS


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
        If the value has another unit or is not a whole number of steps.
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
    if is_per_root_time(value):
        return float(value * dt**0.5)
    if is_quantity(value):
        raise ParameterError(f"{what} is {value}; it must be a number per step, or a quantity such as 0.1*ms**-0.5")
    return float(value)


def is_number(value: object) -> bool:
    """Return whether a value is one finite number without a unit."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and not is_quantity(value) and math.isfinite(value)  # type: ignore[arg-type]
