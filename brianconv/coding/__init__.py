"""Neural codes. A new code is one file here and one line in SCHEMES."""

from collections.abc import Mapping
from typing import cast

from brianconv.coding import analog, burst, direct, hybrid, phase, poisson, rate, reverse, ttfs
from brianconv.coding.scheme import CodingScheme, Parameter
from brianconv.errors import ParameterError

SCHEMES: dict[str, CodingScheme] = {
    "rate": rate.SCHEME,
    "analog": analog.SCHEME,
    "poisson": poisson.SCHEME,
    "phase": phase.SCHEME,
    "burst": burst.SCHEME,
    "ttfs": ttfs.SCHEME,
    "reverse": reverse.SCHEME,
    "hybrid": hybrid.SCHEME,
    "direct": direct.SCHEME,
}


def find_scheme(coding: str | CodingScheme) -> CodingScheme:
    """Return a coding scheme by name, or the scheme itself; raise ParameterError if the name is unknown."""
    if isinstance(coding, CodingScheme):
        return coding
    if not isinstance(coding, str) or coding not in SCHEMES:
        raise ParameterError(f"coding {coding!r} is unknown; choose one of {', '.join(SCHEMES)}")
    return SCHEMES[coding]


def describe_code(scheme: CodingScheme) -> str:
    """Return the equations of a code, its parameters with ranges, and their sources, as text."""
    sections = [f"{scheme.name}: {scheme.source}"]
    for title, model in (
        (f"input neurons ({scheme.encoding.name})", scheme.encoding.neuron),
        ("hidden neurons", scheme.neuron),
    ):
        on_image = "\n".join([model.on_image, scheme.encoding.on_image if model is scheme.encoding.neuron else ""])
        sections.append(f"{title}: {model.source}")
        for part, code in (
            ("first step of an image", on_image),
            ("integrate", model.equations),
            ("threshold", model.threshold),
            ("spikes do", model.effect),
            ("reset", model.reset),
        ):
            sections += section(part, code)
    readout = scheme.readout
    sections.append(f"readout: {readout.name}; {readout.source}")
    sections += [f"      {line.strip()}" for line in readout.evaluate.splitlines() if line.strip()]
    if scheme.other_encodings:
        others = ", ".join(encoding.name for encoding in scheme.other_encodings)
        sections.append(f"other input encodings: {others}")
    sections.append("parameters")
    for name, parameter in scheme.all_parameters.items():
        bounds = f"{parameter.default:g} in [{parameter.low:g}, {parameter.high:g}]"
        by_layer = ", one a layer if wanted" if parameter.per_layer else ""
        source = f" ({parameter.source})" if parameter.source else ""
        sections.append(f"      {name} = {bounds}{by_layer}: {parameter.meaning}{source}")
    return "\n".join(sections)


def section(title: str, code: str) -> list[str]:
    """Return a title and the lines of code under it, indented; nothing if there is no code."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return [f"  {title}", *(f"      {line}" for line in lines)] if lines else []


def resolve_parameters(
    scheme: CodingScheme,
    given: Mapping[str, object],
    populations: list[str],
    present: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, dict[str, float]]:
    """Return the value of every parameter of a code for every population.

    Parameters
    ----------
    scheme : CodingScheme
    given : mapping
        For some parameters a number, or where the parameter allows it a mapping of population to number or a
        sequence with one number a population, the input first.
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


def _by_population(parameter: Parameter, name: str, value: object, values: dict[str, float]) -> dict[str, float]:
    populations = list(values)
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in values]
        if unknown:
            raise ParameterError(f"{name} is given for {unknown[0]!r}; the populations are {', '.join(populations)}")
        values |= value
    elif isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1:
        sequence = list(value)  # type: ignore[call-overload]
        if len(sequence) != len(populations):
            raise ParameterError(
                f"{name} has {len(sequence)} values for {len(populations)} populations ({', '.join(populations)})"
            )
        values = dict(zip(populations, sequence, strict=True))
    elif value is not None:
        values = dict.fromkeys(populations, cast(float, value))  # checked below
    if not parameter.per_layer and len(set(values.values())) > 1:
        raise ParameterError(f"{name} is one value for all layers")
    return {key: _checked(name, key, number, parameter) for key, number in values.items()}


def _checked(name: str, population: str, value: object, parameter: Parameter) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} of {population!r} is {value!r}; a number is needed") from error
    low, high = parameter.low, parameter.high
    if not low <= number <= high:
        raise ParameterError(f"{name} of {population!r} is {number:g}; it must lie in [{low:g}, {high:g}]")
    if parameter.whole and number != int(number):
        raise ParameterError(f"{name} of {population!r} is {number:g}; it is a whole number")
    return number
