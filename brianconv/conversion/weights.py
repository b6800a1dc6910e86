"""Load a user's model and its weights by name, without running anything that is stored in the weights' file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from brianconv.errors import DataError, ParameterError

DEFAULT_FACTORY = "build"


def load_model(name: str, weights: str | Path | None = None, seed: int = 0) -> tuple[nn.Module, Path | None]:
    """Build a model and load its weights.

    Parameters
    ----------
    name : str
        ``path/to/file.py[:factory]`` or ``package.module:factory``; the factory (default ``build``) takes no argument
        and returns an nn.Module.
    weights : path, optional
        A .safetensors file, or a .pt / .pth file with a state dict; by default ``weights/FILE_FACTORY.safetensors``
        beside the model's file if there is one.
    seed : int
        Of torch's random numbers, for factories that draw weights.

    Returns
    -------
    model, weights : nn.Module and Path or None
        In evaluation mode; None if the model is as its factory made it.

    Raises
    ------
    ParameterError, DataError
        If the model or the weights cannot be found, or do not fit each other.
    """
    place, _, factory = name.partition(":")
    module = _module(place)
    factory = factory or DEFAULT_FACTORY
    build = getattr(module, factory, None)
    if not callable(build):
        raise ParameterError(f"model {name!r}: there is no function {factory!r} in {place}; write {place}:FUNCTION")
    torch.manual_seed(seed)
    try:
        inspect.signature(build).bind()
    except TypeError as error:
        raise ParameterError(f"model {name!r}: {factory}() cannot be called without arguments: {error}") from error
    except ValueError:  # a function that does not tell its arguments
        pass
    try:
        model = build()
    except Exception as error:  # whatever the user's own code raises
        raise ParameterError(f"model {name!r}: {factory}() raised {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model {name!r}: {factory}() returned {type(model).__name__}, not a torch.nn.Module")
    path = Path(weights) if weights else _default_weights(module, factory)
    if path is not None:
        _load(model, path)
    return model.eval(), path


def read_recipe(weights: Path | None) -> Mapping[str, Any]:
    """Return the recipe of the training from the JSON file beside the weights, empty if there is none.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    about = weights.with_suffix(".json") if weights else None
    if about is None or not about.exists():
        return {}
    try:
        recipe = json.loads(about.read_text()).get("recipe") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{about} beside the weights cannot be read: {error}") from error
    if not isinstance(recipe, dict):
        raise DataError(f"{about} beside the weights: its recipe is {type(recipe).__name__}, not keys and values")
    return recipe


def image_statistics(weights: Path | None) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation by channel with which a network was trained, empty if images were in [0, 1].

    Parameters
    ----------
    weights : Path or None
        See `read_recipe`.

    Raises
    ------
    DataError
        If the recipe cannot be read.
    """
    recipe = read_recipe(weights)
    try:
        return [float(x) for x in recipe.get("mean") or []], [float(x) for x in recipe.get("std") or []]
    except (ValueError, TypeError) as error:
        raise DataError(f"the recipe beside {weights} has no usable mean and std: {error}") from error


def _module(place: str) -> ModuleType:
    path = Path(place) if place.endswith(".py") else None
    if path and not path.is_file():
        raise ParameterError(f"model file {place!r} does not exist; write path/to/file.py:factory")
    try:
        if path is None:
            return importlib.import_module(place)
        if path.parent.joinpath("__init__.py").exists():  # part of a package: its own imports must work
            return _packaged(path.resolve())
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except Exception as error:  # whatever the user's own file raises
        raise ParameterError(f"model {place!r} cannot be imported: {type(error).__name__}: {error}") from error


def _packaged(path: Path) -> ModuleType:
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(".".join(names))


def _default_weights(module: ModuleType, factory: str) -> Path | None:
    if not getattr(module, "__file__", None):
        return None
    source = Path(str(module.__file__))
    path = source.parent / "weights" / f"{source.stem}_{factory}.safetensors"
    return path if path.exists() else None


def _load(model: nn.Module, path: Path) -> None:
    try:
        safe = path.suffix == ".safetensors"
        loaded: Any = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        state = loaded.get("state_dict", loaded)
        model.load_state_dict({key: value.float() for key, value in state.items()})
    except FileNotFoundError as error:
        raise DataError(f"weights {str(path)!r} do not exist") from error
    except (SafetensorError, OSError, EOFError, AttributeError, RuntimeError, ValueError) as error:
        raise DataError(f"weights {str(path)!r} cannot be loaded into the model: {error}") from error
    except Exception as error:  # torch raises pickle's UnpicklingError, and others for damaged files
        raise DataError(
            f"weights {str(path)!r} are damaged or hold more than tensors, and are not loaded: {error}"
        ) from error
