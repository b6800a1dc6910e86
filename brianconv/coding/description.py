"""Coding schemes and populations as text: what happens within a step, in the order in which it happens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brianconv.coding.millivolts import Millivolts
from brianconv.coding.scheme import CodingScheme, NeuronModel
from brianconv.coding.statements import NEVER


@dataclass(frozen=True)
class Outgoing:
    """A connection from a population, as text.

    Attributes
    ----------
    target : str
    n_synapses : int
    delay : str
    on_pre : str
    gates : bool
        Whether it is maximum pooling.
    """

    target: str
    n_synapses: int
    delay: str
    on_pre: str
    gates: bool


def describe_population(
    name: str,
    shape: Sequence[int],
    model: NeuronModel,
    *,
    on_image: str,
    kept: Sequence[str],
    skip: str,
    delay_line: str,
    outgoing: Sequence[Outgoing],
    evaluate: str,
    values: Mapping[str, Any],
) -> str:
    """Return what the neurons of a population do within a step, as text.

    Parameters
    ----------
    name : str
    shape : sequence of int
    model : NeuronModel
        Complete.
    on_image, skip, delay_line, evaluate : str
        Statements, empty if there are none.
    kept : sequence of str
        Variables that are carried over from image to image.
    outgoing : sequence of Outgoing
    values : mapping
        Values of parameters.
    """
    lines = [
        f"{name}: {' x '.join(map(str, shape))} = {math.prod(shape)} neurons ({model.name})",
        *section("first step of an image", on_image),
        *section("kept from image to image", "\n".join(kept)),
        *section(f"integrate ({model.method})", model.equations),
        *section("keep at the initial potential until the readout begins", skip),
        *section("threshold", model.threshold if model.threshold != NEVER else "none: it does not fire"),
        *section("refractory", model.refractory or ""),
        *section("store what spikes carry while they are in transit", delay_line),
    ]
    for connection in outgoing:
        title = f"spikes to {connection.target}, {connection.n_synapses:,} synapses, delay {connection.delay}"
        lines += section(title, "gate: " * connection.gates + connection.on_pre)
    lines += [*section("reset", model.reset), *section("evaluate", evaluate)]
    if values:
        lines.append("  with " + ", ".join(f"{key} = {shown_value(key, value)}" for key, value in values.items()))
    return "\n".join(lines)


def shown_value(key: str, value: Any) -> str:
    """Return the value of a parameter as text."""
    if key in Millivolts().shared_values:
        return f"{1000 * value:g} mV"
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_code(scheme: CodingScheme) -> str:
    """Return the equations of a coding scheme, its parameters with ranges, and their sources, as text."""
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
            ("effect of a spike", model.effect),
            ("reset", model.reset),
        ):
            sections += section(part, code)
    readout = scheme.readout
    sections.append(f"readout: {readout.name}; {readout.source}")
    sections += [f"      {line.strip()}" for line in readout.evaluate.splitlines() if line.strip()]
    if scheme.other_encodings:
        others = ", ".join(encoding.name for encoding in scheme.other_encodings)
        sections.append(f"other input encodings: {others}")
    return "\n".join([*sections, "parameters", *_parameters(scheme)])


def describe_parameters(scheme: CodingScheme) -> str:
    """Return the parameters of a coding scheme with defaults, ranges and meanings, and its other options."""
    lines = [f"parameters of coding scheme {scheme.name} (--set NAME=VALUE; {scheme.source})", *_parameters(scheme)]
    for title, own, others in (
        ("--encoding", scheme.encoding, scheme.other_encodings),
        ("--readout", scheme.readout, scheme.other_readouts),
    ):
        lines.append(f"      {title} {', '.join(choice.name for choice in (own, *others))}")
    return "\n".join([*lines, f"      --normalization {scheme.normalization} by default"])


def _parameters(scheme: CodingScheme) -> list[str]:
    lines = []
    for name, parameter in scheme.all_parameters.items():
        bounds = f"{parameter.default:g} in [{parameter.low:g}, {parameter.high:g}]"
        by_layer = ", optionally one per layer" if parameter.per_layer else ""
        source = f" ({parameter.source})" if parameter.source else ""
        lines.append(f"      {name} = {bounds}{by_layer}: {parameter.meaning}{source}")
    return lines


def section(title: str, code: str) -> list[str]:
    """Return a title and the lines of code under it, indented; nothing if there is no code."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return [f"  {title}", *(f"      {line}" for line in lines)] if lines else []
