"""Two-dimensional transposed convolution, as torch's ConvTranspose2d."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

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
from brianconv.errors import ShapeError


@dataclass(frozen=True, eq=False)
class TransposedConvolution(Weighted):
    """Two-dimensional transposed convolution, as torch's ConvTranspose2d.

    Attributes
    ----------
    weight : array, shape (channels_in, channels_out / groups, rows, columns)
    bias : array, shape (channels_out,)
    input_shape : (channels, rows, columns)
    stride, padding, output_padding, dilation : (rows, columns)
    groups : int

    Examples
    --------
    >>> up = TransposedConvolution(np.ones((2, 3, 2, 2)), np.zeros(3), (2, 4, 4), stride=(2, 2))
    >>> up.output_shape
    (3, 8, 8)
    """

    weight: np.ndarray
    bias: np.ndarray
    input_shape: Shape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    output_padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        check_weight(self.weight, "channels_in, channels_out / groups, rows, columns")
        check_bias(self.bias, self.weight.shape[1] * self.groups)
        for name in ("stride", "dilation"):
            check_pair(name, getattr(self, name), 1)
        for name in ("padding", "output_padding"):
            check_pair(name, getattr(self, name), 0)
        expected = self.weight.shape[0]
        if len(self.input_shape) != 3 or self.input_shape[0] != expected:
            raise ShapeError(f"expects {expected} input channels as (channels, rows, columns), got {self.input_shape}")
        if min(self.output_shape) < 1:
            raise ShapeError(f"the padding {self.padding} leaves nothing of the output: {self.output_shape}")

    @property
    def output_shape(self) -> Shape:
        return (self.weight.shape[1] * self.groups, *(self._output_length(axis) for axis in (0, 1)))

    def _output_length(self, axis: int) -> int:
        reach = self.dilation[axis] * (self.weight.shape[2 + axis] - 1) + 1
        longest = (self.input_shape[1 + axis] - 1) * self.stride[axis] + reach
        return longest - 2 * self.padding[axis] + self.output_padding[axis]

    @cached_property
    def taps(self) -> tuple[np.ndarray, np.ndarray]:
        """For rows and columns: (kernel offset, output position, input position) of every tap inside the output."""
        return self._axis_taps(0), self._axis_taps(1)

    def _axis_taps(self, axis: int) -> np.ndarray:
        kernel, position = np.mgrid[: self.weight.shape[2 + axis], : self.input_shape[1 + axis]]
        output = position * self.stride[axis] - self.padding[axis] + kernel * self.dilation[axis]
        inside = (output >= 0) & (output < self._output_length(axis))
        return np.stack([kernel[inside], output[inside], position[inside]])

    @property
    def kernel(self) -> np.ndarray:
        """The weights as (rows, channels_in, columns, channels_out / groups)."""
        return np.moveaxis(self.weight, (0, 1), (1, 3))

    @property
    def n_edges(self) -> int:
        rows, columns = self.taps
        return rows.shape[1] * columns.shape[1] * self.weight.shape[0] * self.weight.shape[1]

    def apply(self, x: np.ndarray) -> np.ndarray:
        y = np.zeros((len(x), *self.output_shape), dtype=np.result_type(x, self.weight))
        inputs = np.split(x, self.groups, axis=1)
        weights = np.split(self.weight, self.groups, axis=0)
        for ky in range(self.weight.shape[2]):
            _, oy, iy = self.taps[0][:, self.taps[0][0] == ky]
            for kx in range(self.weight.shape[3]):
                _, ox, ix = self.taps[1][:, self.taps[1][0] == kx]
                parts = [
                    np.einsum("nihw,io->nohw", a[:, :, iy][:, :, :, ix], w[:, :, ky, kx])
                    for a, w in zip(inputs, weights, strict=True)
                ]
                y[:, :, oy[:, None], ox] += np.concatenate(parts, axis=1)
        return y + self.bias[:, None, None]

    def edges(self) -> Edges:
        (ky, oy, iy), (kx, ox, ix) = (taps[:, :, None] for taps in self.taps)
        kx, ox, ix = kx.T, ox.T, ix.T
        n_in, n_out = self.weight.shape[:2]
        c_in, c_local = np.arange(n_in)[:, None], np.arange(n_out)
        c_out = c_local + c_in // (n_in // self.groups) * n_out
        flat_in = iy * self.input_shape[2] + ix
        flat_out = oy * self.output_shape[2] + ox
        i = flat_in[..., None, None] + np.broadcast_to(c_in, c_out.shape) * np.prod(self.input_shape[1:])
        j = flat_out[..., None, None] + c_out * np.prod(self.output_shape[1:])
        w = self.weight[c_in, c_local, ky[..., None, None], kx[..., None, None]]
        return i.ravel().astype(np.int32), j.ravel().astype(np.int32), w.ravel()

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> TransposedConvolution:
        """Return the map between activations divided by their scales, each one number or one per channel."""
        pre = by_channel(input_scale, self.input_shape)
        post = by_channel(output_scale, self.output_shape)
        per_input = np.repeat(post.reshape(self.groups, -1), self.weight.shape[0] // self.groups, axis=0)
        weight = self.weight * pre[:, None, None, None] / per_input[:, :, None, None]
        return replace(self, weight=weight, bias=self.bias / post)

    def _times(self, gain: np.ndarray) -> TransposedConvolution:
        n_in, n_out = self.weight.shape[:2]
        by_input = np.repeat(gain.reshape(self.groups, n_out), n_in // self.groups, axis=0)
        return replace(self, weight=self.weight * by_input[:, :, None, None])

    def on_channels(self, channels: slice, input_shape: Shape) -> TransposedConvolution | None:
        """Return the map for some channels of its input, all others being zero; None if channels are in groups."""
        if self.groups != 1:
            return None
        return replace(self, weight=self.weight[channels], input_shape=input_shape)

    def from_channels(self, channels: np.ndarray, input_shape: Shape) -> TransposedConvolution | None:
        """Return the map for a larger input of which it takes chosen channels (-1: zero); None if there are groups."""
        if self.groups != 1:
            return None
        weight = gathered(self.weight, 0, channels, input_shape[0])
        return replace(self, weight=weight, input_shape=input_shape)

    def to_channels(self, channels: np.ndarray) -> TransposedConvolution | None:
        """Return the map to chosen channels of its output (-1: zero); None if there are groups."""
        if self.groups != 1:
            return None
        return replace(self, weight=chosen(self.weight, 1, channels), bias=chosen(self.bias, 0, channels))

    def fan_out(self) -> FanOut:
        """Return which neurons are joined, by channel, row and column."""
        return axis_fan_out(self, self.groups, self.taps)

    def torch_function(self) -> Any:
        """Return ``functional.conv_transpose2d`` with these settings."""
        from torch.nn import functional

        settings = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return lambda x, w, b=None: functional.conv_transpose2d(x, w, b, *settings)

    def n_multiplications(self, padding: bool) -> int:
        """Return the multiplications of the map, with or without those whose result lies outside of the output."""
        return math.prod(self.weight.shape[1:]) * math.prod(self.input_shape) if padding else self.n_edges


def convert_conv_transpose2d(
    walk: Walk,
    x: TracedTensor,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
    *,
    path: str = "",
) -> Any:
    """Convert ``functional.conv_transpose2d``."""
    weight = weight_array(weight, path)
    bias = weight_array(bias, path, weight.shape[1] * groups)
    settings = (as_pair(stride), as_pair(padding), as_pair(output_padding), as_pair(dilation))
    return x.then(TransposedConvolution(weight, bias, x.shape, *settings, groups), path)


def _convert_module(walk: Walk, x: TracedTensor, m: Any, path: str) -> Any:
    settings = (m.stride, m.padding, m.output_padding, m.groups, m.dilation)
    return convert_conv_transpose2d(walk, x, m.weight, m.bias, *settings, path=path)


MODULES: dict[str, Converter] = {"ConvTranspose2d": _convert_module}
FUNCTIONS: dict[str, Converter] = {"conv_transpose2d": convert_conv_transpose2d}
