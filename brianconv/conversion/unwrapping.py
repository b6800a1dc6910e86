"""The trained network inside what people pass: wrappers taken off, weights that are computed made plain.

The user's module is never changed: everything happens to a copy.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from brianconv.errors import UnsupportedLayerError

WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
QUANTISED = (
    "is quantised: its weights are whole numbers with scales of their own; pass the network as it was before "
    "quantisation, and weight_bits=8 for weights of 8 bits"
)


def unwrapped(model: Any) -> nn.Module:
    """Return a plain copy of a trained network in evaluation mode.

    Wrappers for several devices and compilation are taken off; pruning, weight and spectral normalisation and other
    parametrisations become the weights that they give.

    Raises
    ------
    UnsupportedLayerError
        If it is no module, or one whose weights or operations cannot be read: a TorchScript module, one with weights
        that have no shape yet, a quantised one.
    """
    if not isinstance(model, nn.Module):
        raise UnsupportedLayerError(f"a torch.nn.Module is needed, got {type(model).__name__}{_advice(model)}")
    while type(model).__name__ in WRAPPERS:
        model = getattr(model, WRAPPERS[type(model).__name__])
    for path, module in model.named_modules():
        _check(path, module)
    plain = _copy(model).eval()
    for module in plain.modules():
        _make_plain(module)
    return plain


def _advice(model: Any) -> str:
    if isinstance(model, dict):
        return ": build the network first, and load the state dict into it with load_state_dict"
    return ": pass the module itself, not its class" if isinstance(model, type) else ""


def _check(path: str, module: nn.Module) -> None:
    where = f"module {path!r} ({type(module).__name__})" if path else f"the network ({type(module).__name__})"
    if isinstance(module, torch.jit.ScriptModule):
        raise UnsupportedLayerError(
            f"{where} is TorchScript, whose operations cannot be followed: pass the Python module from which it was "
            "made, with load_state_dict(scripted.state_dict())"
        )
    if any(isinstance(parameter, UninitializedParameter) for parameter in module.parameters(False)):
        raise UnsupportedLayerError(
            f"{where} has weights without a shape: run one batch through the network first, as after every lazy module"
        )
    home = type(module).__module__
    if ".quantized" in home or ".quantizable" in home or "torch.ao.nn" in home:
        raise UnsupportedLayerError(f"{where} {QUANTISED}")


def _copy(model: nn.Module) -> nn.Module:
    """Return a copy; weights that were computed from others, which deepcopy refuses, are copied as values."""
    computed = {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    return copy.deepcopy(model, dict(computed))


def _make_plain(module: nn.Module) -> None:
    with torch.no_grad():
        if parametrize.is_parametrized(module):
            # by hand: torch's own way would change the class, which the user's module shares with its copy
            values = {name: getattr(module, name).clone() for name in module.parametrizations}  # type: ignore[union-attr]
            module.__class__ = type(module).__bases__[0]
            del module.parametrizations
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value))
        for key, hook in list(module._forward_pre_hooks.items()):
            if type(hook).__module__.startswith("torch.nn.utils."):  # pruning, weight and spectral normalisation
                hook(module, ())
                del module._forward_pre_hooks[key]
