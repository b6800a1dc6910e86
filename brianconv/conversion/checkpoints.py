"""The weights of a network in a checkpoint as people save it: nested, with prefixes, in half precision."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from brianconv.errors import DataError
from brianconv.values import shown

# keys under which checkpoints hold the weights of a network, the more usual ones first
USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "parameters")
OPTIONAL = "num_batches_tracked"  # of batch normalisation: counts what evaluation does not use
DEEPEST = 4
MOST_NAMED = 3
State = Mapping[str, Tensor]


def find_state(loaded: Any) -> State:
    """Return the dictionary of tensors in what a file held.

    Raises
    ------
    DataError
        If there is none, or several of which none has a usual name.
    """
    if not isinstance(loaded, Mapping):
        raise DataError(f"it holds {shown(loaded)}, not a state dict as torch.save(model.state_dict(), ...) writes it")
    found = dict(_states(loaded, ""))
    usual = [path for name in USUAL for path in found if path.rpartition("/")[2] == name]
    if len(found) == 1 or usual:
        return found[(usual or list(found))[0]]
    if found:
        names = ", ".join(repr(path or "the file itself") for path in found)
        raise DataError(f"it holds several dictionaries of tensors, {names}: save the one of the network by itself")
    raise DataError(f"it holds no tensors, but {', '.join(map(repr, list(loaded)[:8])) or 'nothing'}")


def _states(loaded: Mapping[Any, Any], path: str) -> Iterator[tuple[str, State]]:
    """Yield every dictionary that has tensors under names, with its path; those of optimisers have numbers."""
    tensors = {key: value for key, value in loaded.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield path, tensors
    for key, value in loaded.items():
        if isinstance(value, Mapping) and isinstance(key, str) and path.count("/") < DEEPEST:
            yield from _states(value, f"{path}/{key}" if path else key)


def fitted_state(state: State, own: State) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint under the names that a network has for them, as float32.

    Prefixes such as ``module.``, ``_orig_mod.`` or ``model.`` are taken off, or put on, if the rest then fits.

    Raises
    ------
    DataError
        If weights are missing, too many or of another shape; it names the first ones and what is closest to them.
    """
    renamed = max((_without(state, prefix, own) for prefix in _prefixes(state)), key=lambda names: _score(names, own))
    for key, value in renamed.items():
        if value.is_complex() or value.layout != torch.strided or value.is_quantized:
            raise DataError(f"{key!r} is a tensor of type {value.dtype} and layout {value.layout}")
    missing = [key for key in own if key not in renamed and not key.endswith(OPTIONAL)]
    other = [key for key in renamed if key in own and renamed[key].shape != own[key].shape]
    extra = [key for key in renamed if key not in own]
    if missing or other or extra:
        raise DataError("\n".join(["it does not fit the network:", *_differences(renamed, own, missing, other, extra)]))
    kept = {key: value.float() for key, value in renamed.items() if key in own}
    return {key: kept.get(key, value) for key, value in own.items()}


def _prefixes(state: State) -> list[str]:
    """Return every beginning of a name that ends at a dot, and none."""
    found = {""}
    for key in state:
        parts = key.split(".")
        found |= {".".join(parts[:k]) + "." for k in range(1, len(parts))}
    return sorted(found, key=len)


def _without(state: State, prefix: str, own: State) -> dict[str, Tensor]:
    """Return the tensors under a prefix by the rest of their names, behind the prefix of the network if it has one."""
    rest = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    first = next(iter(own), "").partition(".")[0] + "."
    if all(key.startswith(first) for key in own) and not any(key in own for key in rest):
        return {first + key: value for key, value in rest.items()}
    return rest


def _score(names: State, own: State) -> tuple[int, int]:
    fitting = sum(key in own and value.shape == own[key].shape for key, value in names.items())
    return fitting, -len(names)


def _differences(renamed: State, own: State, missing: list[str], other: list[str], extra: list[str]) -> Iterator[str]:
    """Yield at most ten lines that say what does not fit."""
    counts = [(missing, "missing"), (other, "of another shape"), (extra, "that the network does not have")]
    yield "  " + ", ".join(f"{len(names)} weights {what}" for names, what in counts if names)
    for key in other[:MOST_NAMED]:
        yield f"  {key}: {tuple(renamed[key].shape)} in the file, {tuple(own[key].shape)} in the network"
    for key in missing[:MOST_NAMED]:
        shape = tuple(own[key].shape)
        near = difflib.get_close_matches(key, extra or list(renamed), 1, 0.5)
        alike = near or [name for name in extra if tuple(renamed[name].shape) == shape][:1]
        hint = f"; nearest in the file: {alike[0]} {tuple(renamed[alike[0]].shape)}" if alike else ""
        yield f"  {key} {shape} is missing{hint}"
    for key in extra[:MOST_NAMED]:
        yield f"  {key} {tuple(renamed[key].shape)} is in the file only"
