"""What every kind of connectivity defines: shapes, weights, fan-out, scales, and its torch equivalent.

A connectivity says which neuron of one layer reaches which of the next, and with what weight. Everything here is in
torch's order of axes (channel, row, column); `channels_last` translates to the order in which populations are laid out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from brianconv.connectivity.fan_out import Axis, FanOut, image_shape
from brianconv.errors import DataError, ParameterError, ShapeError, UnsupportedLayerError

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]
Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
Pair = int | tuple[int, ...]


class Connectivity(ABC):
    """An affine map from the activations of one layer to those of another.

    A kind of your own needs its shapes and `edges`; the rest follows from them, though slowly.

    Attributes
    ----------
    weighted : bool
        Whether it has weights that were learned.
    rearranges : bool
        Whether it only gives the same values another shape.
    takes_scales : bool
        Whether it can be divided by the scales of its input and output; see `scaled`.
    gates : bool
        Whether it passes on the spikes of one input of each window, as maximum pooling does.

    Examples
    --------
    >>> pooling = MaxPooling((1, 4, 4), (2, 2), (2, 2))
    >>> isinstance(pooling, Connectivity)
    True
    >>> pooling.input_shape, pooling.output_shape
    ((1, 4, 4), (1, 2, 2))
    """

    weighted: ClassVar[bool] = False
    rearranges: ClassVar[bool] = False
    takes_scales: ClassVar[bool] = True
    gates: ClassVar[bool] = False
    input_shape: Any
    output_shape: Any

    @abstractmethod
    def edges(self) -> Edges:
        """Return presynaptic neuron, postsynaptic neuron (flat, in torch's order) and weight of every pair."""

    @property
    def n_edges(self) -> int:
        """Number of pairs of neurons that are joined."""
        return len(self.edges()[0])

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the map to activations, shape (n_images, *input_shape)."""
        i, j, w = self.edges()
        y = np.zeros((len(x), math.prod(self.output_shape)), dtype=np.result_type(x, w))
        np.add.at(y.T, j, (x.reshape(len(x), -1)[:, i] * w).T)
        return y.reshape(len(x), *self.output_shape)

    def torch_function(self) -> Callable[[Tensor, Any, Any], Tensor]:
        """Return the map as a torch function of (activations, weight or None, bias or None)."""
        raise UnsupportedLayerError(f"{type(self).__name__} has no torch equivalent")

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Connectivity:
        """Return the map between activations divided by their scales, each one number or one per channel."""
        raise ShapeError(f"{type(self).__name__} has no weights and cannot be scaled")

    def scale_through(self, scale: np.ndarray) -> np.ndarray | None:
        """Return a scale of the input as one of the output, or None if the map mixes neurons that differ in it."""
        return scale if self.accepts_scale(scale) else None

    def scale_back(self, scale: np.ndarray) -> np.ndarray | None:
        """Return a scale of the output as one of the input, or None if the map mixes neurons that differ in it."""
        return scale if self.accepts_scale(scale) else None

    def accepts_scale(self, scale: np.ndarray) -> bool:
        """Return whether the map can be divided by a scale: by one number, or by one per channel."""
        return scale.size == 1 or scale.shape[1:] == (1, 1)

    def fan_out(self) -> FanOut:
        """Return which neurons are joined, by channel, row and column if these are independent of one another."""
        pre, post, _ = self.edges()
        return FanOut.of_pairs(self.input_shape, self.output_shape, pre, post)

    def linear(self) -> Connectivity:
        """Return the map without its bias."""
        return self

    def n_multiplications(self, padding: bool) -> int:
        """Return the multiplications of the map, with or without those of padded zeros."""
        return self.n_edges


class Weighted(Connectivity):
    """A connectivity with learned weights and a bias per output channel."""

    weighted = True
    weight: np.ndarray
    bias: np.ndarray

    def linear(self) -> Self:
        """Return the map without its bias."""
        return replace(self, bias=np.zeros_like(self.bias))  # type: ignore[type-var]

    @abstractmethod
    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Self:
        """Return the map between activations divided by their scales, each one number or one per channel."""

    def followed_by(self, gain: np.ndarray, shift: np.ndarray) -> Self:
        """Return the map followed by one gain and one shift per output channel."""
        return replace(self._times(gain), bias=self.bias * gain + shift)  # type: ignore[type-var]

    @abstractmethod
    def _times(self, gain: np.ndarray) -> Self:
        """Return the map with weights times a gain per output channel."""

    def on_channels(self, channels: slice, input_shape: Shape) -> Connectivity | None:
        """Return the map for some channels of its input, all others being zero; None if it has no such part."""
        return None

    def from_channels(self, channels: np.ndarray, input_shape: Shape) -> Connectivity | None:
        """Return the map for a larger input from which it takes chosen channels (-1: zero); None if there is none."""
        return None

    def to_channels(self, channels: np.ndarray) -> Connectivity | None:
        """Return the map to chosen channels of its output (-1: zero); None if there is none."""
        return None


def gathered(weight: np.ndarray, axis: int, channels: np.ndarray, n_channels: int) -> np.ndarray:
    """Return weights for `n_channels` channels along an axis, each placed where `channels` says."""
    moved = np.moveaxis(weight, axis, 0)
    found = np.zeros((n_channels, *moved.shape[1:]), dtype=weight.dtype)
    np.add.at(found, channels[channels >= 0], moved[channels >= 0])
    return np.ascontiguousarray(np.moveaxis(found, 0, axis))


def chosen(weight: np.ndarray, axis: int, channels: np.ndarray) -> np.ndarray:
    """Return weights of chosen channels along an axis; those of channel -1 are zero."""
    moved = np.moveaxis(weight, axis, 0)[np.maximum(channels, 0)].copy()
    moved[channels < 0] = 0
    return np.ascontiguousarray(np.moveaxis(moved, 0, axis))


class TracedTensor(Protocol):
    """What the conversion of a torch operation needs of a traced tensor; see conversion/traced_tensor.py."""

    @property
    def shape(self) -> Shape: ...

    def then(self, connectivity: Connectivity, module: str = "") -> Any: ...

    def reshaped(self, shape: Shape, module: str = "") -> Any: ...


class Walk(Protocol):
    """What the conversion of a torch operation needs of the walk through a network; see conversion/layers.py."""

    @property
    def saturates(self) -> bool: ...

    def rectified(self, x: Any, path: str, ceiling: float | None = None) -> Any: ...

    def pooled(self, x: Any, pooling: Callable[[Shape], Any], path: str) -> Any: ...

    def rimmed(self, x: Any, module: Any) -> Any: ...

    def dropped(self, x: Any, what: str) -> Any: ...

    def averaged(self, x: Any, axes: tuple[int, ...], keepdim: bool, path: str) -> Any: ...


# takes the walk, the tensor, and the module or the arguments of the call; it reports what is wrong, the walk adds where
Converter = Callable[..., Any]


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


def check_weight(weight: Any, axes: str) -> None:
    """Raise ParameterError unless a weight is an array of real numbers with so many axes."""
    if isinstance(weight, np.ndarray) and weight.dtype.kind in "fiu" and weight.ndim == len(axes.split(", ")):
        return
    found = f"of {weight.dtype} and shape {weight.shape}" if isinstance(weight, np.ndarray) else f"a {type(weight)}"
    raise ParameterError(
        f"the weight is {found}; it must be a NumPy array of real numbers of shape ({axes}), "
        "such as module.weight.detach().numpy()"
    )


def check_bias(bias: Any, n_outputs: int) -> None:
    """Raise ShapeError unless there is one bias per output channel."""
    if np.shape(bias) != (n_outputs,):
        raise ShapeError(f"the bias has shape {np.shape(bias)}, not ({n_outputs},)")


def check_pair(name: str, pair: Any, lowest: int) -> None:
    """Raise ParameterError unless a setting is (rows, columns)."""
    proper = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not proper or not all(isinstance(n, (int, np.integer)) and n >= lowest for n in pair):
        raise ParameterError(f"{name} is {pair!r}; it is (rows, columns), whole numbers, {lowest} or more each")


def check_image(shape: Shape) -> None:
    """Raise ShapeError unless a shape is that of an image."""
    if len(shape) != 3:
        raise ShapeError(f"expects an input of shape (channels, rows, columns), got {shape}")


def with_images(shape: Shape) -> str:
    """Return a shape as text, with the axis of images in front."""
    return f"(images, {', '.join(map(str, shape))})"


def by_channel(scale: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a scale of a layer as one number per channel, shape (channels,)."""
    if scale.ndim == 3 and scale.shape[1:] != (1, 1):
        raise ShapeError("a convolution cannot take one scale per neuron: normalise per layer, not per channel")
    return np.broadcast_to(np.ravel(scale), shape[:1])


def as_pair(value: Pair) -> tuple[int, int]:
    """Return (rows, columns) as torch's modules are given them: one number, or one for each axis."""
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def adaptive_sizes(shape: Shape, output_size: Any) -> tuple[int, int]:
    """Return the rows and columns that adaptive pooling makes of an image."""
    check_image(shape)
    asked = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    rows, columns = (n if size is None else int(size) for n, size in zip(shape[1:], asked, strict=True))
    return rows, columns


def axis_fan_out(connectivity: Any, groups: int, taps: Any) -> FanOut:
    """Return the fan-out of a map whose taps along rows and columns are independent, for each group of channels."""
    shapes = connectivity.input_shape, connectivity.output_shape
    before, behind = (image_shape(shape) for shape in shapes)
    channels = Axis.blocks(before[0], behind[0], groups)
    axes = zip(taps, before[1:], behind[1:], strict=True)
    return FanOut(*shapes, (channels, *(Axis.pairs(t[2], t[1], n_pre, n_post) for t, n_pre, n_post in axes)))


def weight_array(parameter: Any, owner: str, size: int | None = None) -> np.ndarray:
    """Return a torch parameter as float64, zeros where there is none; refuse NaN and infinity."""
    if parameter is None:
        return np.zeros(size or 0)
    values = parameter.detach().cpu().double().numpy() if hasattr(parameter, "detach") else np.asarray(parameter, float)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise DataError(
            f"layer {owner!r} has {bad} weights that are NaN or infinite (of {values.size}): "
            "the training diverged or the file is damaged; load finite weights"
        )
    return values


def places_fan_out(connectivity: Any, first: int) -> FanOut:
    """Return the fan-out of a map that joins each neuron with the one at its place, channels counted from `first`."""
    before, behind = (image_shape(shape) for shape in (connectivity.input_shape, connectivity.output_shape))
    place = np.arange(before[0])
    channels = Axis.pairs(place, place + first, before[0], behind[0])
    axes = (channels, *(Axis.blocks(n, n, n) for n in before[1:]))
    return FanOut(connectivity.input_shape, connectivity.output_shape, axes)
