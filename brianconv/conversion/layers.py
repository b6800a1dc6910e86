"""Read a trained torch module into a LayerGraph.

The module is copied, put into evaluation mode and traced with torch.fx; each traced operation extends the paths that
lead to the next layer. The user's module is never changed.
"""

from __future__ import annotations

import inspect
import keyword
import operator
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from brianconv.connectivity.base import Converter, Shape
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.folding import Chain
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.conversion.operations import ARITHMETIC, COMBINING, FUNCTIONS, IN_PLACE, MODULES
from brianconv.conversion.rearrangements import padded, summed
from brianconv.conversion.rectifiers import Positive
from brianconv.conversion.shape_tracer import line_of_user, trace
from brianconv.conversion.traced_tensor import BATCH_SIZE, Branch, Traced, concatenated
from brianconv.conversion.unwrapping import unwrapped
from brianconv.errors import ConversionNote, DataError, ShapeError, UnsupportedLayerError
from brianconv.graph import INPUT, Layer, LayerGraph

SUPPORTED = (
    "Linear, Conv1d/2d, ConvTranspose1d/2d, average and maximum pooling, BatchNorm1d/2d, ReLU and other piecewise "
    "linear functions, Flatten, padding, upsampling, slices, rearrangements, Dropout, Identity, additions, "
    "concatenation, view, reshape; the whole list: docs/operations.md"
)
SMOOTH = "is no piecewise linear function: replace it by {} and fine-tune"
OWN_STATISTICS = "depends on the statistics of each image by itself, which no fixed weights give: train with BatchNorm"
RECURRENT = "multiplies activations with each other, or has a memory of its own, which no fixed weights give"
REMEDIES = {
    "Sigmoid": "replace it by ReLU and fine-tune; at the output, leave it out: it keeps the order of the scores",
    "sigmoid": "replace it by relu and fine-tune; at the output, leave it out: it keeps the order of the scores",
    **dict.fromkeys(("SiLU", "silu", "GELU", "gelu", "Mish", "mish", "Softplus", "softplus"), SMOOTH.format("ReLU")),
    **dict.fromkeys(("Hardswish", "hardswish"), "multiplies two activations: replace it by ReLU and fine-tune"),
    **dict.fromkeys(("ELU", "elu", "SELU", "selu", "CELU", "celu"), SMOOTH.format("LeakyReLU")),
    **dict.fromkeys(("Tanh", "tanh"), SMOOTH.format("Hardtanh")),
    **dict.fromkeys(("GroupNorm", "group_norm", "LayerNorm", "layer_norm", "InstanceNorm2d", "instance_norm",
                     "InstanceNorm1d", "LocalResponseNorm", "local_response_norm"), OWN_STATISTICS),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "MultiheadAttention", "scaled_dot_product_attention"), RECURRENT),
}  # fmt: skip
RESERVED = {INPUT, "schedule"}
# Names of our own Brian2 objects have a double underscore, connections "_to_", parts of groups these endings: a layer
# name contains none of them, whatever its module is called.
ENDINGS = re.compile(r"_(stateupdater|subexpression_update|thresholder|resetter)(_codeobject)?(_\d+)?$")
LONGEST_NAME = 60
NOTHING_TO_CONVERT = "the network has no layer with weights: there is nothing to convert"


def extract_graph(
    model: nn.Module, input_shape: Shape, saturates: bool = True, output: str | int | None = None
) -> LayerGraph:
    """Return the layers of a trained network.

    A softmax at the output is left out, with a `ConversionNote` in the graph's notes and as a warning: the scores are
    then its inputs.

    Parameters
    ----------
    model : torch.nn.Module
        Takes a batch of images, returns one row of scores, or one image, for each. It is not changed.
    input_shape : tuple of int
        Shape of one image, (channels, rows, columns) or (features,).
    saturates : bool
        Whether what a neuron sends cannot exceed the scale of its layer: a clipped ReLU is then one layer, and the
        difference of two otherwise.
    output : str or int, optional
        Which one to take, of a network that returns a dictionary or a tuple of tensors.

    Raises
    ------
    UnsupportedLayerError
        If the network contains anything that has no spiking equivalent here.
    ShapeError
        If shapes do not fit.
    DataError
        If a weight is not finite.
    """
    model = unwrapped(model)
    model = nn.Sequential(model) if _module_converter(model) else model
    traced = _trace(model, tuple(int(n) for n in input_shape))
    graph = _Walk(traced, tuple(int(n) for n in input_shape), saturates, output).graph()
    for note in graph.notes:
        warnings.warn(note, ConversionNote, stacklevel=2)
    return graph


def _trace(model: nn.Module, input_shape: Shape) -> fx.GraphModule:
    for path, _ in model.named_modules():
        if any(keyword.iskeyword(part) for part in path.split(".")):
            raise UnsupportedLayerError(f"module {path!r} has the name of a Python keyword: rename it")
    try:
        traced = trace(model, input_shape, _defaults(model), _module_converter)
    except Exception as error:
        where = f" ({line})" if (line := line_of_user(error)) else ""
        reason = (str(error) or repr(error)).splitlines()[0]
        raise UnsupportedLayerError(
            f"the forward() of {type(model).__name__} cannot be traced{where}: {reason}. "
            "It must be a fixed sequence of operations, without Python branches on tensor values"
        ) from error
    traced.graph.eliminate_dead_code(lambda node: _must_stay(node, traced))
    return traced


def _defaults(model: nn.Module) -> dict[str, Any] | None:
    """Arguments of forward() beside the image, which keep their default values."""
    parameters = inspect.signature(model.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} or None


def _must_stay(node: fx.Node, traced: fx.GraphModule) -> bool:
    """Whether an operation matters although nothing uses its result."""
    return node.op in ("placeholder", "output") or _in_place(node, dict(traced.named_modules()))


def _in_place(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    return _name(node) in IN_PLACE or bool(node.kwargs.get("inplace"))


class _Walk:
    """Follows the traced operations in order and collects the layers."""

    def __init__(self, traced: fx.GraphModule, input_shape: Shape, saturates: bool, chosen: str | int | None) -> None:
        self.saturates = saturates
        self.chosen = chosen
        self.traced = traced
        self.modules = dict(traced.named_modules())
        self.input_shape = input_shape
        self.values: dict[fx.Node, Any] = {}
        self.layers: list[Layer] = []
        self.rectified_values: dict[tuple[Traced, float | None], Traced] = {}
        self.notes: list[str] = []

    def graph(self) -> LayerGraph:
        for node in self.traced.graph.nodes:
            self.node = node
            self.values[node] = self._evaluate(node)
        return LayerGraph(self.input_shape, tuple(self._needed()), tuple(self.notes))

    def _evaluate(self, node: fx.Node) -> Any:
        if not node.op.startswith("call_"):
            return getattr(self, f"_{node.op}")(node)
        try:
            result = getattr(self, f"_{node.op}")(node)
        except (ShapeError, UnsupportedLayerError) as error:
            raise type(error)(f"{_describe(node, self.modules)}: {error}") from error
        if _in_place(node, self.modules):
            operand = self._plain(node.args[0])
            self.values |= {other: result for other, value in self.values.items() if value is operand}
        return result

    def _placeholder(self, node: fx.Node) -> Any:
        if any(isinstance(value, Traced) for value in self.values.values()):
            if node.args:  # a second argument of forward() with a default value
                return node.args[0]
            raise UnsupportedLayerError(f"forward() takes a second input {node.target!r}; one image is supported")
        return Traced.layer(INPUT, self.input_shape)

    def _get_attr(self, node: fx.Node) -> Any:
        owner: Any = self.traced
        for name in str(node.target).split("."):
            owner = getattr(owner, name)
        return owner

    def _call_module(self, node: fx.Node) -> Any:
        module, path = self.modules[str(node.target)], str(node.target)
        convert = _module_converter(module)
        if convert is None:
            raise self._unsupported(node)
        if len(node.args) > 1 or set(node.kwargs) - {"input"}:
            raise UnsupportedLayerError("is called with more than its input; give settings to the module itself")
        return convert(self, self._tensor(node.args[0] if node.args else node.kwargs["input"]), module, path)

    def _call_function(self, node: fx.Node) -> Any:
        arguments = [self._plain(a) for a in node.args]
        if node.target is operator.getitem and isinstance(arguments[0], (tuple, list, dict)):
            return arguments[0][arguments[1]]
        if _of_torch(node.target) and self._is_constant(node):
            return self._constant(node, node.target)
        return self._call(FUNCTIONS.get(_name(node)) if _of_torch(node.target) else None, node)

    def _call_method(self, node: fx.Node) -> Any:
        if self._is_constant(node):
            return self._constant(node, lambda x, *rest, **named: getattr(x, str(node.target))(*rest, **named))
        return self._call(FUNCTIONS.get(str(node.target)), node)

    def _is_constant(self, node: fx.Node) -> bool:
        """Whether what is computed depends on no activation."""
        values = [self.values[other] for other in node.all_input_nodes]
        found: list[Any] = []
        fx.node.map_aggregate(values, found.append)
        return not any(isinstance(value, (Traced, Positive)) for value in found)

    def _constant(self, node: fx.Node, function: Any) -> Any:
        """Return what is computed from sizes and parameters."""
        given, named = self._plain(node.args), self._plain(dict(node.kwargs))
        sizes: list[Any] = []
        fx.node.map_aggregate((given, named), sizes.append)
        if node.target not in ARITHMETIC and any(isinstance(n, int) and n == BATCH_SIZE for n in sizes):
            raise UnsupportedLayerError("makes a tensor with one row per image; make it with one row, which broadcasts")
        with torch.no_grad():
            return function(*given, **named)

    def _call(self, convert: Converter | None, node: fx.Node) -> Any:
        if convert is None:
            raise self._unsupported(node)
        keywords = {key: self._plain(value) for key, value in node.kwargs.items()}
        arguments = [keywords.pop("input"), *node.args] if "input" in keywords else list(node.args)
        arguments = [self._plain(a) for a in arguments]
        if _name(node) not in COMBINING:
            self._tensor(arguments[0] if arguments else None)
        path = _path_of(node)
        try:
            signature = inspect.signature(convert)
            signature.bind(self, *arguments, path=path, **keywords)
        except TypeError as error:
            known = ", ".join(name for name in list(signature.parameters)[2:] if name != "path")
            raise UnsupportedLayerError(f"{error}; supported arguments: {known or 'none'}") from error
        return convert(self, *arguments, path=path, **keywords)

    def _output(self, node: fx.Node) -> None:
        value = self._chosen_output(self._plain(node.args[0]))
        if not isinstance(value, Traced):
            raise UnsupportedLayerError(
                f"forward() returns a {type(value).__name__}; it must return one tensor of scores, or an image"
            )
        if value.finished == INPUT:
            raise DataError(NOTHING_TO_CONVERT)
        last = value if value.finished else self.close(value, self._path_to(value, node), rectified=False)
        self.output = last.finished

    def _path_to(self, value: Traced, node: fx.Node) -> str:
        """Return the path of the operation that made one of the inputs of another."""
        return _path_of(next(made for made in node.all_input_nodes if self.values[made] is value))

    def _chosen_output(self, value: Any) -> Any:
        """Return the tensor that is chosen of several, or the only one."""
        if not isinstance(value, (dict, tuple, list)):
            if self.chosen is not None:
                raise UnsupportedLayerError(f"output is {self.chosen!r}, but forward() returns a tensor: leave it out")
            return value
        by_name = dict(value) if isinstance(value, dict) else dict(enumerate(value))
        tensors = {name: tensor for name, tensor in by_name.items() if isinstance(tensor, Traced)}
        if self.chosen is None and len(tensors) == 1:
            return next(iter(tensors.values()))
        if self.chosen not in tensors:
            kind = "dictionary" if isinstance(value, dict) else type(value).__name__
            found = f", not {self.chosen!r}" if self.chosen is not None else ""
            raise UnsupportedLayerError(
                f"forward() returns a {kind} with the tensors {', '.join(map(repr, tensors))}{found}: choose one, as "
                f"in convert(..., output={next(iter(tensors), 0)!r})"
            )
        return tensors[self.chosen]

    def _needed(self) -> list[Layer]:
        """The layers that the output depends on, the output last."""
        by_name = {layer.name: layer for layer in self.layers}
        needed, ahead = set(), [self.output]
        while ahead:
            name = ahead.pop()
            if name in by_name and name not in needed:
                needed.add(name)
                ahead += [connection.source for connection in by_name[name].connections]
        return [layer for layer in self.layers if layer.name in needed]

    def _plain(self, argument: Any) -> Any:
        return fx.node.map_arg(argument, lambda node: self.values[node])

    def _tensor(self, argument: Any) -> Traced:
        value = self._plain(argument)
        if not isinstance(value, Traced):
            raise UnsupportedLayerError(f"is applied to a {type(value).__name__}, not to an activation")
        return value

    def _unsupported(self, node: fx.Node) -> UnsupportedLayerError:
        target = type(self.modules[str(node.target)]).__name__ if node.op == "call_module" else _name(node)
        advice = f"; {REMEDIES[target]}" if target in REMEDIES else ""
        return UnsupportedLayerError(f"has no spiking equivalent here{advice}; supported: {SUPPORTED}")

    def rectified(self, x: Traced, path: str, ceiling: float | None = None) -> Traced:
        """Return a tensor after a ReLU, clipped if there is a ceiling; each part of a concatenation is a layer."""
        if (x, ceiling) not in self.rectified_values:
            parts = [self._rectified_part(part, path, ceiling) for part, _ in x.parts()]
            self.rectified_values[x, ceiling] = concatenated(parts)
        return self.rectified_values[x, ceiling]

    def _rectified_part(self, x: Traced, path: str, ceiling: float | None) -> Traced:
        only = x.branches[0]
        if len(x.branches) == 1 and not any(part.weighted for part in only.chain) and ceiling is None:
            return x  # images and rectified layers are not negative, nor are their averages
        return self.close(x, path, rectified=True, ceiling=ceiling)

    def pooled(self, x: Traced, pooling: Callable[[Shape], MaxPooling], path: str) -> Traced:
        """Return a tensor after maximum pooling, which is a layer of its own."""
        pooled = []
        for part, _ in x.parts():
            weighted = any(c.weighted for branch in part.branches for c in branch.chain)
            if weighted and not all(_is_relu(user, self.modules) for user in self.node.users):
                raise UnsupportedLayerError(
                    "follows weights without a ReLU, and spikes cannot carry negative maxima: put a ReLU before or "
                    "directly after it"
                )
            before = part if part.finished else self.close(part, path, rectified=True)
            assert before.finished
            name = _identifier(path, {layer.name for layer in self.layers})
            connection = Connection(before.finished, (pooling(before.shape),))
            self.layers.append(Layer(name, (connection,), False, (path,)))
            pooled.append(Traced.layer(name, connection.output_shape))
        return concatenated(pooled)

    def averaged(self, x: Traced, axes: tuple[int, ...], keepdim: bool, path: str) -> Traced:
        """Return the mean over axes that are not rows and columns of an image."""
        return summed(self, x, axes, keepdim, path=path, average=True)

    def rimmed(self, x: Traced, module: Any) -> Traced:
        """Return the input of a convolution that pads with the input's own values."""
        if module.padding_mode == "zeros":
            return x
        return padded(self, x, module._reversed_padding_repeated_twice, module.padding_mode, "")

    def dropped(self, x: Traced, what: str) -> Traced:
        """Leave out an operation at the output that keeps the order of the scores."""
        if not all(user.op == "output" for user in self.node.users):
            raise UnsupportedLayerError(
                f"takes a {what} in the middle of the network, which has no spiking equivalent here; only at the "
                "output can it be left out"
            )
        self.notes.append(f"{_describe(self.node, self.modules)} is left out: the scores are the inputs of the {what}")
        return x

    def close(self, x: Traced, path: str, rectified: bool, ceiling: float | None = None) -> Traced:
        """Make a layer of what has been collected, and return its activation."""
        named = next((branch.name for branch in x.branches if branch.name), None)
        modules = tuple(dict.fromkeys(module for branch in x.branches for module in branch.modules))
        name = _identifier(named or (modules or (path,))[-1], {layer.name for layer in self.layers})
        connections = tuple(Connection(branch.source, _scalable(branch)) for branch in x.branches)
        limit = None if ceiling is None else np.asarray(ceiling)
        self.layers.append(Layer(name, connections, rectified, modules, limit))
        return Traced.layer(name, x.shape)


def _scalable(branch: Branch) -> Chain:
    """The chain of a path, with one-to-one weights if nothing else in it can absorb the scales of activations."""
    if not any(part.takes_scales for part in branch.chain):
        shape = branch.chain[0].input_shape if branch.chain else branch.shape
        return (OneToOne(np.ones(()), shape), *branch.chain)
    return branch.chain


def _module_converter(module: nn.Module) -> Converter | None:
    """Return how a module of torch is converted, by its name; None for others, such as the user's own."""
    kind = type(module)
    return MODULES.get(kind.__name__) if kind.__module__.startswith("torch.nn.") else None


def _of_torch(function: Any) -> bool:
    """Whether a traced function is one of torch or Python, and not one of the user's own of the same name."""
    if function is functional.max_pool2d:
        return True
    home = getattr(function, "__module__", None) or "torch"
    return home.partition(".")[0] in ("torch", "_operator", "operator", "builtins", "math")


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.ReLU)
    return _name(node) in ("relu", "relu_")


def _identifier(path: str, taken: set[str]) -> str:
    """Turn a module path into a Brian2 name: 'features.0' -> 'features_0', '0' -> 'layer_0'."""
    name = re.sub(r"\W", "_", path, flags=re.ASCII)[:LONGEST_NAME]
    if not name[:1].isalpha() or keyword.iskeyword(name) or name in RESERVED:
        name = f"layer_{name}"
    name = re.sub(r"_to(?=_)", "_into", re.sub(r"_{2,}", "_", name))
    name = f"{name}_layer" if ENDINGS.search(name) else name
    candidates = [name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _name(node: fx.Node) -> str:
    if node.target is functional.max_pool2d:  # which torch builds at run time, without a name
        return "max_pool2d"
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def _scope(node: fx.Node) -> str:
    """Path of the module whose forward() contains an operation; empty for the network itself."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack)[-1]) if stack else ""


def _path_of(node: Any) -> str:
    if node.op == "call_module":
        return str(node.target)
    return ".".join(part for part in (_scope(node), _name(node)) if part)


def _describe(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Name the object that a message is about."""
    if node.op == "call_module":
        return f"layer {str(node.target)!r} ({type(modules[str(node.target)]).__name__})"
    inside = f" in module {_scope(node)!r}" if _scope(node) else " in forward()"
    return f"operation {_name(node)!r}{inside}"
