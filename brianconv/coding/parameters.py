"""Values of the parameters of a coding scheme, for every population."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brian2 import Quantity

from brianconv.coding.scheme import CodingScheme, Parameter
from brianconv.coding.times import in_steps, is_quantity, is_time
from brianconv.errors import ParameterError


def resolve_parameters(
    scheme: CodingScheme,
    given: Mapping[str, object],
    populations: list[str],
    present: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the value of every parameter of a coding scheme for every population.

    Parameters
    ----------
    scheme : CodingScheme
    given : mapping
        For some parameters a number (a time in steps or as a quantity such as ``6*ms``), or where the parameter allows
        it a mapping of population to number or a sequence with one number per population, the input first.
    populations : list of str
        Names of all populations, the input first.
    present : mapping, optional
        Values so far, which stay where a mapping does not name a population; the defaults otherwise.

    Raises
    ------
    ParameterError
        For an unknown parameter or population, or a value outside its range.
    """
    parameters = scheme.all_parameters
    for name in given:
        if name not in parameters:
            raise ParameterError(f"coding {scheme.name!r} has no parameter {name!r}; it has {', '.join(parameters)}")
    values = {}
    for name, parameter in parameters.items():
        base = dict((present or {}).get(name) or dict.fromkeys(populations, parameter.default))
        values[name] = _by_population(parameter, name, given.get(name), base)
    return values


def _by_population(parameter: Parameter, name: str, value: object, values: dict[str, Any]) -> dict[str, Any]:
    populations = list(values)
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in values]
        if unknown:
            raise ParameterError(f"{name} is given for {unknown[0]!r}; the populations are {', '.join(populations)}")
        values |= value
    elif isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1:
        sequence: list[Any] = list(value)  # type: ignore[call-overload]
        if len(sequence) != len(populations):
            raise ParameterError(
                f"{name} has {len(sequence)} values for {len(populations)} populations ({', '.join(populations)})"
            )
        values = dict(zip(populations, sequence, strict=True))
    elif value is not None:
        values = dict.fromkeys(populations, value)
    if not parameter.per_layer and any(other != one for one in values.values() for other in values.values()):
        raise ParameterError(f"{name} must be one value for all layers")
    return {key: _checked(name, key, number, parameter) for key, number in values.items()}


def _checked(name: str, population: str, value: Any, parameter: Parameter) -> Any:
    if is_quantity(value):
        if not (parameter.is_time and is_time(value)):
            kind = "a time such as 6*ms or a number of steps" if parameter.is_time else "a number without a unit"
            raise ParameterError(f"{name} of {population!r} is {value}; it is {kind}")
        return value  # its range is checked when the length of a step is known
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} of {population!r} is {value!r}; a number is needed") from error
    low, high = parameter.low, parameter.high
    if not low <= number <= high:
        raise ParameterError(f"{name} of {population!r} is {number:g}; it must lie in [{low:g}, {high:g}]")
    if parameter.whole and number != int(number):
        raise ParameterError(f"{name} of {population!r} is {number:g}; it must be a whole number")
    return number


def parameters_in_steps(
    scheme: CodingScheme, values: Mapping[str, Mapping[str, Any]], dt: Quantity
) -> dict[str, dict[str, float]]:
    """Return the values of all parameters with times in steps of a length.

    Raises
    ------
    ParameterError
        If a time is outside the range of its parameter, or not a whole number of steps where it has to be one.
    """
    return {
        name: {
            population: _checked(name, population, _rounded(in_steps(value, dt, name)), parameter)
            for population, value in values[name].items()
        }
        for name, parameter in scheme.all_parameters.items()
    }


def _rounded(steps: float) -> float:
    """Return a number of steps without the rounding error of dividing times."""
    return round(steps) if abs(steps - round(steps)) < 1e-9 * max(1.0, abs(steps)) else steps
