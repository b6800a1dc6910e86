"""Read a trained torch module into a LayerGraph.

The module is copied, put into evaluation mode and traced with torch.fx; each traced operation extends the chain of
geometries that leads to the next layer. The user's module is never changed.
"""

from __future__ import annotations

import copy
import keyword
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from brianconv.conversion.geometry import Convolution, Dense, Geometry, MaxPooling, Reshape, Shape, average_pooling
from brianconv.conversion.graph import INPUT, Connection, Layer, LayerGraph
from brianconv.errors import DataError, ShapeError, UnsupportedLayerError

SUPPORTED = (
    "Linear, Conv2d, AvgPool2d, MaxPool2d, BatchNorm1d/2d directly after Linear or Conv2d, ReLU, Flatten, view, "
    "reshape, Dropout, Identity"
)
REMEDIES: dict[str, str] = {}
RESERVED = {INPUT, "schedule"}
# traced sizes carry the batch as this unlikely number, so that `x.view(x.size(0), -1)` can be followed
BATCH_SIZE = 999983


@dataclass(frozen=True, eq=False)
class _Value:
    """A traced tensor: a chain of geometries on top of a finished layer."""

    source: str
    shape: Shape
    chain: tuple[Geometry, ...] = ()
    modules: tuple[str, ...] = ()
    weighted_module: str | None = None

    def then(self, geometry: Geometry, module: str) -> _Value:
        name = module if geometry.weighted or self.weighted_module is None else self.weighted_module
        return _Value(self.source, geometry.output_shape, (*self.chain, geometry), (*self.modules, module), name)


def extract_graph(model: nn.Module, input_shape: Shape) -> LayerGraph:
    """Return the layers of a trained network.

    Parameters
    ----------
    model : torch.nn.Module
        Takes a batch of images, returns one row of scores an image. It is not changed.
    input_shape : tuple of int
        Shape of one image, (channels, rows, columns) or (features,).

    Raises
    ------
    UnsupportedLayerError
        If the network contains anything that has no spiking equivalent here.
    ShapeError
        If shapes do not fit.
    DataError
        If a weight is not finite.
    """
    if not isinstance(model, nn.Module):
        raise UnsupportedLayerError(f"a torch.nn.Module is needed, got {type(model).__name__}")
    model = nn.Sequential(model) if type(model) in MODULES else model
    traced = _trace(copy.deepcopy(model).eval())
    return _Walk(traced, tuple(int(n) for n in input_shape)).graph()


def _trace(model: nn.Module) -> fx.GraphModule:
    for path, _ in model.named_modules():
        if any(keyword.iskeyword(part) for part in path.split(".")):
            raise UnsupportedLayerError(f"module {path!r} has the name of a Python keyword: rename it")
    try:
        traced = fx.symbolic_trace(model)
    except Exception as error:
        raise UnsupportedLayerError(
            f"the forward() of {type(model).__name__} cannot be traced: {error}. "
            "It must be a fixed sequence of operations, without Python branches on tensor values"
        ) from error
    traced.graph.eliminate_dead_code()
    return traced


class _Walk:
    """Follows the traced operations in order and collects the layers."""

    def __init__(self, traced: fx.GraphModule, input_shape: Shape) -> None:
        self.modules = dict(traced.named_modules())
        self.nodes = traced.graph.nodes
        self.input_shape = input_shape
        self.values: dict[fx.Node, Any] = {}
        self.layers: list[Layer] = []

    def graph(self) -> LayerGraph:
        for node in self.nodes:
            self.values[node] = self._evaluate(node)
        return LayerGraph(self.input_shape, tuple(self.layers))

    def _evaluate(self, node: fx.Node) -> Any:
        where = _describe(node, self.modules)
        try:
            return getattr(self, f"_{node.op}")(node)
        except ShapeError as error:
            raise ShapeError(f"{where}: {error}") from error

    def _placeholder(self, node: fx.Node) -> Any:
        if any(isinstance(value, _Value) for value in self.values.values()):
            if node.args:  # a second argument of forward() with a default value
                return node.args[0]
            raise UnsupportedLayerError(f"forward() takes a second input {node.target!r}; one image is supported")
        return _Value(INPUT, self.input_shape)

    def _get_attr(self, node: fx.Node) -> Any:
        raise UnsupportedLayerError(
            f"forward() uses the parameter {node.target!r} directly; put it into a module. Supported: {SUPPORTED}"
        )

    def _call_module(self, node: fx.Node) -> Any:
        module, path = self.modules[str(node.target)], str(node.target)
        for kind, convert in MODULES.items():
            if type(module) is kind:
                return convert(self, self._tensor(node), module, path)
        raise _unsupported(node, self.modules)

    def _call_function(self, node: fx.Node) -> Any:
        arguments = [self._plain(a) for a in node.args]
        if node.target in ARITHMETIC and not any(isinstance(a, _Value) for a in arguments):
            return node.target(*arguments)  # type: ignore[operator]
        if node.target is getattr and arguments[1:] == ["shape"]:
            return (BATCH_SIZE, *arguments[0].shape)
        return self._call(FUNCTIONS.get(node.target), node)

    def _call_method(self, node: fx.Node) -> Any:
        return self._call(METHODS.get(str(node.target)), node)

    def _call(self, convert: Callable[..., Any] | None, node: fx.Node) -> Any:
        if convert is None:
            raise _unsupported(node, self.modules)
        arguments = [self._plain(a) for a in node.args[1:]]
        keywords = {k: self._plain(v) for k, v in node.kwargs.items() if k != "input"}
        try:
            return convert(self, self._tensor(node), *arguments, path=node.name, **keywords)
        except TypeError as error:
            raise UnsupportedLayerError(f"{_describe(node, self.modules)}: {error}") from error

    def _output(self, node: fx.Node) -> None:
        value = self._plain(node.args[0])
        if not isinstance(value, _Value):
            raise UnsupportedLayerError("forward() must return one tensor of scores")
        if value.chain or not self.layers:
            self.close(value, rectified=False)
        elif value.source != self.layers[-1].name:
            raise UnsupportedLayerError(f"forward() returns {value.source!r}, but computes {self.layers[-1].name!r}")

    def _plain(self, argument: Any) -> Any:
        return fx.node.map_arg(argument, lambda node: self.values[node])

    def _tensor(self, node: fx.Node) -> _Value:
        value = self._plain(node.args[0] if node.args else node.kwargs.get("input"))
        if not isinstance(value, _Value):
            raise _unsupported(node, self.modules)
        return value

    def only_rectified(self, path: str) -> bool:
        """Whether nothing but a ReLU uses the operation of a module path or node name."""
        node = next(node for node in self.nodes if path in (str(node.target), node.name))
        return all(_is_relu(user, self.modules) for user in node.users)

    def close(self, value: _Value, rectified: bool) -> _Value:
        """Make a layer of what has been collected, and return its output."""
        if not value.chain:
            raise DataError("the network has no layer with weights: there is nothing to convert")
        name = _identifier(value.weighted_module or value.modules[-1], {layer.name for layer in self.layers})
        connection = Connection(value.source, value.chain)
        self.layers.append(Layer(name, (connection,), rectified, value.modules))
        return _Value(name, value.shape)


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.ReLU)
    return node.target in ("relu", "relu_") or FUNCTIONS.get(node.target) is _relu


def _identifier(path: str, taken: set[str]) -> str:
    """Turn a module path into a Brian2 name: 'features.0' -> 'features_0', '0' -> 'layer_0'."""
    name = re.sub(r"\W", "_", path, flags=re.ASCII)
    if not name[:1].isalpha() or keyword.iskeyword(name) or name in RESERVED:
        name = f"layer_{name}"
    candidates = [name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _describe(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Name the object that a message is about."""
    if node.op == "call_module":
        return f"layer {str(node.target)!r} ({type(modules[str(node.target)]).__name__})"
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    stack = node.meta.get("nn_module_stack") or {}
    inside = f" in module {list(stack)[-1]!r}" if stack and list(stack)[-1] else " in forward()"
    return f"operation {name!r}{inside}"


def _unsupported(node: fx.Node, modules: dict[str, nn.Module]) -> UnsupportedLayerError:
    target = type(modules[str(node.target)]).__name__ if node.op == "call_module" else ""
    target = target or getattr(node.target, "__name__", str(node.target))
    remedy = REMEDIES.get(target)
    advice = f"; {remedy}" if remedy else ""
    return UnsupportedLayerError(
        f"{_describe(node, modules)} has no spiking equivalent here{advice}; supported: {SUPPORTED}"
    )


def _array(parameter: torch.Tensor | None, owner: str, size: int | None = None) -> np.ndarray:
    """Return a parameter as float64, zeros where there is none; refuse NaN and infinity."""
    if parameter is None:
        return np.zeros(size or 0)
    array = parameter.detach().cpu().to(torch.float64).numpy()
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise DataError(
            f"layer {owner!r} has {bad} weights that are NaN or infinite (of {array.size}): "
            "the training diverged or the file is damaged; load finite weights"
        )
    return array


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _linear(walk: _Walk, x: _Value, module: nn.Linear, path: str) -> _Value:
    if x.shape != (module.in_features,):
        raise ShapeError(f"expects {module.in_features} input features, got an input of shape {x.shape}")
    weight = _array(module.weight, path)
    return x.then(Dense(weight, _array(module.bias, path, len(weight))), path)


def _conv2d(walk: _Walk, x: _Value, module: nn.Conv2d, path: str) -> _Value:
    if module.padding_mode != "zeros":
        raise UnsupportedLayerError(f"layer {path!r} pads with {module.padding_mode!r}; only zero padding is supported")
    weight = _array(module.weight, path)
    return x.then(
        Convolution(
            weight,
            _array(module.bias, path, len(weight)),
            x.shape,
            _pair(module.stride),
            _conv_padding(module),
            _pair(module.dilation),
            module.groups,
        ),
        path,
    )


def _conv_padding(module: nn.Conv2d) -> tuple[tuple[int, int], tuple[int, int]]:
    if module.padding == "valid":
        return (0, 0), (0, 0)
    if module.padding == "same":
        total = [d * (k - 1) for d, k in zip(_pair(module.dilation), _pair(module.kernel_size), strict=True)]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)
    rows, columns = _pair(module.padding)  # type: ignore[arg-type]
    return (rows, rows), (columns, columns)


def _avg_pool2d(
    walk: _Walk,
    x: _Value,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    path: str = "",
) -> _Value:
    padded = any(_pair(padding))
    if ceil_mode or divisor_override is not None or (padded and not count_include_pad):
        raise UnsupportedLayerError(
            f"average pooling {path!r} with ceil_mode, divisor_override or count_include_pad=False "
            "has no spiking equivalent here; use the defaults"
        )
    kernel = _pair(kernel_size)
    return x.then(average_pooling(x.shape, kernel, _pair(stride) if stride else kernel, _pair(padding)), path)


def _avg_pool2d_module(walk: _Walk, x: _Value, module: nn.AvgPool2d, path: str) -> _Value:
    return _avg_pool2d(
        walk,
        x,
        module.kernel_size,
        module.stride,
        module.padding,
        module.ceil_mode,
        module.count_include_pad,
        module.divisor_override,
        path=path,
    )


def _max_pool2d(
    walk: _Walk,
    x: _Value,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    path: str = "",
) -> _Value:
    if ceil_mode or return_indices or _pair(dilation) != (1, 1):
        raise UnsupportedLayerError(
            f"maximum pooling {path!r} with ceil_mode, return_indices or dilation has no spiking equivalent here; "
            "use the defaults"
        )
    if any(geometry.weighted for geometry in x.chain) and not walk.only_rectified(path):
        raise UnsupportedLayerError(
            f"maximum pooling {path!r} follows weights without a ReLU, and spikes cannot carry negative maxima: put a "
            "ReLU before or directly after it"
        )
    before = walk.close(x, rectified=True) if x.chain else x
    kernel = _pair(kernel_size)
    pooling = MaxPooling(before.shape, kernel, _pair(stride) if stride else kernel, _pair(padding))
    return walk.close(before.then(pooling, path), rectified=False)


def _max_pool2d_module(walk: _Walk, x: _Value, module: nn.MaxPool2d, path: str) -> _Value:
    return _max_pool2d(
        walk,
        x,
        module.kernel_size,
        module.stride,
        module.padding,
        module.dilation,
        module.ceil_mode,
        module.return_indices,
        path=path,
    )


def _batch_norm(walk: _Walk, x: _Value, module: nn.BatchNorm1d | nn.BatchNorm2d, path: str) -> _Value:
    previous = x.chain[-1] if x.chain else None
    if not isinstance(previous, Convolution | Dense) or not previous.weighted:
        raise UnsupportedLayerError(
            f"layer {path!r} ({type(module).__name__}) does not directly follow a Linear or Conv2d, "
            "so that it cannot be folded into weights; move it there"
        )
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedLayerError(
            f"layer {path!r} ({type(module).__name__}) keeps no running statistics (track_running_stats=False); "
            "its output would depend on the batch"
        )
    if module.num_features != x.shape[0]:
        raise ShapeError(f"normalises {module.num_features} channels, got an input of shape {x.shape}")
    return replace(x, chain=(*x.chain[:-1], _fold_batchnorm(previous, module, path)), modules=(*x.modules, path))


def _fold_batchnorm(
    previous: Convolution | Dense, module: nn.BatchNorm1d | nn.BatchNorm2d, path: str
) -> Convolution | Dense:
    gain = 1.0 / np.sqrt(_array(module.running_var, path) + module.eps)
    if module.affine:
        gain = gain * _array(module.weight, path)
    shift = (previous.bias - _array(module.running_mean, path)) * gain
    if module.affine:
        shift = shift + _array(module.bias, path)
    weight = previous.weight * gain.reshape(-1, *([1] * (previous.weight.ndim - 1)))
    return replace(previous, weight=weight, bias=shift)


def _relu(walk: _Walk, x: _Value, inplace: bool = False, path: str = "") -> _Value:
    if not any(geometry.weighted for geometry in x.chain):
        return x  # images and rectified layers are not negative, nor are their averages
    return walk.close(x, rectified=True)


def _identity(walk: _Walk, x: _Value, *arguments: Any, path: str = "", **keywords: Any) -> _Value:
    return x


def _flatten(walk: _Walk, x: _Value, start_dim: int = 0, end_dim: int = -1, path: str = "") -> _Value:
    if start_dim != 1 or end_dim not in (-1, len(x.shape)):
        raise UnsupportedLayerError(f"flatten {path!r} must keep the batch and flatten the rest: use start_dim=1")
    return _reshaped(x, (math.prod(x.shape),), path)


def _reshape(walk: _Walk, x: _Value, *sizes: Any, path: str = "", shape: Any = None) -> _Value:
    target = list(shape or (sizes[0] if isinstance(sizes[0], tuple | list) else sizes))
    total = BATCH_SIZE * math.prod(x.shape)
    if target.count(-1) == 1:
        target[target.index(-1)] = total // -math.prod(target)
    if math.prod(target) != total or target[0] != BATCH_SIZE:
        raise ShapeError(f"view or reshape to {tuple(sizes)} mixes images or does not fit the input {x.shape}")
    return _reshaped(x, tuple(target[1:]), path)


def _reshaped(x: _Value, shape: Shape, path: str) -> _Value:
    return x if shape == x.shape else x.then(Reshape(x.shape, shape), path)


def _size(walk: _Walk, x: _Value, dim: int | None = None, path: str = "") -> Any:
    full = (BATCH_SIZE, *x.shape)
    return full if dim is None else full[dim]


MODULES: dict[type[nn.Module], Callable[..., _Value]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.AvgPool2d: _avg_pool2d_module,
    nn.MaxPool2d: _max_pool2d_module,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: lambda walk, x, module, path: _relu(walk, x, path=path),
    nn.Flatten: lambda walk, x, module, path: _flatten(walk, x, module.start_dim, module.end_dim, path),
    nn.Dropout: _identity,
    nn.Dropout2d: _identity,
    nn.Identity: _identity,
}
FUNCTIONS: dict[Any, Callable[..., _Value]] = {
    functional.relu: _relu,
    functional.relu_: _relu,
    torch.relu: _relu,
    torch.relu_: _relu,
    functional.avg_pool2d: _avg_pool2d,
    functional.max_pool2d: _max_pool2d,
    torch.max_pool2d: _max_pool2d,
    torch.flatten: _flatten,
    torch.reshape: _reshape,
    functional.dropout: _identity,
    functional.dropout2d: _identity,
}
METHODS: dict[str, Callable[..., Any]] = {
    "relu": _relu,
    "relu_": _relu,
    "flatten": _flatten,
    "view": _reshape,
    "reshape": _reshape,
    "size": _size,
    "contiguous": _identity,
    "float": _identity,
    "double": _identity,
}
ARITHMETIC = {operator.getitem, operator.mul, operator.add, operator.sub, operator.floordiv, math.prod}
