"""Trace a torch module operation by operation, while the shapes of all tensors are known.

torch.fx records what `forward()` does with a stand-in for the image. Here each stand-in has the shape that the tensor
would have, so that ``if x.dim() == 4`` and ``assert x.shape[1] == 3`` are followed instead of refused.
"""

from __future__ import annotations

import linecache
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from brianconv.connectivity.base import Shape
from brianconv.conversion.traced_tensor import BATCH_SIZE

KNOWN = "example"  # where a node keeps the tensor without values that it stands for
ATTRIBUTES = {"shape", "ndim", "dtype", "device", "is_cuda", "is_sparse", "requires_grad", "layout"}
ONE_AT_A_TIME = threading.RLock()  # while torch.fx traces, it changes what calling any module does, in all threads
TORCH = str(Path(torch.__file__).parent)
OWN = str(Path(__file__).parent)


class ShapedProxy(fx.Proxy):
    """A stand-in for a tensor that knows shape, type and device."""

    @property
    def _example(self) -> Tensor | None:
        found = self.node.meta.get(KNOWN)
        return found if isinstance(found, Tensor) else None

    def __getattr__(self, name: str) -> Any:
        example = self.node.meta.get(KNOWN)
        if name in ATTRIBUTES and isinstance(example, Tensor):
            return getattr(example, name)
        return super().__getattr__(name)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one axis."""
        if self._example is None:
            return self.tracer.create_proxy("call_method", "size", (self,) if dim is None else (self, dim), {})
        return self._example.size() if dim is None else self._example.size(dim)

    def dim(self) -> Any:
        """Return the number of axes."""
        return self._example.dim() if self._example is not None else self.tracer.create_proxy(
            "call_method", "dim", (self,), {}
        )  # fmt: skip

    ndimension = dim

    def numel(self) -> Any:
        """Return the number of values."""
        return self._example.numel() if self._example is not None else self.tracer.create_proxy(
            "call_method", "numel", (self,), {}
        )  # fmt: skip

    def is_floating_point(self) -> Any:
        """Return whether values are floating-point numbers."""
        return self._example is None or self._example.is_floating_point()

    def __len__(self) -> int:
        example = self.node.meta.get(KNOWN)
        if example is None:
            raise RuntimeError("the length of this value is not known while the network is traced")
        return len(example)


class ShapeTracer(fx.Tracer):
    """Records operations as torch.fx does, and the shapes of their results.

    Parameters
    ----------
    input_shape : tuple of int
        Of one image.
    is_known : callable
        Whether a module of torch can be converted; shapes behind others are not followed.
    """

    def __init__(self, input_shape: Shape, is_known: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.is_known = is_known
        self.input_shape = input_shape
        self.without_values = FakeTensorMode(allow_non_fake_inputs=True)
        self.trying = False  # whether an operation is only carried out for the shape of its result

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return ShapedProxy(node, self)

    def create_proxy(self, kind: str, *arguments: Any, **keywords: Any) -> Any:
        made = super().create_proxy(kind, *arguments, **keywords)
        if isinstance(made, fx.Proxy):
            self.trying = True
            try:
                with warnings.catch_warnings(), self.without_values, torch.no_grad():
                    warnings.simplefilter("ignore")
                    made.node.meta[KNOWN] = self._result(made.node)
            except Exception:  # whatever torch or the user's code raises: the conversion says what does not fit
                made.node.meta.pop(KNOWN, None)
            finally:
                self.trying = False
        return made

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        return forward(*args, **kwargs) if self.trying else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
        return attr_val if self.trying else super().getattr(attr, attr_val, parameter_proxy_cache)

    def _result(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            first = not any(other.op == "placeholder" and other is not node for other in self.graph.nodes)
            kinds = [parameter.dtype for parameter in self.root.parameters() if parameter.is_floating_point()]  # type: ignore[union-attr]
            return torch.empty(BATCH_SIZE, *self.input_shape, dtype=kinds[0] if kinds else None) if first else None
        if node.op == "get_attr":
            owner: Any = self.root
            for name in str(node.target).split("."):
                owner = getattr(owner, name)
            return owner
        arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), lambda other: other.meta[KNOWN])
        if node.op == "call_module" and not self.is_known(self.root.get_submodule(str(node.target))):  # type: ignore[union-attr]
            return None  # a recurrent one would take a batch for a million steps
        if node.op == "call_module":
            return self.root.get_submodule(str(node.target))(*arguments, **keywords)  # type: ignore[union-attr]
        if node.op == "call_method":
            return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
        return node.target(*arguments, **keywords)  # type: ignore[operator]


def trace(
    model: nn.Module, input_shape: Shape, constants: dict[str, Any] | None, is_known: Callable[[nn.Module], Any]
) -> fx.GraphModule:
    """Return what `forward()` does, with some of its arguments constant; raise whatever it raises."""
    tracer = ShapeTracer(input_shape, is_known)
    with ONE_AT_A_TIME:
        graph = tracer.trace(model, constants)
    for node in graph.nodes:
        node.meta.pop(KNOWN, None)
    return fx.GraphModule(tracer.root, graph, type(model).__name__)


def line_of_user(error: BaseException) -> str:
    """Return the last line outside torch and this package that led to an error, with its file; '' if there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((TORCH, OWN, "<"))
    ]  # fmt: skip
    if not frames:
        return ""
    last = frames[-1]
    source = (last.line or linecache.getline(last.filename, last.lineno or 0)).strip()
    return f"{last.filename}, line {last.lineno}: {source}"
