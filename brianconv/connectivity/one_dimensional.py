"""Convolutions and pooling along one axis, as of sound or an electrocardiogram: maps of images of one row.

A layer of shape (channels, length) is laid out as one of shape (channels, 1, length), so that it takes no other
connectivity, and no other code, than images do.
"""

from __future__ import annotations

from typing import Any

from brianconv.connectivity.average_pooling import convert_adaptive_avg_pool2d, convert_avg_pool2d
from brianconv.connectivity.base import Converter, Pair, TracedTensor, Walk, with_images
from brianconv.connectivity.convolution import convert_conv2d
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.transposed_convolution import convert_conv_transpose2d
from brianconv.errors import ShapeError, UnsupportedLayerError


def _row(x: TracedTensor, path: str) -> Any:
    """Return a signal as an image of one row."""
    if len(x.shape) != 2:
        raise ShapeError(f"expects signals of shape (images, channels, length), got {with_images(x.shape)}")
    return x.reshaped((x.shape[0], 1, x.shape[1]), path)


def _signal(image: Any, path: str) -> Any:
    return image.reshaped((image.shape[0], image.shape[2]), path)


def _single(value: Pair) -> int:
    return int(value) if isinstance(value, int) else int(value[0])


def convert_conv1d(
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
    """Convert ``functional.conv1d``."""
    pad = padding if isinstance(padding, str) else (0, _single(padding))
    steps, gaps = (1, _single(stride)), (1, _single(dilation))
    image = convert_conv2d(walk, _row(x, path), weight.unsqueeze(2), bias, steps, pad, gaps, groups, path=path)
    return _signal(image, path)


def convert_conv_transpose1d(
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
    """Convert ``functional.conv_transpose1d``."""
    steps, pad, beyond, gaps = (
        (first, _single(value)) for first, value in ((1, stride), (0, padding), (0, output_padding), (1, dilation))
    )
    image = convert_conv_transpose2d(
        walk, _row(x, path), weight.unsqueeze(2), bias, steps, pad, beyond, groups, gaps, path=path
    )
    return _signal(image, path)


def convert_avg_pool1d(
    walk: Walk,
    x: TracedTensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    path: str = "",
) -> Any:
    """Convert ``functional.avg_pool1d``."""
    size = _single(kernel_size)
    steps = (1, _single(stride) if stride else size)
    settings = ((1, size), steps, (0, _single(padding)), ceil_mode, count_include_pad)
    return _signal(convert_avg_pool2d(walk, _row(x, path), *settings, path=path), path)


def convert_adaptive_avg_pool1d(walk: Walk, x: TracedTensor, output_size: Any, *, path: str = "") -> Any:
    """Convert ``functional.adaptive_avg_pool1d``."""
    return _signal(convert_adaptive_avg_pool2d(walk, _row(x, path), (1, _single(output_size)), path=path), path)


def convert_max_pool1d(
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
    """Convert ``functional.max_pool1d``, which becomes a layer of its own."""
    if return_indices or _single(dilation) != 1:
        raise UnsupportedLayerError("with return_indices or dilation has no spiking equivalent here; use the defaults")
    size = _single(kernel_size)
    settings = ((1, size), (1, _single(stride) if stride else size), (0, _single(padding)), bool(ceil_mode))
    return walk.pooled(x, lambda shape: MaxPooling(shape, *settings), path)


def convert_adaptive_max_pool1d(
    walk: Walk, x: TracedTensor, output_size: Any, return_indices: bool = False, *, path: str = ""
) -> Any:
    """Convert ``functional.adaptive_max_pool1d``, if its windows are alike."""
    length = x.shape[-1]
    size = _single(output_size)
    if return_indices or length % size:
        raise UnsupportedLayerError(
            f"takes maxima of {length} places over {size} windows of different sizes, or returns indices; the output "
            "size must divide the input, or use MaxPool1d"
        )
    return convert_max_pool1d(walk, x, length // size, path=path)


MODULES: dict[str, Converter] = {
    "Conv1d": lambda walk, x, m, path: convert_conv1d(
        walk, walk.rimmed(x, m), m.weight, m.bias, m.stride, m.padding if m.padding_mode == "zeros" else 0, m.dilation,
        m.groups, path=path,
    ),
    "ConvTranspose1d": lambda walk, x, m, path: convert_conv_transpose1d(
        walk, x, m.weight, m.bias, m.stride, m.padding, m.output_padding, m.groups, m.dilation, path=path
    ),
    "AvgPool1d": lambda walk, x, m, path: convert_avg_pool1d(
        walk, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, path=path
    ),
    "AdaptiveAvgPool1d": lambda walk, x, m, path: convert_adaptive_avg_pool1d(walk, x, m.output_size, path=path),
    "MaxPool1d": lambda walk, x, m, path: convert_max_pool1d(
        walk, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices, path=path
    ),
    "AdaptiveMaxPool1d": lambda walk, x, m, path: convert_adaptive_max_pool1d(
        walk, x, m.output_size, m.return_indices, path=path
    ),
}  # fmt: skip
FUNCTIONS: dict[str, Converter] = {
    "conv1d": convert_conv1d,
    "conv_transpose1d": convert_conv_transpose1d,
    "avg_pool1d": convert_avg_pool1d,
    "adaptive_avg_pool1d": convert_adaptive_avg_pool1d,
    "max_pool1d": convert_max_pool1d,
    "adaptive_max_pool1d": convert_adaptive_max_pool1d,
}
