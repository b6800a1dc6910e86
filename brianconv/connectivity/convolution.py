"""Two-dimensional convolution with zero padding, as torch's Conv2d."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from brianconv.connectivity.base import (
    Converter,
    Edges,
    Pair,
    Shape,
    TracedTensor,
    Walk,
    Weighted,
    as_pair,
    axis_fan_out,
    by_channel,
    check_bias,
    check_pair,
    check_weight,
    chosen,
    gathered,
    weight_array,
)
from brianconv.connectivity.fan_out import FanOut
from brianconv.errors import ParameterError, ShapeError


@dataclass(frozen=True, eq=False)
class Convolution(Weighted):
    """Two-dimensional convolution with zero padding, as torch's Conv2d.

    Attributes
    ----------
    weight : array, shape (channels_out, channels_in / groups, rows, columns)
    bias : array, shape (channels_out,)
    input_shape : (channels, rows, columns)
    stride, dilation : (rows, columns)
    padding : ((top, bottom), (left, right))
    groups : int

    Examples
    --------
    >>> weight = np.ones((2, 1, 3, 3))
    >>> convolution = Convolution(weight, np.zeros(2), (1, 8, 8), stride=(2, 2))
    >>> convolution.output_shape
    (2, 3, 3)
    """

    weight: np.ndarray
    bias: np.ndarray
    input_shape: Shape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        check_weight(self.weight, "channels_out, channels_in / groups, rows, columns")
        check_bias(self.bias, len(self.weight))
        check_pair("stride", self.stride, 1)
        check_pair("dilation", self.dilation, 1)
        if np.shape(self.padding) != (2, 2) or np.min(self.padding) < 0:
            raise ParameterError(f"padding is {self.padding!r}; it is ((top, bottom), (left, right)), 0 or more each")
        expected = self.weight.shape[1] * self.groups
        if len(self.input_shape) != 3 or self.input_shape[0] != expected:
            raise ShapeError(f"expects {expected} input channels as (channels, rows, columns), got {self.input_shape}")
        if min(self.output_shape) < 1:
            raise ShapeError(
                f"the kernel {self.weight.shape[2:]} is larger than its padded input {self.input_shape}: "
                "no output would be left"
            )

    @property
    def output_shape(self) -> Shape:
        return (self.weight.shape[0], *(self._output_length(axis) for axis in (0, 1)))

    def _output_length(self, axis: int) -> int:
        padded = self.input_shape[1 + axis] + sum(self.padding[axis])
        reach = self.dilation[axis] * (self.weight.shape[2 + axis] - 1) + 1
        return (padded - reach) // self.stride[axis] + 1

    @cached_property
    def taps(self) -> tuple[np.ndarray, np.ndarray]:
        """For rows and columns: (kernel offset, output position, input position) of every tap inside the input."""
        return self._axis_taps(0), self._axis_taps(1)

    def _axis_taps(self, axis: int) -> np.ndarray:
        kernel, output = np.mgrid[: self.weight.shape[2 + axis], : self._output_length(axis)]
        position = output * self.stride[axis] - self.padding[axis][0] + kernel * self.dilation[axis]
        inside = (position >= 0) & (position < self.input_shape[1 + axis])
        return np.stack([kernel[inside], output[inside], position[inside]])

    @property
    def kernel(self) -> np.ndarray:
        """The weights as (rows, channels_in, columns, channels_out / groups)."""
        n_out, n_in, rows, columns = self.weight.shape
        grouped = self.weight.reshape(self.groups, n_out // self.groups, n_in, rows, columns)
        return grouped.transpose(3, 0, 2, 4, 1).reshape(rows, self.groups * n_in, columns, n_out // self.groups)

    @property
    def n_edges(self) -> int:
        rows, columns = self.taps
        return rows.shape[1] * columns.shape[1] * self.weight.shape[0] * self.weight.shape[1]

    def apply(self, x: np.ndarray) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (0, 0), *self.padding))
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.weight.shape[2:], strict=True)]
        windows = sliding_window_view(padded, reach, axis=(2, 3))  # type: ignore[call-overload]
        windows = windows[:, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]]
        columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(len(x), self.groups, -1, math.prod(self.output_shape[1:]))
        totals = self.weight.reshape(self.groups, -1, columns.shape[2]) @ columns
        return totals.reshape(len(x), *self.output_shape) + self.bias[:, None, None]

    def edges(self) -> Edges:
        (ky, oy, iy), (kx, ox, ix) = (taps[:, :, None] for taps in self.taps)
        kx, ox, ix = kx.T, ox.T, ix.T
        n_out, n_in = self.weight.shape[:2]
        c_out, c_local = np.arange(n_out)[:, None], np.arange(n_in)
        c_in = c_local + c_out // (n_out // self.groups) * n_in
        flat_in = iy * self.input_shape[2] + ix
        flat_out = oy * self.output_shape[2] + ox
        i = flat_in[..., None, None] + c_in * np.prod(self.input_shape[1:])
        j = flat_out[..., None, None] + np.broadcast_to(c_out, c_in.shape) * np.prod(self.output_shape[1:])
        w = self.weight[c_out, c_local, ky[..., None, None], kx[..., None, None]]
        return i.ravel().astype(np.int32), j.ravel().astype(np.int32), w.ravel()

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Convolution:
        """Return the map between activations divided by their scales, each one number or one per channel."""
        post = by_channel(output_scale, self.output_shape)
        pre = by_channel(input_scale, self.input_shape).reshape(self.groups, -1)
        per_output = np.repeat(pre, self.weight.shape[0] // self.groups, axis=0)
        weight = self.weight * per_output[:, :, None, None] / post[:, None, None, None]
        return replace(self, weight=weight, bias=self.bias / post)

    def _times(self, gain: np.ndarray) -> Convolution:
        return replace(self, weight=self.weight * gain[:, None, None, None])

    def on_channels(self, channels: slice, input_shape: Shape) -> Convolution | None:
        """Return the map for some channels of its input, all others being zero; None if channels are in groups."""
        if self.groups != 1:
            return None
        return replace(self, weight=self.weight[:, channels], input_shape=input_shape)

    def from_channels(self, channels: np.ndarray, input_shape: Shape) -> Convolution | None:
        """Return the map for a larger input of which it takes chosen channels (-1: zero); None if there are groups."""
        if self.groups != 1:
            return None
        weight = gathered(self.weight, 1, channels, input_shape[0])
        return replace(self, weight=weight, input_shape=input_shape)

    def to_channels(self, channels: np.ndarray) -> Convolution | None:
        """Return the map to chosen channels of its output (-1: zero); None if there are groups."""
        if self.groups != 1:
            return None
        return replace(self, weight=chosen(self.weight, 0, channels), bias=chosen(self.bias, 0, channels))

    def fan_out(self) -> FanOut:
        """Return which neurons are joined, by channel, row and column."""
        return axis_fan_out(self, self.groups, self.taps)

    def torch_function(self) -> Any:
        """Return ``functional.conv2d`` with these settings."""
        from torch.nn import functional

        (top, bottom), (left, right) = self.padding
        stride, dilation, groups = self.stride, self.dilation, self.groups
        if top == bottom and left == right:
            return lambda x, w, b=None: functional.conv2d(x, w, b, stride, (top, left), dilation, groups)
        rim = (left, right, top, bottom)
        return lambda x, w, b=None: functional.conv2d(functional.pad(x, rim), w, b, stride, 0, dilation, groups)

    def n_multiplications(self, padding: bool) -> int:
        """Return the multiplications of the map, with or without those of padded zeros."""
        return math.prod(self.weight.shape[1:]) * math.prod(self.output_shape) if padding else self.n_edges


def convert_conv2d(
    walk: Walk,
    x: TracedTensor,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    path: str = "",
) -> Any:
    """Convert ``functional.conv2d``."""
    weight = weight_array(weight, path)
    dilation = as_pair(dilation)
    pads = _padding(padding, dilation, weight.shape[2:])
    bias = weight_array(bias, path, len(weight))
    return x.then(Convolution(weight, bias, x.shape, as_pair(stride), pads, dilation, groups), path)


def _padding(
    padding: Pair | str, dilation: tuple[int, int], kernel_size: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True))
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    rows, columns = as_pair(padding)  # type: ignore[arg-type]
    return (rows, rows), (columns, columns)


def _convert_module(walk: Walk, x: TracedTensor, m: Any, path: str) -> Any:
    padding = m.padding if m.padding_mode == "zeros" else 0
    settings = (m.weight, m.bias, m.stride, padding, m.dilation, m.groups)
    return convert_conv2d(walk, walk.rimmed(x, m), *settings, path=path)


MODULES: dict[str, Converter] = {"Conv2d": _convert_module}
FUNCTIONS: dict[str, Converter] = {"conv2d": convert_conv2d}
