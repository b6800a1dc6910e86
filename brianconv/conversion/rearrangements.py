"""Fixed linear operations other than convolutions: torch itself is applied to numbers that encode positions.

What only moves values is applied to the index of every value, which gives a `Selection`. What adds values up is applied
to every unit vector, which gives a `WeightedSum`; where channels do not mix, to those of one channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, fx, nn
from torch.nn import functional

from brianconv.connectivity.base import Converter, Shape, Walk, with_images
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.selection import Selection
from brianconv.connectivity.weighted_sum import WeightedSum
from brianconv.conversion.traced_tensor import BATCH_SIZE, Traced
from brianconv.errors import ShapeError, UnsupportedLayerError

Operation = Callable[[Tensor], Any]
MOST_WEIGHTS = 20_000_000  # of a linear map that is found from unit vectors


def selected(x: Traced, operation: Operation, path: str) -> Traced:
    """Return a tensor after an operation that moves its values, or repeats them, or puts zeros between them.

    Raises
    ------
    ShapeError
        If torch refuses it.
    UnsupportedLayerError
        If it moves values from one image to another.
    """
    moved = _moved(x.shape, operation)
    assert isinstance(moved, Tensor)
    return _taken(x, moved, path)


def divided(x: Traced, operation: Operation, path: str) -> tuple[Traced, ...]:
    """Return the parts into which an operation cuts a tensor."""
    return tuple(_taken(x, part, path) for part in _moved(x.shape, operation))


def _moved(shape: Shape, operation: Operation) -> Any:
    size = math.prod(shape)
    numbers = torch.arange(1, 2 * size + 1, dtype=torch.float64).reshape(2, *shape)  # for two images; 0 means no value
    return _applied(operation, numbers)


def _applied(operation: Operation, values: Tensor) -> Any:
    try:
        return operation(values)
    except (RuntimeError, IndexError, ValueError, NotImplementedError) as error:
        raise ShapeError(f"does not fit a tensor of shape {with_images(tuple(values.shape[1:]))}: {error}") from error


def _taken(x: Traced, moved: Tensor, path: str) -> Traced:
    size = math.prod(x.shape)
    index = torch.round(moved).long() - 1
    own = moved.ndim >= 2 and len(moved) == 2
    if not own or not torch.equal(torch.where(index[0] < 0, -1, index[0] + size), index[1]) or (index[0] >= size).any():
        raise UnsupportedLayerError("mixes images: it must leave the first axis, that of images, where it is")
    selection = Selection(x.shape, tuple(int(n) for n in moved.shape[1:]), index[0].reshape(-1).numpy())
    return x if selection.is_identity else x.then(selection, path)


def weighed(x: Traced, operation: Operation, path: str) -> Traced:
    """Return an image after an operation that adds up values of each channel, the same for all channels."""
    return x.then(WeightedSum.of_each_channel(x.shape, operation), path)


def _of(name: str, *, method: bool = False) -> Converter:
    """Return the converter of a function, or a method, of torch that moves values."""

    def convert(walk: Walk, x: Traced, *arguments: Any, path: str = "", **keywords: Any) -> Traced:
        given, named = fx.node.map_aggregate((arguments, keywords), _two_images)
        function = getattr(Tensor if method else torch if hasattr(torch, name) else functional, name)
        return selected(x, lambda v: function(v, *given, **named), path)

    return convert


def _two_images(value: Any) -> Any:
    """Replace the traced batch size by the number of images on which operations are tried."""
    return 2 if isinstance(value, int) and value == BATCH_SIZE else value


def _into_parts(name: str) -> Converter:
    def convert(walk: Walk, x: Traced, *arguments: Any, path: str = "", **keywords: Any) -> tuple[Traced, ...]:
        return divided(x, lambda v: getattr(torch, name)(v, *arguments, **keywords), path)

    return convert


def stack(walk: Walk, tensors: Any, dim: int = 0, *, path: str = "") -> Traced:
    """Convert ``torch.stack``."""
    checked = _activations(tensors, "stacks")
    axis = dim % (len(checked[0].shape) + 2)
    wide = [selected(tensor, lambda v: v.unsqueeze(axis), path) for tensor in checked]
    return joined(wide, axis, path)


def joined(tensors: list[Traced], axis: int, path: str) -> Traced:
    """Concatenate tensors along an axis other than that of images."""
    if axis < 1:
        raise UnsupportedLayerError("concatenates tensors along the axis of images")
    if len({(*t.shape[: axis - 1], *t.shape[axis:]) for t in tensors}) > 1:
        raise ShapeError(
            f"joins tensors of shapes {', '.join(str(t.shape) for t in tensors)} along dim={axis}; they may differ "
            "along that axis only"
        )
    total, first, result = sum(t.shape[axis - 1] for t in tensors), 0, None
    for tensor in tensors:
        length = tensor.shape[axis - 1]
        rim = (0, 0) * (len(tensor.shape) - axis) + (first, total - first - length)
        placed = selected(tensor, lambda v, rim=rim: functional.pad(v, rim), path)  # type: ignore[misc]
        result = placed if result is None else result.plus(placed)
        first += length
    assert result is not None
    return result


def _activations(tensors: Any, what: str) -> list[Traced]:
    if not isinstance(tensors, list | tuple) or not tensors or not all(isinstance(t, Traced) for t in tensors):
        raise UnsupportedLayerError(f"{what} something other than activations")
    return list(tensors)


def linear_map(x: Traced, operation: Operation, path: str) -> Traced:
    """Return a tensor after a linear operation with constant weights, such as ``x @ weight``, as dense weights.

    Raises
    ------
    ShapeError, UnsupportedLayerError
        If torch refuses it, it mixes images, or the weights are too many to be listed.
    """
    size = math.prod(x.shape)
    tried = torch.rand(2, *x.shape, dtype=torch.float64)
    result = _applied(operation, tried)
    if result.ndim < 2 or len(result) != 2:
        raise UnsupportedLayerError("mixes images: it must leave the first axis, that of images, where it is")
    n_outputs = result[0].numel()
    if size * n_outputs > MOST_WEIGHTS:
        raise UnsupportedLayerError(
            f"maps {size:,} values onto {n_outputs:,}, which are more than {MOST_WEIGHTS:,} weights; write it as a "
            "convolution or a Linear"
        )
    weight = _applied(operation, torch.eye(size, dtype=torch.float64).reshape(size, *x.shape)).reshape(size, -1).T
    if not torch.allclose(tried.reshape(2, -1) @ weight.T, result.reshape(2, -1)):
        raise UnsupportedLayerError("is no linear map of each image by itself")
    dense = Dense(np.ascontiguousarray(weight.numpy()), np.zeros(n_outputs))
    return x.reshaped((size,), path).then(dense, path).reshaped(tuple(result.shape[1:]), path)


def matmul(walk: Walk, a: Any, b: Any, *, path: str = "") -> Traced:
    """Convert ``torch.matmul`` with constant weights."""
    if isinstance(a, Traced) == isinstance(b, Traced):
        raise UnsupportedLayerError(
            "multiplies two activations, which has no spiking equivalent here; only products with constants have"
        )
    if isinstance(a, Traced):
        weight = torch.as_tensor(b).detach().double()
        return linear_map(a, lambda v: torch.matmul(v, weight), path)
    weight = torch.as_tensor(a).detach().double()
    return linear_map(b, lambda v: torch.matmul(weight, v), path)


def einsum(walk: Walk, equation: str, *operands: Any, path: str = "") -> Traced:
    """Convert ``torch.einsum`` of one activation and constants."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    places = [k for k, operand in enumerate(given) if isinstance(operand, Traced)]
    if len(places) != 1:
        raise UnsupportedLayerError("multiplies two activations, which has no spiking equivalent here")
    constants = [o if isinstance(o, Traced) else torch.as_tensor(o).detach().double() for o in given]

    def operation(v: Tensor) -> Tensor:
        return torch.einsum(equation, *(v if k == places[0] else constant for k, constant in enumerate(constants)))

    return linear_map(given[places[0]], operation, path)


def padded(walk: Walk, x: Traced, pad: Any, mode: str, path: str) -> Traced:
    """Return a tensor that is padded with its own values, or cut."""
    return selected(x, lambda v: functional.pad(v, tuple(int(n) for n in pad), mode=mode), path)


def interpolate(
    walk: Walk,
    x: Traced,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    path: str = "",
) -> Traced:
    """Convert ``functional.interpolate`` and ``nn.Upsample``."""

    def operation(v: Tensor) -> Tensor:
        return functional.interpolate(v, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)

    if mode in ("nearest", "nearest-exact"):
        return selected(x, operation, path)
    if mode in ("bilinear", "linear", "area"):
        image = x if len(x.shape) == 3 else x.reshaped((x.shape[0], 1, x.shape[1]), path)
        if image is x:
            return weighed(x, operation, path)
        result = weighed(image, lambda v: operation(v[:, :, 0])[:, :, None], path)
        return result.reshaped((result.shape[0], result.shape[2]), path)
    raise UnsupportedLayerError(
        f"interpolates with mode={mode!r}, some of whose weights are negative; use 'nearest' or 'bilinear'"
    )


def summed(
    walk: Walk, x: Traced, dim: Any = None, keepdim: bool = False, *, path: str = "", average: bool = False
) -> Traced:
    """Convert ``torch.sum``, or ``torch.mean`` over axes that are not rows and columns of an image."""
    n_axes = len(x.shape) + 1
    axes = sorted({int(d) % n_axes for d in ((dim,) if isinstance(dim, int) else tuple(dim or ()))})
    if not axes or axes[0] < 1:
        raise UnsupportedLayerError(f"adds up over dim={dim}, which includes the axis of images; name other axes")
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape, start=1))
    target = np.broadcast_to(np.arange(math.prod(kept)).reshape(kept), x.shape).ravel()
    weight = math.prod(kept) / target.size if average else 1.0
    entries = (np.full(target.size, weight), (target, np.arange(target.size)))
    total = WeightedSum(x.shape, kept, sparse.csr_array(entries, shape=(math.prod(kept), target.size)))
    ends = tuple(n for axis, n in enumerate(kept, start=1) if keepdim or axis not in axes)
    return x.then(total, path).reshaped(ends, path)


def _upsample(walk: Walk, x: Traced, m: nn.Upsample, path: str) -> Traced:
    factor = m.scale_factor
    return interpolate(walk, x, m.size, factor, m.mode, m.align_corners, m.recompute_scale_factor, path=path)


def _unfold_module(walk: Walk, x: Traced, m: nn.Module, path: str) -> Traced:
    return selected(x, m, path)


MODULES: dict[str, Converter] = {
    "PixelShuffle": _unfold_module,
    "PixelUnshuffle": _unfold_module,
    "ChannelShuffle": _unfold_module,
    "ReflectionPad1d": _unfold_module,
    "ReflectionPad2d": _unfold_module,
    "ReplicationPad1d": _unfold_module,
    "ReplicationPad2d": _unfold_module,
    "CircularPad1d": _unfold_module,
    "CircularPad2d": _unfold_module,
    "Upsample": _upsample,
    "UpsamplingNearest2d": _upsample,
    "UpsamplingBilinear2d": _upsample,
    "Unfold": _unfold_module,
}
FUNCTIONS: dict[str, Converter] = {
    "permute": _of("permute", method=True),
    "transpose": _of("transpose"),
    "swapaxes": _of("swapaxes"),
    "movedim": _of("movedim"),
    "flip": _of("flip", method=True),
    "roll": _of("roll"),
    "narrow": _of("narrow"),
    "select": _of("select"),
    "index_select": _of("index_select"),
    "expand": _of("expand", method=True),
    "repeat": _of("repeat", method=True),
    "tile": _of("tile"),
    "repeat_interleave": _of("repeat_interleave"),
    "pixel_shuffle": _of("pixel_shuffle"),
    "pixel_unshuffle": _of("pixel_unshuffle"),
    "channel_shuffle": _of("channel_shuffle"),
    "chunk": _into_parts("chunk"),
    "split": _into_parts("split"),
    "tensor_split": _into_parts("tensor_split"),
    "unbind": _into_parts("unbind"),
    "stack": stack,
    "interpolate": interpolate,
    "sum": summed,
    "matmul": matmul,
    "mm": matmul,
    "einsum": einsum,
}
