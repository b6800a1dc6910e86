"""Neural coding schemes. A new one is one file here and one line in CODINGS.

Other packages add theirs under the entry point ``brianconv.codes``.

Examples
--------
>>> sorted(CODINGS)
['analog', 'burst', 'direct', 'hybrid', 'phase', 'poisson', 'rate', 'reverse', 'ttfs']
>>> CODINGS["ttfs"].source
'Park et al. (2020), arXiv:2003.11741'
>>> CODINGS["phase"].neuron.threshold
'v >= omega * (1 - tolerance)'
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from brianconv.coding import analog, burst, direct, hybrid, phase, poisson, rate, reverse, ttfs
from brianconv.coding.scheme import Coding, CodingScheme
from brianconv.errors import ParameterError

ENTRY_POINT = "brianconv.codes"
CODINGS: dict[str, CodingScheme] = {
    "rate": rate.CODING,
    "analog": analog.CODING,
    "poisson": poisson.CODING,
    "phase": phase.CODING,
    "burst": burst.CODING,
    "ttfs": ttfs.CODING,
    "reverse": reverse.CODING,
    "hybrid": hybrid.CODING,
    "direct": direct.CODING,
}


def coding_names() -> list[str]:
    """Return the names of all coding schemes, those of other installed packages included."""
    return list(dict.fromkeys([*CODINGS, *(point.name for point in entry_points(group=ENTRY_POINT))]))


def find_coding(coding: str | CodingScheme) -> CodingScheme:
    """Return a coding scheme by name, or the scheme itself.

    Raises
    ------
    ParameterError
        If the name is unknown, or another package registers something other than a coding scheme under it.
    """
    if isinstance(coding, CodingScheme):
        return coding
    if isinstance(coding, str) and coding in CODINGS:
        return CODINGS[coding]
    for point in entry_points(group=ENTRY_POINT):
        if point.name == coding:
            scheme = point.load()
            if not isinstance(scheme, CodingScheme):
                raise ParameterError(f"entry point {ENTRY_POINT}: {point.value} is no CodingScheme, but {scheme!r}")
            return scheme
    raise ParameterError(f"coding {coding!r} is unknown; choose one of {', '.join(coding_names())}")


def coding_and_options(
    coding: str | CodingScheme | Coding, options: Mapping[str, Any]
) -> tuple[CodingScheme, dict[str, Any]]:
    """Return a coding scheme with the encoding and readout that are asked for, and the values of its parameters.

    Parameters
    ----------
    coding : str, CodingScheme or Coding
    options : mapping
        Parameters, encoding and readout of a scheme that is given by name; empty for a Coding.

    Raises
    ------
    ParameterError
        If the scheme, its encoding or readout is unknown, or options are given twice.
    """
    if isinstance(coding, Coding):
        if options:
            raise ParameterError(f"{', '.join(options)}: give it to {type(coding).__name__}(...) itself")
        scheme, options = coding.scheme, coding.options
    else:
        scheme = find_coding(coding)
    options = dict(options)
    encoding, readout = options.pop("encoding", None), options.pop("readout", None)
    scheme = scheme if encoding is None else scheme.with_encoding(encoding)
    scheme = scheme if readout is None else scheme.with_readout(readout)
    return scheme, options
