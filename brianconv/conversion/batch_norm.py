"""Batch normalisation: a gain and a shift for each channel, which are folded into the weights and biases beside them.

The folding itself, which serves every gain and shift, is in `brianconv.connectivity.folding`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from brianconv.connectivity.base import Converter, Walk, weight_array
from brianconv.conversion.traced_tensor import Traced
from brianconv.errors import ShapeError, UnsupportedLayerError


def _batch_norm(
    walk: Walk,
    x: Traced,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    path: str = "",
) -> Traced:
    if running_mean is None or running_var is None or training:
        raise UnsupportedLayerError(
            "uses the statistics of the batch (track_running_stats=False or training=True), so that its output would "
            "depend on the other images; train it with running statistics"
        )
    gain = 1.0 / np.sqrt(weight_array(running_var, path) + eps)
    if gain.shape != x.shape[:1]:
        raise ShapeError(f"normalises {len(gain)} channels, got an input of shape {x.shape}")
    gain = gain if weight is None else gain * weight_array(weight, path)
    shift = weight_array(bias, path, len(gain)) - weight_array(running_mean, path) * gain
    column = (-1, *([1] * (len(x.shape) - 1)))
    return x.changed(gain.reshape(column), shift.reshape(column), path)


def _batch_norm_module(walk: Walk, x: Traced, m: nn.BatchNorm1d | nn.BatchNorm2d, path: str) -> Traced:
    return _batch_norm(walk, x, m.running_mean, m.running_var, m.weight, m.bias, eps=m.eps, path=path)


MODULES: dict[str, Converter] = {"BatchNorm1d": _batch_norm_module, "BatchNorm2d": _batch_norm_module}
FUNCTIONS: dict[str, Converter] = {"batch_norm": _batch_norm}
