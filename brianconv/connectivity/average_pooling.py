"""Average pooling, as torch's AvgPool2d, AdaptiveAvgPool2d and means over rows and columns; nothing in it is learned.

Windows of one position amount to zero padding and strides along rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

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
    by_channel,
    check_image,
    check_pair,
)
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.fan_out import FanOut
from brianconv.connectivity.weighted_sum import WeightedSum
from brianconv.errors import UnsupportedLayerError

NO_PADDING = ((0, 0), (0, 0))


@dataclass(frozen=True, eq=False)
class AveragePooling(Connectivity):
    """Average pooling of each channel; padded zeros count in the average.

    Attributes
    ----------
    input_shape : (channels, rows, columns)
    kernel_size, stride : (rows, columns)
    padding : ((top, bottom), (left, right))
    weight : array, one number or shape (channels,), or None
        By which each input of a window is multiplied; None for a window's average.

    Examples
    --------
    >>> pooling = AveragePooling((1, 4, 4), kernel_size=(2, 2), stride=(2, 2))
    >>> pooling.output_shape
    (1, 2, 2)
    >>> pooling.n_edges
    16
    """

    input_shape: Shape
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]] = NO_PADDING
    weight: Any = None

    def __post_init__(self) -> None:
        check_pair("kernel_size", self.kernel_size, 1)
        check_pair("stride", self.stride, 1)
        check_image(self.input_shape)
        mean = 1.0 / np.prod(self.kernel_size)
        object.__setattr__(self, "weight", np.asarray(mean if self.weight is None else self.weight))
        _ = self.window  # checks the rest

    @cached_property
    def window(self) -> Convolution:
        """The same map as a convolution of each channel."""
        channels = self.input_shape[0]
        weight = np.broadcast_to(np.reshape(self.weight, (-1, 1, 1, 1)), (channels, 1, *self.kernel_size))
        return Convolution(
            np.array(weight), np.zeros(channels), self.input_shape, self.stride, self.padding, groups=channels
        )

    @property
    def output_shape(self) -> Shape:
        return self.window.output_shape

    @property
    def n_edges(self) -> int:
        return self.window.n_edges

    @property
    def is_uniform(self) -> bool:
        """Whether all channels have one weight."""
        return bool(np.all(self.weight == np.ravel(self.weight)[0]))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self.window.apply(x)

    def edges(self) -> Edges:
        return self.window.edges()

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> AveragePooling:
        """Return the map between activations divided by their scales, each one number or one per channel."""
        post, pre = by_channel(output_scale, self.output_shape), by_channel(input_scale, self.input_shape)
        return replace(self, weight=self.weight * pre / post)

    def on_channels(self, channels: slice, input_shape: Shape) -> AveragePooling:
        """Return the pooling of some channels of its input."""
        return replace(self, input_shape=input_shape, weight=self.weight[channels] if self.weight.ndim else self.weight)

    def fan_out(self) -> FanOut:
        """Return which inputs lie in which window."""
        return self.window.fan_out()

    def torch_function(self) -> Any:
        """Return ``functional.avg_pool2d`` with these settings, times what differs from an average."""
        import torch
        from torch.nn import functional

        (top, bottom), (left, right) = self.padding
        kernel_size, stride = self.kernel_size, self.stride
        gain = np.ravel(self.weight) * np.prod(kernel_size)

        def pooled(x: Any, w: Any = None, b: Any = None) -> Any:
            padded = functional.pad(x, (left, right, top, bottom))
            averages = functional.avg_pool2d(padded, kernel_size, stride)
            if np.all(gain == 1):
                return averages
            return averages * torch.as_tensor(gain, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)

        return pooled


def convert_avg_pool2d(
    walk: Walk,
    x: TracedTensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    path: str = "",
) -> Any:
    """Convert ``functional.avg_pool2d``."""
    check_image(x.shape)
    kernel = as_pair(kernel_size)
    rows, columns = as_pair(padding)
    steps = as_pair(stride) if stride else kernel
    lengths = zip(x.shape[1:], kernel, steps, (rows, columns), strict=True)
    cut = ceil_mode and any((n + 2 * pad - size) % step for n, size, step, pad in lengths)
    if cut or (any((rows, columns)) and not count_include_pad and divisor_override is None):
        from torch.nn import functional

        settings = (kernel, steps, (rows, columns), ceil_mode, count_include_pad, divisor_override)
        return x.then(WeightedSum.of_each_channel(x.shape, lambda v: functional.avg_pool2d(v, *settings)), path)
    weight = None if divisor_override is None else np.asarray(1.0 / divisor_override)
    return x.then(AveragePooling(x.shape, kernel, steps, ((rows, rows), (columns, columns)), weight), path)


def convert_adaptive_avg_pool2d(walk: Walk, x: TracedTensor, output_size: Any, *, path: str = "") -> Any:
    """Convert ``functional.adaptive_avg_pool2d``; windows that differ in size become weights of their own."""
    sizes = adaptive_sizes(x.shape, output_size)
    if any(n % size for n, size in zip(x.shape[1:], sizes, strict=True)):
        from torch.nn import functional

        return x.then(WeightedSum.of_each_channel(x.shape, lambda v: functional.adaptive_avg_pool2d(v, sizes)), path)
    kernel = (x.shape[1] // sizes[0], x.shape[2] // sizes[1])
    return x if kernel == (1, 1) else x.then(AveragePooling(x.shape, kernel, kernel), path)


def convert_mean(walk: Walk, x: TracedTensor, dim: Any = None, keepdim: bool = False, *, path: str = "") -> Any:
    """Convert ``torch.mean`` over rows and columns."""
    n_axes = len(x.shape) + 1
    axes = {d % n_axes for d in ((dim,) if isinstance(dim, int) else tuple(dim or ()))}
    if not axes or 0 in axes:
        raise UnsupportedLayerError(f"averages over dim={dim}, which includes the axis of images; name other axes")
    if not axes <= {2, 3} or len(x.shape) > 3 or (len(x.shape) == 2 and axes != {2}):
        return walk.averaged(x, tuple(axes), keepdim, path)
    image = x.reshaped((*x.shape, 1)[:3], path)
    kernel = tuple(image.shape[axis - 1] if axis in axes else 1 for axis in (2, 3))
    pooled = image.then(AveragePooling(image.shape, (kernel[0], kernel[1]), (kernel[0], kernel[1])), path)
    ends = [(1 if axis in axes else n) for axis, n in enumerate(x.shape, start=1) if keepdim or axis not in axes]
    return pooled.reshaped(tuple(ends), path)


def _convert_module(walk: Walk, x: TracedTensor, m: Any, path: str) -> Any:
    rest = (m.ceil_mode, m.count_include_pad, m.divisor_override)
    return convert_avg_pool2d(walk, x, m.kernel_size, m.stride, m.padding, *rest, path=path)


MODULES: dict[str, Converter] = {
    "AvgPool2d": _convert_module,
    "AdaptiveAvgPool2d": lambda walk, x, m, path: convert_adaptive_avg_pool2d(walk, x, m.output_size, path=path),
}
FUNCTIONS: dict[str, Converter] = {
    "avg_pool2d": convert_avg_pool2d,
    "adaptive_avg_pool2d": convert_adaptive_avg_pool2d,
    "mean": convert_mean,
}
