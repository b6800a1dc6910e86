"""Two-dimensional maximum pooling, as torch's MaxPool2d; of spikes, it passes those of the leading input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from brianconv.connectivity.base import (
    Connectivity,
    Converter,
    Edges,
    Pair,
    Shape,
    TracedTensor,
    Walk,
    as_pair,
    check_image,
    check_pair,
)
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.fan_out import FanOut
from brianconv.errors import ShapeError, UnsupportedLayerError


@dataclass(frozen=True)
class MaxPooling(Connectivity):
    """Two-dimensional maximum pooling, as torch's MaxPool2d; of spikes, it passes those of the leading input.

    Attributes
    ----------
    input_shape : (channels, rows, columns)
    kernel_size, stride, padding : (rows, columns)

    Examples
    --------
    >>> pooling = MaxPooling((1, 4, 4), kernel_size=(2, 2), stride=(2, 2))
    >>> pooling.output_shape, pooling.gates
    ((1, 2, 2), True)
    """

    gates = True

    input_shape: Shape
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        check_pair("kernel_size", self.kernel_size, 1)
        check_pair("stride", self.stride, 1)
        check_pair("padding", self.padding, 0)
        check_image(self.input_shape)
        if min(self.output_shape) < 1:
            raise ShapeError(f"the window {self.kernel_size} is larger than its padded input {self.input_shape}")

    @cached_property
    def window(self) -> Convolution:
        """A convolution of each channel that has an edge from every input of a window to its output."""
        padding = ((self.padding[0],) * 2, (self.padding[1],) * 2)
        channels = self.input_shape[0]
        ones = np.ones((channels, 1, *self.kernel_size))
        return Convolution(ones, np.zeros(channels), self.input_shape, self.stride, padding, groups=channels)

    @property
    def output_shape(self) -> Shape:
        return self.window.output_shape

    @property
    def n_edges(self) -> int:
        return self.window.n_edges

    def apply(self, x: np.ndarray) -> np.ndarray:
        low = np.finfo(x.dtype).min if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min
        pads = ((0, 0), (0, 0), *((p, p) for p in self.padding))
        padded = np.pad(x, pads, constant_values=low)
        windows = sliding_window_view(padded, self.kernel_size, axis=(2, 3))  # type: ignore[call-overload]
        return windows[:, :, :: self.stride[0], :: self.stride[1]].max(axis=(4, 5))

    def edges(self) -> Edges:
        """Return the edges from each input to the windows in which it lies."""
        return self.window.edges()

    def fan_out(self) -> FanOut:
        """Return which inputs lie in which window."""
        return self.window.fan_out()

    def torch_function(self) -> Any:
        """Return ``functional.max_pool2d`` with these settings."""
        from torch.nn import functional

        kernel_size, stride, rim = self.kernel_size, self.stride, self.padding
        return lambda x, w=None, b=None: functional.max_pool2d(x, kernel_size, stride, rim)


def convert_max_pool2d(
    walk: Walk,
    x: TracedTensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    path: str = "",
) -> Any:
    """Convert ``functional.max_pool2d``, which becomes a layer of its own."""
    if ceil_mode or return_indices or as_pair(dilation) != (1, 1):
        raise UnsupportedLayerError(
            "with ceil_mode, return_indices or dilation has no spiking equivalent here; use the defaults"
        )
    kernel = as_pair(kernel_size)
    steps = as_pair(stride) if stride else kernel
    return walk.pooled(x, lambda shape: MaxPooling(shape, kernel, steps, as_pair(padding)), path)


def _convert_module(walk: Walk, x: TracedTensor, m: Any, path: str) -> Any:
    rest = (m.dilation, m.ceil_mode, m.return_indices)
    return convert_max_pool2d(walk, x, m.kernel_size, m.stride, m.padding, *rest, path=path)


MODULES: dict[str, Converter] = {"MaxPool2d": _convert_module}
FUNCTIONS: dict[str, Converter] = {"max_pool2d": convert_max_pool2d}
