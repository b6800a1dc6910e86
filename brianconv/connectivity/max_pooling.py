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
    adaptive_sizes,
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
    input_shape : (channels, rows, columns), or (channels, length) of a signal, which is pooled as an image of one row
    kernel_size, stride, padding : (rows, columns)
    ceil_mode : bool
        Whether incomplete windows at the lower and right edges count.

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
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        check_pair("kernel_size", self.kernel_size, 1)
        check_pair("stride", self.stride, 1)
        check_pair("padding", self.padding, 0)
        check_image(self.image_shape)
        if min(self.output_shape) < 1:
            raise ShapeError(f"the window {self.kernel_size} is larger than its padded input {self.input_shape}")

    @cached_property
    def window(self) -> Convolution:
        """A convolution of each channel that has an edge from every input of a window to its output."""
        channels = self.input_shape[0]
        ones = np.ones((channels, 1, *self.kernel_size))
        return Convolution(ones, np.zeros(channels), self.image_shape, self.stride, self.rim, groups=channels)

    @property
    def image_shape(self) -> Shape:
        """Shape of the input as an image."""
        return (self.input_shape[0], 1, *self.input_shape[1:]) if len(self.input_shape) == 2 else self.input_shape

    @property
    def rim(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Padding ((top, bottom), (left, right)), including what incomplete windows lack."""
        rows, columns = (self._rim(axis) for axis in (0, 1))
        return rows, columns

    def _rim(self, axis: int) -> tuple[int, int]:
        pad, kernel, stride = self.padding[axis], self.kernel_size[axis], self.stride[axis]
        length = self.image_shape[1 + axis]
        lacking = -(length + 2 * pad - kernel) % stride
        starts = length + pad + lacking - kernel + pad  # of the last window, counted from the padded edge
        return pad, pad + (lacking if self.ceil_mode and starts < length + pad else 0)

    @property
    def output_shape(self) -> Shape:
        channels, *places = self.window.output_shape
        return (channels, *places[-(len(self.input_shape) - 1) :])

    @property
    def n_edges(self) -> int:
        return self.window.n_edges

    def apply(self, x: np.ndarray) -> np.ndarray:
        low = np.finfo(x.dtype).min if np.issubdtype(x.dtype, np.floating) else np.iinfo(x.dtype).min
        pads = ((0, 0), (0, 0), *self.rim)
        padded = np.pad(x.reshape(len(x), *self.image_shape), pads, constant_values=low)
        windows = sliding_window_view(padded, self.kernel_size, axis=(2, 3))  # type: ignore[call-overload]
        largest = windows[:, :, :: self.stride[0], :: self.stride[1]].max(axis=(4, 5))
        return largest.reshape(len(x), *self.output_shape)

    def edges(self) -> Edges:
        """Return the edges from each input to the windows in which it lies."""
        return self.window.edges()

    def fan_out(self) -> FanOut:
        """Return which inputs lie in which window."""
        return self.window.fan_out()

    def torch_function(self) -> Any:
        """Return ``functional.max_pool2d`` with these settings."""
        from torch.nn import functional

        kernel_size, stride, rim, ceil = self.kernel_size, self.stride, self.padding, self.ceil_mode
        before, behind = self.image_shape, self.output_shape

        def pooled(x: Any, w: Any = None, b: Any = None) -> Any:
            largest = functional.max_pool2d(x.reshape(len(x), *before), kernel_size, stride, rim, ceil_mode=ceil)
            return largest.reshape(len(x), *behind)

        return pooled


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
    if return_indices or as_pair(dilation) != (1, 1):
        raise UnsupportedLayerError("with return_indices or dilation has no spiking equivalent here; use the defaults")
    kernel = as_pair(kernel_size)
    steps = as_pair(stride) if stride else kernel
    return walk.pooled(x, lambda shape: MaxPooling(shape, kernel, steps, as_pair(padding), bool(ceil_mode)), path)


def convert_adaptive_max_pool2d(
    walk: Walk, x: TracedTensor, output_size: Any, return_indices: bool = False, *, path: str = ""
) -> Any:
    """Convert ``functional.adaptive_max_pool2d``, if its windows are all the same size."""
    if return_indices:
        raise UnsupportedLayerError("with return_indices has no spiking equivalent here; use the default")
    sizes = adaptive_sizes(x.shape, output_size)
    if any(n % size for n, size in zip(x.shape[1:], sizes, strict=True)):
        raise UnsupportedLayerError(
            f"takes maxima of {x.shape[1]} x {x.shape[2]} places over windows of different sizes to get "
            f"{sizes[0]} x {sizes[1]}; the output size must divide the input, or use MaxPool2d"
        )
    kernel = (x.shape[1] // sizes[0], x.shape[2] // sizes[1])
    return x if kernel == (1, 1) else walk.pooled(x, lambda shape: MaxPooling(shape, kernel, kernel), path)


def _convert_module(walk: Walk, x: TracedTensor, m: Any, path: str) -> Any:
    rest = (m.dilation, m.ceil_mode, m.return_indices)
    return convert_max_pool2d(walk, x, m.kernel_size, m.stride, m.padding, *rest, path=path)


MODULES: dict[str, Converter] = {
    "MaxPool2d": _convert_module,
    "AdaptiveMaxPool2d": lambda walk, x, m, path: convert_adaptive_max_pool2d(
        walk, x, m.output_size, m.return_indices, path=path
    ),
}
FUNCTIONS: dict[str, Converter] = {
    "max_pool2d": convert_max_pool2d,
    "adaptive_max_pool2d": convert_adaptive_max_pool2d,
}
