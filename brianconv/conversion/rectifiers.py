"""What a spiking neuron can do to its input: rectify it or, with several populations, apply any piecewise linear map.

A clipped ReLU is one population where spikes saturate at the scale of a layer, and the difference of two elsewhere. A
leaky ReLU is the difference of a population for what is above 0 and one for what is below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brianconv.connectivity.base import Converter, Walk, weight_array
from brianconv.conversion.traced_tensor import Traced
from brianconv.errors import UnsupportedLayerError

ONE = np.ones(())


@dataclass(frozen=True, eq=False)
class Positive:
    """Where a tensor is above 0, as in ``x * (x > 0)``."""

    x: Traced


def relu(walk: Walk, x: Traced, inplace: bool = False, *, path: str = "") -> Traced:
    """Convert ``functional.relu``."""
    return walk.rectified(x, path)


def clipped(walk: Walk, x: Traced, low: float | None, high: float | None, path: str) -> Traced:
    """Return a tensor between two limits, of which one may be missing."""
    if low is None and high is None:
        return x
    if low is None:  # min(x, high) = high - relu(high - x)
        assert high is not None
        below = walk.rectified(x.changed(-ONE, np.asarray(high), path), path)
        return below.changed(-ONE, np.asarray(high), path)
    if high is not None and not low < high:
        raise UnsupportedLayerError(f"clips to [{low}, {high}], which leaves nothing")
    raised = x if low == 0 else x.changed(ONE, np.asarray(-low), path)
    ceiling = None if high is None or math.isinf(high) else float(high - low)
    if ceiling is None or walk.saturates:
        kept = walk.rectified(raised, path, ceiling)
    else:
        above = walk.rectified(raised.changed(ONE, np.asarray(-ceiling), path), path)
        kept = walk.rectified(raised, path).plus(above.changed(-ONE, None, path))
    return kept if low == 0 else kept.changed(ONE, np.asarray(low), path)


def leaky(walk: Walk, x: Traced, slope: np.ndarray, path: str) -> Traced:
    """Return max(x, 0) + slope min(x, 0), with one slope, or one per channel."""
    above = walk.rectified(x, path)
    if above is x:  # what is never negative stays what it is
        return x
    return above.plus(walk.rectified(x.changed(-ONE, None, path), path).changed(-slope, None, path))


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) or (isinstance(value, torch.Tensor) and value.numel() == 1):
        return float(value)
    raise UnsupportedLayerError(f"clips to a {what} of {type(value).__name__}; it must be one number")


def _clamp(walk: Walk, x: Traced, min: Any = None, max: Any = None, *, path: str = "") -> Traced:
    return clipped(walk, x, _number(min, "min"), _number(max, "max"), path)


def _hardtanh(
    walk: Walk, x: Traced, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, *, path: str = ""
) -> Traced:
    return clipped(walk, x, float(min_val), float(max_val), path)


def _relu6(walk: Walk, x: Traced, inplace: bool = False, *, path: str = "") -> Traced:
    return clipped(walk, x, 0.0, 6.0, path)


def _hardsigmoid(walk: Walk, x: Traced, inplace: bool = False, *, path: str = "") -> Traced:
    return clipped(walk, x.changed(ONE / 6, np.asarray(0.5), path), 0.0, 1.0, path)


def _threshold(
    walk: Walk, x: Traced, threshold: float, value: float, inplace: bool = False, *, path: str = ""
) -> Traced:
    if threshold != value:
        raise UnsupportedLayerError(
            f"jumps from {value} to {threshold}, which no sum of rectified inputs can do; supported: Threshold(t, t)"
        )
    return clipped(walk, x, float(threshold), None, path)


def _leaky_relu(
    walk: Walk, x: Traced, negative_slope: float = 0.01, inplace: bool = False, *, path: str = ""
) -> Traced:
    return leaky(walk, x, np.asarray(float(negative_slope)), path)


def _prelu(walk: Walk, x: Traced, weight: Any, *, path: str = "") -> Traced:
    slope = weight_array(weight, path)
    return leaky(walk, x, slope.reshape(()) if slope.size == 1 else slope.reshape(-1, *[1] * (len(x.shape) - 1)), path)


def _absolute(walk: Walk, x: Traced, *, path: str = "") -> Traced:
    return leaky(walk, x, -ONE, path)


def _maximum(walk: Walk, a: Any, other: Any = None, *arguments: Any, path: str = "", **keywords: Any) -> Traced:
    return _with_constant(walk, a, other, arguments or keywords, path, largest=True)


def _minimum(walk: Walk, a: Any, other: Any = None, *arguments: Any, path: str = "", **keywords: Any) -> Traced:
    return _with_constant(walk, a, other, arguments or keywords, path, largest=False)


def _with_constant(walk: Walk, a: Any, b: Any, more: Any, path: str, largest: bool) -> Traced:
    """Return the larger, or the smaller, of an activation and a constant, or of two activations."""
    x, other = (a, b) if isinstance(a, Traced) else (b, a)
    if more or not isinstance(x, Traced) or isinstance(other, (int, type(None))):
        raise UnsupportedLayerError("is taken over an axis; use maximum pooling, or maximum(x, other) of two tensors")
    if isinstance(other, Traced):  # max(a, b) = a + relu(b - a), min(a, b) = a - relu(a - b)
        difference = other.plus(x.changed(-ONE, None, path)) if largest else x.plus(other.changed(-ONE, None, path))
        rest = walk.rectified(difference, path)
        return x.plus(rest if largest else rest.changed(-ONE, None, path))
    values = np.unique(np.asarray(torch.as_tensor(other).detach().cpu(), dtype=float))
    if values.size != 1:
        raise UnsupportedLayerError(f"compares an activation with {values.size} different constants; one is supported")
    limit = float(values[0])
    return clipped(walk, x, limit if largest else None, None if largest else limit, path)


def _above(walk: Walk, x: Any, other: Any, *, path: str = "") -> Positive:
    if not isinstance(x, Traced) or isinstance(other, Traced) or np.any(np.asarray(torch.as_tensor(other)) != 0):
        raise UnsupportedLayerError("compares with something other than 0; only x > 0 and x >= 0 are supported")
    return Positive(x)


def _where(walk: Walk, condition: Any, x: Any, other: Any, *, path: str = "") -> Traced:
    zero = not isinstance(other, Traced) and not np.any(np.asarray(torch.as_tensor(other)))
    if not isinstance(condition, Positive) or condition.x is not x or not zero:
        raise UnsupportedLayerError("chooses by a condition; only where(x > 0, x, 0) is supported")
    return walk.rectified(x, path)


def _zeros_like(walk: Walk, x: Traced, *, path: str = "", **keywords: Any) -> torch.Tensor:
    return torch.zeros(())


def masked(walk: Walk, a: Any, b: Any, path: str) -> Traced | None:
    """Return ``x * (x > 0)`` as a ReLU; None if it is another product."""
    for x, mask in ((a, b), (b, a)):
        if isinstance(mask, Positive):
            if mask.x is x:
                return walk.rectified(x, path)
            raise UnsupportedLayerError(
                "multiplies with a mask of other activations, which has no spiking equivalent; only x * (x > 0) does"
            )
    return None


MODULES: dict[str, Converter] = {
    "ReLU": lambda walk, x, m, path: relu(walk, x, path=path),
    "ReLU6": lambda walk, x, m, path: _relu6(walk, x, path=path),
    "Hardtanh": lambda walk, x, m, path: _hardtanh(walk, x, m.min_val, m.max_val, path=path),
    "Hardsigmoid": lambda walk, x, m, path: _hardsigmoid(walk, x, path=path),
    "Threshold": lambda walk, x, m, path: _threshold(walk, x, m.threshold, m.value, path=path),
    "LeakyReLU": lambda walk, x, m, path: _leaky_relu(walk, x, m.negative_slope, path=path),
    "PReLU": lambda walk, x, m, path: _prelu(walk, x, m.weight, path=path),
}
FUNCTIONS: dict[str, Converter] = {
    "relu": relu,
    "relu_": relu,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "hardsigmoid": _hardsigmoid,
    "threshold": _threshold,
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "clamp": _clamp,
    "clamp_": _clamp,
    "clip": _clamp,
    "clamp_min": lambda walk, x, min, path="": _clamp(walk, x, min, path=path),
    "clamp_max": lambda walk, x, max, path="": _clamp(walk, x, None, max, path=path),
    "abs": _absolute,
    "maximum": _maximum,
    "max": _maximum,
    "minimum": _minimum,
    "min": _minimum,
    "gt": _above,
    "ge": _above,
    "where": _where,
    "zeros_like": _zeros_like,
}
# functions whose first argument need not be an activation
COMBINING = {"maximum", "minimum", "max", "min", "where"}
IN_PLACE = {"clamp_"}
