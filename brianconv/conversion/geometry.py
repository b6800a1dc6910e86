"""Maps between layers: dense, (transposed) convolution, one-to-one, pooling and reshaping.

A geometry says which neuron reaches which, and with what weight. It can be *applied* to activations, and it can
list its *edges*, from which synapses are made. Everything here is in torch's order of axes (channel, row, column);
`channels_last` translates to the order in which populations are laid out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from brianconv.errors import ParameterError, ShapeError

Shape = tuple[int, ...]
Edges = tuple[np.ndarray, np.ndarray, np.ndarray]


class Geometry(Protocol):
    """An affine map from one layer's activations to another's."""

    @property
    def input_shape(self) -> Shape: ...

    @property
    def output_shape(self) -> Shape: ...

    @property
    def n_edges(self) -> int: ...

    @property
    def weighted(self) -> bool: ...

    def apply(self, x: np.ndarray) -> np.ndarray: ...

    def edges(self) -> Edges: ...

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Geometry: ...


def channels_last(shape: Shape) -> np.ndarray:
    """Return, for each neuron of a population, its flat index in torch's (channel, row, column) order.

    Parameters
    ----------
    shape : tuple of int
        Shape of the layer: (channels, rows, columns), or (features,).

    Returns
    -------
    array of int, shape (n_neurons,)
        `flat_nchw[channels_last(shape)]` is in the order (row, column, channel) in which populations are laid out.
    """
    index = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return np.moveaxis(index, 0, -1).ravel()


def _check_weight(weight: Any, axes: str) -> None:
    """Raise ParameterError unless a weight is an array of real numbers with so many axes."""
    if isinstance(weight, np.ndarray) and weight.dtype.kind in "fiu" and weight.ndim == len(axes.split(", ")):
        return
    found = f"of {weight.dtype} and shape {weight.shape}" if isinstance(weight, np.ndarray) else f"a {type(weight)}"
    raise ParameterError(
        f"the weight is {found}; it is a NumPy array of real numbers of shape ({axes}), "
        "such as module.weight.detach().numpy()"
    )


def _check_bias(bias: Any, n_outputs: int) -> None:
    if np.shape(bias) != (n_outputs,):
        raise ShapeError(f"the bias has shape {np.shape(bias)}, not ({n_outputs},)")


def _check_pair(name: str, pair: Any, lowest: int) -> None:
    """Raise ParameterError unless a setting is (rows, columns)."""
    proper = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not proper or not all(isinstance(n, (int, np.integer)) and n >= lowest for n in pair):
        raise ParameterError(f"{name} is {pair!r}; it is (rows, columns), whole numbers, {lowest} or more each")


@dataclass(frozen=True, eq=False)
class Dense:
    """Fully connected: y = weight x + bias.

    Attributes
    ----------
    weight : array, shape (n_post, n_pre)
    bias : array, shape (n_post,)
    """

    weight: np.ndarray
    bias: np.ndarray

    weighted = True

    def __post_init__(self) -> None:
        _check_weight(self.weight, "n_post, n_pre")
        _check_bias(self.bias, len(self.weight))

    @property
    def input_shape(self) -> Shape:
        return (self.weight.shape[1],)

    @property
    def output_shape(self) -> Shape:
        return (self.weight.shape[0],)

    @property
    def n_edges(self) -> int:
        return self.weight.size

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight.T + self.bias

    def edges(self) -> Edges:
        n_post, n_pre = self.weight.shape
        i = np.tile(np.arange(n_pre, dtype=np.int32), n_post)
        j = np.repeat(np.arange(n_post, dtype=np.int32), n_pre)
        return i, j, self.weight.ravel()

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Dense:
        """Return the map between activations divided by their scales, each one number or one a neuron."""
        post = np.broadcast_to(np.ravel(output_scale), self.output_shape)
        pre = np.broadcast_to(np.ravel(input_scale), self.input_shape)
        return replace(self, weight=self.weight * pre / post[:, None], bias=self.bias / post)


@dataclass(frozen=True, eq=False)
class Convolution:
    """Two-dimensional convolution with zero padding, as torch's Conv2d.

    Attributes
    ----------
    weight : array, shape (channels_out, channels_in / groups, rows, columns)
    bias : array, shape (channels_out,)
    input_shape : (channels, rows, columns)
    stride, dilation : (rows, columns)
    padding : ((top, bottom), (left, right))
    groups : int
    pooling : bool
        True for an average pooling, which is a convolution of each channel with a constant kernel.
    """

    weight: np.ndarray
    bias: np.ndarray
    input_shape: Shape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pooling: bool = False

    def __post_init__(self) -> None:
        _check_weight(self.weight, "channels_out, channels_in / groups, rows, columns")
        _check_bias(self.bias, len(self.weight))
        _check_pair("stride", self.stride, 1)
        _check_pair("dilation", self.dilation, 1)
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
    def weighted(self) -> bool:
        return not self.pooling

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
        inputs = np.split(windows, self.groups, axis=1)
        weights = np.split(self.weight, self.groups, axis=0)
        parts = [np.tensordot(a, w, axes=((1, 4, 5), (1, 2, 3))) for a, w in zip(inputs, weights, strict=True)]
        return np.moveaxis(np.concatenate(parts, axis=-1) + self.bias, -1, 1)

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
        """Return the map between activations divided by their scales, each one number or one a channel."""
        post = _by_channel(output_scale, self.output_shape)
        pre = _by_channel(input_scale, self.input_shape).reshape(self.groups, -1)
        per_output = np.repeat(pre, self.weight.shape[0] // self.groups, axis=0)
        weight = self.weight * per_output[:, :, None, None] / post[:, None, None, None]
        return replace(self, weight=weight, bias=self.bias / post)


@dataclass(frozen=True, eq=False)
class TransposedConvolution:
    """Two-dimensional transposed convolution, as torch's ConvTranspose2d.

    Attributes
    ----------
    weight : array, shape (channels_in, channels_out / groups, rows, columns)
    bias : array, shape (channels_out,)
    input_shape : (channels, rows, columns)
    stride, padding, output_padding, dilation : (rows, columns)
    groups : int
    """

    weight: np.ndarray
    bias: np.ndarray
    input_shape: Shape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    output_padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    weighted = True

    def __post_init__(self) -> None:
        _check_weight(self.weight, "channels_in, channels_out / groups, rows, columns")
        _check_bias(self.bias, self.weight.shape[1] * self.groups)
        for name in ("stride", "dilation"):
            _check_pair(name, getattr(self, name), 1)
        for name in ("padding", "output_padding"):
            _check_pair(name, getattr(self, name), 0)
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
        """Return the map between activations divided by their scales, each one number or one a channel."""
        pre = _by_channel(input_scale, self.input_shape)
        post = _by_channel(output_scale, self.output_shape)
        per_input = np.repeat(post.reshape(self.groups, -1), self.weight.shape[0] // self.groups, axis=0)
        weight = self.weight * pre[:, None, None, None] / per_input[:, :, None, None]
        return replace(self, weight=weight, bias=self.bias / post)


@dataclass(frozen=True, eq=False)
class OneToOne:
    """Every neuron reaches the neuron at its place: y = weight * x + bias.

    Attributes
    ----------
    weight : array, broadcasts to `shape`
    shape : tuple of int
    bias : array, broadcasts to `shape`
        None for no bias.
    """

    weight: np.ndarray
    shape: Shape
    bias: np.ndarray | None = None

    weighted = True

    def __post_init__(self) -> None:
        for name, value in (("weight", self.weight), ("bias", 0.0 if self.bias is None else self.bias)):
            try:
                np.broadcast_to(value, self.shape)
            except ValueError as error:
                raise ShapeError(f"a {name} of shape {np.shape(value)} does not fit the layer {self.shape}") from error

    @property
    def input_shape(self) -> Shape:
        return self.shape

    @property
    def output_shape(self) -> Shape:
        return self.shape

    @property
    def n_edges(self) -> int:
        return int(np.prod(self.shape))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x * self.weight if self.bias is None else x * self.weight + self.bias

    def edges(self) -> Edges:
        same = np.arange(self.n_edges, dtype=np.int32)
        return same, same, np.broadcast_to(self.weight, self.shape).ravel().astype(np.float64)

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> OneToOne:
        """Return the map between activations divided by their scales, which broadcast to the shape."""
        bias = None if self.bias is None else np.asarray(self.bias / output_scale)
        return replace(self, weight=np.asarray(self.weight * input_scale / output_scale), bias=bias)


@dataclass(frozen=True)
class MaxPooling:
    """Two-dimensional maximum pooling, as torch's MaxPool2d; of spikes, it passes those of the leading input.

    Attributes
    ----------
    input_shape : (channels, rows, columns)
    kernel_size, stride, padding : (rows, columns)
    """

    input_shape: Shape
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)

    weighted = False

    def __post_init__(self) -> None:
        _check_pair("kernel_size", self.kernel_size, 1)
        _check_pair("stride", self.stride, 1)
        _check_pair("padding", self.padding, 0)
        if len(self.input_shape) != 3:
            raise ShapeError(f"expects an input of shape (channels, rows, columns), got {self.input_shape}")
        if min(self.output_shape) < 1:
            raise ShapeError(f"the window {self.kernel_size} is larger than its padded input {self.input_shape}")

    @cached_property
    def window(self) -> Convolution:
        """A convolution of each channel that has an edge from every input of a window to its output."""
        padding = ((self.padding[0],) * 2, (self.padding[1],) * 2)
        channels = self.input_shape[0]
        ones = np.ones((channels, 1, *self.kernel_size))
        return Convolution(
            ones, np.zeros(channels), self.input_shape, self.stride, padding, groups=channels, pooling=True
        )

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

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> MaxPooling:
        raise ShapeError("a maximum pooling carries no weights and cannot be scaled")


def _by_channel(scale: np.ndarray, shape: Shape) -> np.ndarray:
    if scale.ndim == 3 and scale.shape[1:] != (1, 1):
        raise ShapeError("a convolution cannot take one scale a neuron: normalise per layer, not per channel")
    return np.broadcast_to(np.ravel(scale), shape[:1])


def average_pooling(
    input_shape: Shape, kernel_size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int] = (0, 0)
) -> Convolution:
    """Return average pooling over (channels, rows, columns); padded zeros count in the average."""
    _check_pair("kernel_size", kernel_size, 1)
    _check_pair("stride", stride, 1)
    _check_pair("padding", padding, 0)
    if len(input_shape) != 3:
        raise ShapeError(f"expects an input of shape (channels, rows, columns), got {input_shape}")
    channels = input_shape[0]
    return Convolution(
        weight=np.full((channels, 1, *kernel_size), 1.0 / np.prod(kernel_size)),
        bias=np.zeros(channels),
        input_shape=input_shape,
        stride=stride,
        padding=((padding[0], padding[0]), (padding[1], padding[1])),
        groups=channels,
        pooling=True,
    )


@dataclass(frozen=True)
class Reshape:
    """A new shape for the same values, in torch's row-major order."""

    input_shape: Shape
    output_shape: Shape

    weighted = False

    @property
    def n_edges(self) -> int:
        return int(np.prod(self.input_shape))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), *self.output_shape)

    def edges(self) -> Edges:
        same = np.arange(self.n_edges, dtype=np.int32)
        return same, same, np.ones(self.n_edges)

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Reshape:
        raise ShapeError("a reshape carries no weights and cannot be scaled")

    def scale_through(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the input as a scale of the output."""
        if scale.size == 1:
            return scale
        return np.broadcast_to(scale, self.input_shape).reshape(self.output_shape)

    def scale_back(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the output as a scale of the input."""
        return Reshape(self.output_shape, self.input_shape).scale_through(scale)
