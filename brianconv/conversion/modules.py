"""What each torch module, function and method does to a traced tensor.

Every converter takes the walk through the network, the tensor, and the module or the arguments of the call. It says
what is wrong; the walk adds where.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from brianconv.conversion.channels import Placement
from brianconv.conversion.geometry import Convolution, Dense, MaxPooling, Shape, TransposedConvolution, average_pooling
from brianconv.conversion.traced import Traced, concatenated
from brianconv.errors import DataError, ShapeError, UnsupportedLayerError

# traced sizes carry the batch as this unlikely number, so that `x.view(x.size(0), -1)` can be followed
BATCH_SIZE = 999983
ONE = np.ones(())


class Walk(Protocol):
    """What converters need of the walk through the network."""

    def rectified(self, x: Traced, path: str) -> Traced: ...

    def pooled(self, x: Traced, pooling: Callable[[Shape], MaxPooling], path: str) -> Traced: ...

    def dropped(self, x: Traced, what: str) -> Traced: ...


Converter = Callable[..., Any]
Pair = int | tuple[int, ...]


def array(parameter: Any, owner: str, size: int | None = None) -> np.ndarray:
    """Return a parameter as float64, zeros where there is none; refuse NaN and infinity."""
    if parameter is None:
        return np.zeros(size or 0)
    values = torch.as_tensor(parameter).detach().cpu().to(torch.float64).numpy()
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise DataError(
            f"layer {owner!r} has {bad} weights that are NaN or infinite (of {values.size}): "
            "the training diverged or the file is damaged; load finite weights"
        )
    return values


def _pair(value: Pair) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _linear(walk: Walk, x: Traced, weight: Any, bias: Any = None, *, path: str = "") -> Traced:
    weight = array(weight, path)
    if x.shape != (weight.shape[1],):
        raise ShapeError(f"expects {weight.shape[1]} input features, got an input of shape {x.shape}")
    return x.then(Dense(weight, array(bias, path, len(weight))), path)


def _conv2d(
    walk: Walk,
    x: Traced,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    path: str = "",
) -> Traced:
    weight = array(weight, path)
    dilation = _pair(dilation)
    pads = _conv_padding(padding, dilation, weight.shape[2:])
    bias = array(bias, path, len(weight))
    return x.then(Convolution(weight, bias, x.shape, _pair(stride), pads, dilation, groups), path)


def _conv_padding(
    padding: Pair | str, dilation: tuple[int, int], kernel_size: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True))
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    rows, columns = _pair(padding)  # type: ignore[arg-type]
    return (rows, rows), (columns, columns)


def _conv_module(walk: Walk, x: Traced, module: nn.Conv2d, path: str) -> Traced:
    _check_zero_padding(module)
    m = module
    return _conv2d(walk, x, m.weight, m.bias, m.stride, m.padding, m.dilation, m.groups, path=path)


def _check_zero_padding(module: nn.Conv2d | nn.ConvTranspose2d) -> None:
    if module.padding_mode != "zeros":
        raise UnsupportedLayerError(f"pads with {module.padding_mode!r}; only zero padding is supported")


def _conv_transpose2d(
    walk: Walk,
    x: Traced,
    weight: Any,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
    *,
    path: str = "",
) -> Traced:
    weight = array(weight, path)
    bias = array(bias, path, weight.shape[1] * groups)
    settings = (_pair(stride), _pair(padding), _pair(output_padding), _pair(dilation))
    return x.then(TransposedConvolution(weight, bias, x.shape, *settings, groups), path)


def _conv_transpose_module(walk: Walk, x: Traced, module: nn.ConvTranspose2d, path: str) -> Traced:
    _check_zero_padding(module)
    m = module
    padding, beyond = m.padding, m.output_padding
    return _conv_transpose2d(walk, x, m.weight, m.bias, m.stride, padding, beyond, m.groups, m.dilation, path=path)  # type: ignore[arg-type]


def _avg_pool2d(
    walk: Walk,
    x: Traced,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    path: str = "",
) -> Traced:
    padded = any(_pair(padding))
    if ceil_mode or divisor_override is not None or (padded and not count_include_pad):
        raise UnsupportedLayerError(
            "average pooling with ceil_mode, divisor_override or count_include_pad=False "
            "has no spiking equivalent here; use the defaults"
        )
    kernel = _pair(kernel_size)
    return x.then(average_pooling(x.shape, kernel, _pair(stride) if stride else kernel, _pair(padding)), path)


def _avg_pool_module(walk: Walk, x: Traced, module: nn.AvgPool2d, path: str) -> Traced:
    m = module
    rest = (m.ceil_mode, m.count_include_pad, m.divisor_override)
    return _avg_pool2d(walk, x, m.kernel_size, m.stride, m.padding, *rest, path=path)


def _max_pool2d(
    walk: Walk,
    x: Traced,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    path: str = "",
) -> Traced:
    if ceil_mode or return_indices or _pair(dilation) != (1, 1):
        raise UnsupportedLayerError(
            "with ceil_mode, return_indices or dilation has no spiking equivalent here; use the defaults"
        )
    kernel = _pair(kernel_size)
    steps = _pair(stride) if stride else kernel
    return walk.pooled(x, lambda shape: MaxPooling(shape, kernel, steps, _pair(padding)), path)


def _max_pool2d_module(walk: Walk, x: Traced, m: nn.MaxPool2d, path: str) -> Traced:
    rest = (m.dilation, m.ceil_mode, m.return_indices)
    return _max_pool2d(walk, x, m.kernel_size, m.stride, m.padding, *rest, path=path)


def _adaptive_avg_pool2d(walk: Walk, x: Traced, output_size: Any, *, path: str = "") -> Traced:
    if len(x.shape) != 3:
        raise ShapeError(f"expects an input of shape (channels, rows, columns), got {x.shape}")
    asked = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    sizes = [n if size is None else int(size) for n, size in zip(x.shape[1:], asked, strict=True)]
    if any(n % size for n, size in zip(x.shape[1:], sizes, strict=True)):
        raise UnsupportedLayerError(
            f"averages {x.shape[1]} x {x.shape[2]} places over windows of different sizes to get "
            f"{sizes[0]} x {sizes[1]}; the output size must divide the input, or use AvgPool2d"
        )
    kernel = (x.shape[1] // sizes[0], x.shape[2] // sizes[1])
    return x if kernel == (1, 1) else x.then(average_pooling(x.shape, kernel, kernel), path)


def _mean(walk: Walk, x: Traced, dim: Any = None, keepdim: bool = False, *, path: str = "") -> Traced:
    n_axes = len(x.shape) + 1
    axes = {d % n_axes for d in ((dim,) if isinstance(dim, int) else tuple(dim or ()))}
    if not axes or not axes <= {2, 3} or (len(x.shape) == 2 and axes != {2}):
        raise UnsupportedLayerError(
            f"averages over dim={dim} of a tensor of shape {_with_batch(x.shape)}; only rows and columns can be "
            "averaged: dim=(2, 3)"
        )
    image = x.reshaped((*x.shape, 1)[:3], path)
    kernel = tuple(image.shape[axis - 1] if axis in axes else 1 for axis in (2, 3))
    pooled = image.then(average_pooling(image.shape, (kernel[0], kernel[1]), (kernel[0], kernel[1])), path)
    ends = [(1 if axis in axes else n) for axis, n in enumerate(x.shape, start=1) if keepdim or axis not in axes]
    return pooled.reshaped(tuple(ends), path)


def _with_batch(shape: Shape) -> str:
    return f"(images, {', '.join(map(str, shape))})"


def _batch_norm(
    walk: Walk,
    x: Traced,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    path: str = "",
) -> Traced:
    if running_mean is None or running_var is None or training:
        raise UnsupportedLayerError(
            "uses the statistics of the batch (track_running_stats=False or training=True), so that its output would "
            "depend on the other images; train it with running statistics"
        )
    gain = 1.0 / np.sqrt(array(running_var, path) + eps)
    if gain.shape != x.shape[:1]:
        raise ShapeError(f"normalises {len(gain)} channels, got an input of shape {x.shape}")
    gain = gain if weight is None else gain * array(weight, path)
    shift = array(bias, path, len(gain)) - array(running_mean, path) * gain
    column = (-1, *([1] * (len(x.shape) - 1)))
    return x.changed(gain.reshape(column), shift.reshape(column), path)


def _batch_norm_module(walk: Walk, x: Traced, module: nn.BatchNorm1d | nn.BatchNorm2d, path: str) -> Traced:
    m = module
    return _batch_norm(walk, x, m.running_mean, m.running_var, m.weight, m.bias, eps=m.eps, path=path)


def _relu(walk: Walk, x: Traced, inplace: bool = False, *, path: str = "") -> Traced:
    return walk.rectified(x, path)


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
        raise UnsupportedLayerError(f"is taken over dim={dim}; over the classes it would be dim=1")
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
    """Every k-th row and column, or the only one: what shortcuts without weights use."""
    items = [*index, *[slice(None)] * (len(x.shape) + 1 - len(index))] if isinstance(index, tuple) else []
    whole = [isinstance(i, slice) and i.start in (None, 0) and i.stop is None for i in items]
    only = [isinstance(i, int) and n == 1 for i, n in zip(items[1:], x.shape, strict=False)]
    if len(items) == 4 and all(whole) and all(i.step in (None, 1) for i in items[:2]):
        stride = (items[2].step or 1, items[3].step or 1)
        return x if stride == (1, 1) else x.then(average_pooling(x.shape, (1, 1), stride), path)
    if len(items) == len(x.shape) + 1 and all(whole[:1]) and all(a or b for a, b in zip(whole[1:], only, strict=True)):
        return x.reshaped(tuple(n for n, gone in zip(x.shape, only, strict=True) if not gone), path)
    raise UnsupportedLayerError(
        f"takes the part {index} of a tensor of shape {_with_batch(x.shape)}; supported are steps along rows and "
        "columns, such as x[:, :, ::2, ::2], and the only row or column, such as x[:, :, 0, 0]"
    )


def _pad(
    walk: Walk, x: Traced, pad: Any, mode: str = "constant", value: float | None = None, *, path: str = ""
) -> Traced:
    pad = (pad,) * 4 if isinstance(pad, int) else tuple(pad)
    if mode != "constant" or value or min(pad) < 0 or len(pad) > 2 * len(x.shape):
        raise UnsupportedLayerError(f"pads by {pad} ({mode}, {value}); only zero padding of 0 or more is supported")
    by_axis = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=True)][::-1]
    by_axis = [(0, 0)] * (len(x.shape) - len(by_axis)) + by_axis  # torch counts axes from the last one
    (before, behind), *spatial = by_axis
    if any(n for pair in spatial for n in pair):
        copy = np.ones((x.shape[0], 1, 1, 1))
        padding = (spatial[0], spatial[1])
        bias = np.zeros(x.shape[0])
        x = x.then(Convolution(copy, bias, x.shape, padding=padding, groups=x.shape[0], pooling=True), path)
    return x.then(Placement(x.shape, before + x.shape[0] + behind, before), path) if before or behind else x


def _cat(walk: Walk, tensors: Any, dim: int = 0, *, path: str = "") -> Traced:
    if not isinstance(tensors, list | tuple) or not all(isinstance(t, Traced) for t in tensors) or not tensors:
        raise UnsupportedLayerError("concatenates something else than activations")
    if dim % (len(tensors[0].shape) + 1) != 1:
        raise UnsupportedLayerError(f"concatenates along dim={dim}; only channels or features can be: dim=1")
    return concatenated(tensors)


def _add(walk: Walk, a: Any, other: Any, alpha: float = 1, *, path: str = "") -> Traced:
    if not isinstance(a, Traced):
        return _add(walk, _times(other, alpha, path), a, path=path)
    if isinstance(other, Traced):
        return a.plus(_times(other, alpha, path))
    return a.changed(ONE, alpha * _operand(a, other, path), path)


def _sub(walk: Walk, a: Any, other: Any, alpha: float = 1, *, path: str = "") -> Traced:
    return _add(walk, a, other, alpha=-alpha, path=path)


def _mul(walk: Walk, a: Any, other: Any, *, path: str = "") -> Traced:
    if isinstance(a, Traced) and isinstance(other, Traced):
        raise UnsupportedLayerError(
            "multiplies two activations, which has no spiking equivalent here; only products with constants have"
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
    """Return a constant as an array with as many axes as the tensor has without images, or none."""
    if not isinstance(constant, int | float | np.ndarray | torch.Tensor):
        raise UnsupportedLayerError(f"combines an activation with a {type(constant).__name__}")
    values = array(torch.as_tensor(constant), path)
    if values.size == 1:
        return values.reshape(())
    missing = len(x.shape) + 1 - values.ndim
    full = values.reshape((1,) * max(missing, 0) + values.shape)
    fits = full.ndim == len(x.shape) + 1 and full.shape[0] == 1
    if not fits or any(n not in (1, m) for n, m in zip(full.shape[1:], x.shape, strict=True)):
        raise ShapeError(f"combines an activation of shape {x.shape} with a constant of shape {values.shape}")
    return full[0]


MODULES: dict[type[nn.Module], Converter] = {
    nn.Linear: lambda walk, x, module, path: _linear(walk, x, module.weight, module.bias, path=path),
    nn.Conv2d: _conv_module,
    nn.ConvTranspose2d: _conv_transpose_module,
    nn.AvgPool2d: _avg_pool_module,
    nn.MaxPool2d: _max_pool2d_module,
    nn.AdaptiveAvgPool2d: lambda walk, x, module, path: _adaptive_avg_pool2d(walk, x, module.output_size, path=path),
    nn.BatchNorm1d: _batch_norm_module,
    nn.BatchNorm2d: _batch_norm_module,
    nn.ReLU: lambda walk, x, module, path: _relu(walk, x, path=path),
    nn.Flatten: lambda walk, x, module, path: _flatten(walk, x, module.start_dim, module.end_dim, path=path),
    nn.Unflatten: lambda walk, x, module, path: _unflatten(walk, x, module.dim, module.unflattened_size, path=path),
    nn.ZeroPad2d: lambda walk, x, module, path: _pad(walk, x, module.padding, path=path),
    nn.Softmax: lambda walk, x, module, path: _softmax(walk, x, module.dim, path=path),
    nn.LogSoftmax: lambda walk, x, module, path: _softmax(walk, x, module.dim, path=path),
    nn.Dropout: _identity,
    nn.Dropout2d: _identity,
    nn.Identity: _identity,
}
FUNCTIONS: dict[Any, Converter] = {
    functional.linear: _linear,
    functional.conv2d: _conv2d,
    torch.conv2d: _conv2d,
    functional.conv_transpose2d: _conv_transpose2d,
    functional.avg_pool2d: _avg_pool2d,
    functional.max_pool2d: _max_pool2d,
    torch.max_pool2d: _max_pool2d,
    functional.adaptive_avg_pool2d: _adaptive_avg_pool2d,
    torch.mean: _mean,
    functional.batch_norm: _batch_norm,
    functional.relu: _relu,
    functional.relu_: _relu,
    torch.relu: _relu,
    torch.relu_: _relu,
    functional.softmax: _softmax,
    functional.log_softmax: _softmax,
    torch.softmax: _softmax,
    torch.log_softmax: _softmax,
    torch.flatten: _flatten,
    torch.unflatten: _unflatten,
    torch.reshape: _reshape,
    torch.squeeze: _squeeze,
    torch.unsqueeze: _unsqueeze,
    functional.pad: _pad,
    functional.dropout: _dropout,
    functional.dropout2d: _dropout,
    getattr: _getattr,
    operator.getitem: _getitem,
    operator.neg: _neg,
    torch.neg: _neg,
}
# functions whose first argument need not be an activation
COMBINING: dict[Any, Converter] = {
    torch.cat: _cat,
    torch.concat: _cat,
    torch.concatenate: _cat,
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    operator.sub: _sub,
    operator.isub: _sub,
    torch.sub: _sub,
    operator.mul: _mul,
    operator.imul: _mul,
    torch.mul: _mul,
    operator.truediv: _div,
    operator.itruediv: _div,
    torch.div: _div,
}
METHODS: dict[str, Converter] = {
    "relu": _relu,
    "relu_": _relu,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "mean": _mean,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "view": _reshape,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "size": _size,
    "dim": lambda walk, x, path="": len(x.shape) + 1,
    "add": _add,
    "add_": _add,
    "sub": _sub,
    "sub_": _sub,
    "mul": _mul,
    "mul_": _mul,
    "div": _div,
    "div_": _div,
    "neg": _neg,
    "contiguous": _identity,
    "clone": lambda walk, x, path="": Traced(x.branches),  # another tensor for what changes in place
    "float": _identity,
    "double": _identity,
}
# in-place forms, after which the operand itself has the new value
IN_PLACE = {
    functional.relu_, torch.relu_, operator.iadd, operator.isub, operator.imul, operator.itruediv,
    "relu_", "add_", "sub_", "mul_", "div_",
}  # fmt: skip
# what may be computed from sizes and parameters while a network is traced
ARITHMETIC = {
    operator.getitem, operator.mul, operator.add, operator.sub, operator.floordiv, operator.truediv, operator.neg,
    operator.eq, math.prod,
}  # fmt: skip
