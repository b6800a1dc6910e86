"""What each torch module, function and method does to a traced tensor.

Every converter takes the walk through the network, the tensor, and the module or call arguments. It reports
what is wrong; the walk adds the location.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import torch

from brianconv.connectivity import FUNCTIONS as CONNECTIVITY_FUNCTIONS
from brianconv.connectivity import MODULES as CONNECTIVITY_MODULES
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Converter, Walk, weight_array
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.conversion import batch_norm, rearrangements, rectifiers
from brianconv.conversion.traced_tensor import BATCH_SIZE, Traced, concatenated
from brianconv.errors import ShapeError, UnsupportedLayerError

ONE = np.ones(())


def _identity(walk: Walk, x: Traced, *arguments: Any, path: str = "", **keywords: Any) -> Traced:
    return x


def _dropout(
    walk: Walk, x: Traced, p: float = 0.5, training: bool = True, inplace: bool = False, *, path: str = ""
) -> Traced:
    if training and p:
        raise UnsupportedLayerError(
            "is active in evaluation too, so that the scores are random; pass training=self.training"
        )
    return x


def _softmax(walk: Walk, x: Traced, dim: int | None = None, *rest: Any, path: str = "", **keywords: Any) -> Traced:
    if (1 if dim is None else dim % (len(x.shape) + 1)) != 1:
        raise UnsupportedLayerError(f"is taken over dim={dim}; the classes are dim=1")
    return walk.dropped(x, "softmax")


def _flatten(walk: Walk, x: Traced, start_dim: int = 0, end_dim: int = -1, *, path: str = "") -> Traced:
    n_axes = len(x.shape) + 1
    start, end = start_dim % n_axes, end_dim % n_axes
    if start < 1:
        raise UnsupportedLayerError("must keep the axis of images and flatten the rest: use start_dim=1")
    return x.reshaped((*x.shape[: start - 1], math.prod(x.shape[start - 1 : end]), *x.shape[end:]), path)


def _unflatten(walk: Walk, x: Traced, dim: int, sizes: Any, *, path: str = "") -> Traced:
    axis = dim % (len(x.shape) + 1)
    if axis < 1:
        raise UnsupportedLayerError("must keep the axis of images: use dim=1")
    new, old = [int(n) for n in sizes], x.shape[axis - 1]
    if new.count(-1) == 1:
        new[new.index(-1)] = old // -math.prod(new)
    if math.prod(new) != old:
        raise ShapeError(f"cannot unflatten {old} values to {tuple(sizes)}")
    return x.reshaped((*x.shape[: axis - 1], *new, *x.shape[axis:]), path)


def _reshape(walk: Walk, x: Traced, *sizes: Any, path: str = "", shape: Any = None) -> Traced:
    target = list(shape or (sizes[0] if isinstance(sizes[0], tuple | list) else sizes))
    total = BATCH_SIZE * math.prod(x.shape)
    if target.count(-1) == 1:
        target[target.index(-1)] = total // -math.prod(target)
    if math.prod(target) != total or target[0] != BATCH_SIZE:
        raise ShapeError(f"view or reshape to {tuple(sizes)} mixes images or does not fit the input {x.shape}")
    return x.reshaped(tuple(target[1:]), path)


def _squeeze(walk: Walk, x: Traced, dim: int | None = None, *, path: str = "") -> Traced:
    full = (BATCH_SIZE, *x.shape)
    axes = range(len(full)) if dim is None else [dim % len(full)]
    return x.reshaped(tuple(n for axis, n in enumerate(full) if axis not in axes or n != 1)[1:], path)


def _unsqueeze(walk: Walk, x: Traced, dim: int, *, path: str = "") -> Traced:
    axis = dim % (len(x.shape) + 2)
    if axis < 1:
        raise UnsupportedLayerError("must keep the axis of images in front: use dim=1 or more")
    return x.reshaped((*x.shape[: axis - 1], 1, *x.shape[axis - 1 :]), path)


def _size(walk: Walk, x: Traced, dim: int | None = None, *, path: str = "") -> Any:
    full = (BATCH_SIZE, *x.shape)
    return full if dim is None else full[dim]


def _getattr(walk: Walk, x: Traced, name: str, *, path: str = "") -> Any:
    if name == "shape":
        return (BATCH_SIZE, *x.shape)
    if name == "ndim":
        return len(x.shape) + 1
    raise UnsupportedLayerError(f"reads the attribute {name!r} of a tensor; supported: shape, ndim")


def _getitem(walk: Walk, x: Traced, index: Any, *, path: str = "") -> Traced:
    """A part of a tensor; taking every k-th row and column, as shortcuts without weights do, is a kind of pooling."""
    items = [*index, *[slice(None)] * (len(x.shape) + 1 - len(index))] if isinstance(index, tuple) else []
    whole = [isinstance(i, slice) and i.start in (None, 0) and i.stop is None for i in items]
    only = [isinstance(i, int) and n == 1 for i, n in zip(items[1:], x.shape, strict=False)]
    every = [isinstance(i, slice) and i.step in (None, 1) for i in items]
    if len(items) == 4 and all(whole) and all(every[:2]):
        stride = (items[2].step or 1, items[3].step or 1)
        return x if stride == (1, 1) else x.then(AveragePooling(x.shape, (1, 1), stride), path)
    whole = [a and b for a, b in zip(whole, every, strict=True)]
    if len(items) == len(x.shape) + 1 and all(whole[:1]) and all(a or b for a, b in zip(whole[1:], only, strict=True)):
        return x.reshaped(tuple(n for n, gone in zip(x.shape, only, strict=True) if not gone), path)
    return rearrangements.selected(x, lambda v: v[index], path)


def _pad(
    walk: Walk, x: Traced, pad: Any, mode: str = "constant", value: float | None = None, *, path: str = ""
) -> Traced:
    pad = (pad,) * 4 if isinstance(pad, int) else tuple(pad)
    if mode != "constant" or min(pad) < 0:
        x = rearrangements.padded(walk, x, pad, mode, path)
        pad = (0,) * len(pad)
    if len(pad) > 2 * len(x.shape):
        raise UnsupportedLayerError(f"pads the axis of images: pad is {pad}")
    if value and any(pad):
        inside = torch.nn.functional.pad(torch.ones(1, *x.shape), pad)[0].numpy()
        return _pad(walk, x, pad, path=path).changed(ONE, value * (1.0 - inside), path)
    if len(x.shape) != 3:
        return rearrangements.padded(walk, x, pad, "constant", path)
    by_axis = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=True)][::-1]
    by_axis = [(0, 0)] * (len(x.shape) - len(by_axis)) + by_axis  # torch counts axes from the last one
    (before, behind), *spatial = by_axis
    if any(n for pair in spatial for n in pair):
        x = x.then(AveragePooling(x.shape, (1, 1), (1, 1), (spatial[0], spatial[1])), path)
    return x.then(ChannelPadding(x.shape, before + x.shape[0] + behind, before), path) if before or behind else x


def _cat(walk: Walk, tensors: Any, dim: int = 0, *, path: str = "") -> Traced:
    if not isinstance(tensors, list | tuple) or not all(isinstance(t, Traced) for t in tensors) or not tensors:
        raise UnsupportedLayerError("concatenates something other than activations")
    axis = dim % (len(tensors[0].shape) + 1)
    return concatenated(tensors) if axis == 1 else rearrangements.joined(list(tensors), axis, path)


def _add(walk: Walk, a: Any, other: Any, alpha: float = 1, *, path: str = "") -> Traced:
    if not isinstance(a, Traced):
        return _add(walk, _times(other, alpha, path), a, path=path)
    if isinstance(other, Traced):
        return a.plus(_times(other, alpha, path))
    return a.changed(ONE, alpha * _operand(a, other, path), path)


def _sub(walk: Walk, a: Any, other: Any, alpha: float = 1, *, path: str = "") -> Traced:
    return _add(walk, a, other, alpha=-alpha, path=path)


def _mul(walk: Walk, a: Any, other: Any, *, path: str = "") -> Traced:
    if (rectified := rectifiers.masked(walk, a, other, path)) is not None:
        return rectified
    if isinstance(a, Traced) and isinstance(other, Traced):
        raise UnsupportedLayerError(
            "multiplies two activations, which has no spiking equivalent here; only products with constants do"
        )
    return _times(a, other, path) if isinstance(a, Traced) else _times(other, a, path)


def _div(walk: Walk, a: Any, other: Any, *, path: str = "") -> Traced:
    if isinstance(other, Traced):
        raise UnsupportedLayerError("divides by an activation, which has no spiking equivalent here")
    with np.errstate(divide="ignore"):
        return _times(a, 1.0 / _operand(a, other, path), path)


def _neg(walk: Walk, x: Traced, *, path: str = "") -> Traced:
    return _times(x, -1, path)


def _times(x: Traced, factor: Any, path: str) -> Traced:
    if isinstance(factor, int | float) and factor == 1:
        return x
    return x.changed(_operand(x, factor, path), None, path)


def _operand(x: Traced, constant: Any, path: str) -> np.ndarray:
    """Return a constant as an array with the axes of the tensor except that of images, or with no axes."""
    if not isinstance(constant, int | float | np.ndarray | torch.Tensor):
        raise UnsupportedLayerError(f"combines an activation with a {type(constant).__name__}")
    values = weight_array(torch.as_tensor(constant), path)
    if values.size == 1:
        return values.reshape(())
    missing = len(x.shape) + 1 - values.ndim
    if values.shape[0] == BATCH_SIZE:
        raise UnsupportedLayerError("makes a tensor with one row per image; make it with one row, which broadcasts")
    full = values.reshape((1,) * max(missing, 0) + values.shape)
    fits = full.ndim == len(x.shape) + 1 and full.shape[0] == 1
    if not fits or any(n not in (1, m) for n, m in zip(full.shape[1:], x.shape, strict=True)):
        raise ShapeError(f"combines an activation of shape {x.shape} with a constant of shape {values.shape}")
    return full[0]


MODULES: dict[str, Converter] = {
    **CONNECTIVITY_MODULES,
    **batch_norm.MODULES,
    **rectifiers.MODULES,
    **rearrangements.MODULES,
    "Flatten": lambda walk, x, m, path: _flatten(walk, x, m.start_dim, m.end_dim, path=path),
    "Unflatten": lambda walk, x, m, path: _unflatten(walk, x, m.dim, m.unflattened_size, path=path),
    "ZeroPad1d": lambda walk, x, m, path: _pad(walk, x, m.padding, path=path),
    "ZeroPad2d": lambda walk, x, m, path: _pad(walk, x, m.padding, path=path),
    "ConstantPad1d": lambda walk, x, m, path: _pad(walk, x, m.padding, value=m.value, path=path),
    "ConstantPad2d": lambda walk, x, m, path: _pad(walk, x, m.padding, value=m.value, path=path),
    "Softmax": lambda walk, x, m, path: _softmax(walk, x, m.dim, path=path),
    "LogSoftmax": lambda walk, x, m, path: _softmax(walk, x, m.dim, path=path),
    "Dropout": _identity,
    "Dropout1d": _identity,
    "Dropout2d": _identity,
    "AlphaDropout": _identity,
    "Identity": _identity,
}
# functions of torch and operator, and methods of tensors, by name
FUNCTIONS: dict[str, Converter] = {
    **CONNECTIVITY_FUNCTIONS,
    **batch_norm.FUNCTIONS,
    **rectifiers.FUNCTIONS,
    "softmax": _softmax,
    "log_softmax": _softmax,
    **rearrangements.FUNCTIONS,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "reshape": _reshape,
    "view": _reshape,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "pad": _pad,
    "dropout": _dropout,
    "dropout1d": _dropout,
    "dropout2d": _dropout,
    "alpha_dropout": _dropout,
    "size": _size,
    "dim": lambda walk, x, path="": len(x.shape) + 1,
    "getattr": _getattr,
    "getitem": _getitem,
    "neg": _neg,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "add": _add,
    "add_": _add,
    "iadd": _add,
    "sub": _sub,
    "sub_": _sub,
    "isub": _sub,
    "mul": _mul,
    "mul_": _mul,
    "imul": _mul,
    "div": _div,
    "div_": _div,
    "truediv": _div,
    "itruediv": _div,
    "contiguous": _identity,
    "clone": lambda walk, x, path="": Traced(x.branches),  # another tensor for what changes in place
    "float": _identity,
    "to": _identity,
    "type_as": _identity,
    "double": _identity,
    "type": _identity,
    "cpu": _identity,
    "cuda": _identity,
    "detach": _identity,
    "requires_grad_": _identity,
}
# functions whose first argument need not be an activation
COMBINING = rectifiers.COMBINING | {
    "float",
    "double",
    "cpu",
    "cuda",
    "detach",
    "type",
    "to",
    "type_as",
    "cat",
    "concat",
    "concatenate",
    "stack",
    "matmul",
    "mm",
    "einsum",
    "add",
    "iadd",
    "sub",
    "isub",
    "mul",
    "imul",
    "div",
    "truediv",
    "itruediv",
}
# in-place forms, after which the operand itself has the new value
IN_PLACE = rectifiers.IN_PLACE | {"relu_", "iadd", "isub", "imul", "itruediv", "add_", "sub_", "mul_", "div_"}
# what may be computed from sizes and parameters while a network is traced
ARITHMETIC = {
    operator.getitem, operator.mul, operator.add, operator.sub, operator.floordiv, operator.truediv, operator.neg,
    operator.eq, math.prod,
}  # fmt: skip
