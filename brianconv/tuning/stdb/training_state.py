"""States of trainings as torch stores them, checked against what they will replace before they replace it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from brianconv.values import known, mapping, sequence, shown

# what an optimiser keeps of each parameter
KEPT = {torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"), torch.optim.SGD: ("momentum_buffer",)}


def check_tensors(stored: Any, own: Mapping[str, Tensor], name: str) -> None:
    """Raise ValueError unless these are tensors of the same names, shapes and types, all of them finite."""
    for key, value in mapping(dict(stored) if isinstance(stored, Mapping) else stored, name, own).items():
        _check_tensor(value, own[key].shape, f"{name} {key!r}")
        if value.dtype != own[key].dtype:
            raise ValueError(f"{name} {key!r} is {value.dtype}; it must be {own[key].dtype}")


def check_optimizer(stored: Any, optimizer: torch.optim.Optimizer, name: str = "optimizer") -> None:
    """Raise ValueError unless a state is possible for an optimiser of the same parameters."""
    own = optimizer.state_dict()
    mapping(stored, name, own)
    check_plain(stored["param_groups"], own["param_groups"], f"{name} param_groups")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    keys = next(keys for kind, keys in KEPT.items() if isinstance(optimizer, kind))
    state = stored["state"]
    if not isinstance(state, dict) or not all(type(k) is int and 0 <= k < len(parameters) for k in state):
        raise ValueError(f"{name} has states of parameters that do not exist")
    for index, values in state.items():
        what = f"{name} state {index}"
        for key, value in mapping(values, what, keys).items():
            shape = () if key == "step" else parameters[index].shape
            _check_tensor(value, shape, f"{what} {key!r}", 0.0 if key in ("step", "exp_avg_sq") else -math.inf)


def check_plain(stored: Any, own: Any, name: str) -> None:
    """Raise ValueError unless a value is built of the same mappings, lists and finite numbers as another one."""
    if isinstance(own, dict):
        for key, value in mapping(stored, name, own).items():
            check_plain(value, own[key], f"{name} {key!r}")
    elif isinstance(own, (list, tuple)):
        for k, value in enumerate(sequence(list(stored) if type(stored) is type(own) else stored, name, len(own))):
            check_plain(value, own[k], f"{name}[{k}]")
    elif type(stored) is not type(own) and not (_is_number(stored) and _is_number(own)):
        raise ValueError(f"{name} is {shown(stored)} in place of {shown(own)}")
    elif isinstance(stored, float) and not math.isfinite(stored):
        raise ValueError(f"{name} is {stored}; it is a finite number")
    elif isinstance(own, (str, bool)) and stored != own:
        raise ValueError(f"{name} is {shown(stored)} in place of {shown(own)}")


def check_random(stored: Any, own: Tensor, name: str) -> None:
    """Raise ValueError unless this is a state of random numbers."""
    if not isinstance(stored, Tensor) or stored.dtype != own.dtype or stored.shape != own.shape:
        raise ValueError(f"{name} is not a state of torch's random numbers")


def check_fields(stored: Any, kind: type, name: str) -> dict[str, Any]:
    """Return the fields of a dataclass; raise ValueError unless they are all there and no others."""
    return mapping(known(stored, name, list(kind.__dataclass_fields__)), name, kind.__dataclass_fields__)  # type: ignore[attr-defined]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _check_tensor(value: Any, shape: tuple[int, ...], name: str, low: float = -math.inf) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        found = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
        raise ValueError(f"{name} is {found}; it must be a tensor of shape {tuple(shape)}")
    if value.is_complex() or not bool(torch.isfinite(value).all()) or bool((value < low).any()):
        raise ValueError(f"{name} has values that are not finite, or below their range")
