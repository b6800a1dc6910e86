"""Load a user's model and its weights by name, without running anything that is stored in the weights' file."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from brianconv.conversion.checkpoints import find_state, fitted_state
from brianconv.errors import BrianconvError, DataError, ParameterError
from brianconv.readers import read_json, regular_file
from brianconv.values import real, shown

DEFAULT_FACTORY = "build"


def load_model(name: str, weights: str | Path | None = None, seed: int = 0) -> tuple[nn.Module, Path | None]:
    """Build a model and load its weights.

    Parameters
    ----------
    name : str
        ``path/to/file.py[:factory]`` or ``package.module:factory``; the factory (default ``build``) takes no argument
        and returns an nn.Module.
    weights : path, optional
        A .safetensors file, or a checkpoint of torch (.pt, .pth, .th, .ckpt, .tar, .bin) whose state dict may be nested
        and have prefixes; see conversion/checkpoints.py. By default ``weights/FILE_FACTORY.safetensors`` beside the
        model's file if there is one.
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
    except ValueError:  # a function whose arguments cannot be inspected
        pass
    with _code_of_user(f"model {name!r}: {factory}() raised"):
        model = build()
    if not isinstance(model, nn.Module):
        raise ParameterError(f"model {name!r}: {factory}() returned {type(model).__name__}, not a torch.nn.Module")
    path = Path(weights) if weights else _default_weights(module, factory)
    with _code_of_user(f"model {name!r} raised"):
        if path is not None:
            _load(model, path)
        return model.eval(), path


@contextlib.contextmanager
def _code_of_user(what: str) -> Iterator[None]:
    """Report what a user's own code raises, including an attempt to end the program, but let Ctrl+C through."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, BrianconvError) or type(error) is KeyboardInterrupt:
            raise
        raise ParameterError(f"{what} {type(error).__name__}: {error}") from error


def read_recipe(weights: Path | None) -> Mapping[str, Any]:
    """Return the recipe of the training from the JSON file beside the weights, empty if there is none.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    about = weights.with_suffix(".json") if weights else None
    if about is None or not os.path.lexists(about):
        return {}
    content = read_json(about)
    if not isinstance(content, dict):
        raise DataError(f"{about} beside the weights: it holds {shown(content)}, not keys and values")
    recipe = content.get("recipe") or {}
    if not isinstance(recipe, dict):
        raise DataError(f"{about} beside the weights: its recipe is {shown(recipe)}, not keys and values")
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
        mean, std = ([real(x, key) for x in recipe.get(key) or []] for key in ("mean", "std"))
        return [float(x) for x in mean], [float(x) for x in std]
    except (ValueError, TypeError) as error:
        raise DataError(f"the recipe beside {weights} has no usable mean and std: {error}") from error


def _module(place: str) -> ModuleType:
    path = Path(place) if place.endswith(".py") else None
    if path:
        try:
            regular_file(path)
        except DataError as error:
            raise ParameterError(f"model file {error}; write path/to/file.py:factory") from error
    with _code_of_user(f"model {place!r} cannot be imported:"):
        if path is None:
            return importlib.import_module(place)
        if path.parent.joinpath("__init__.py").exists():  # part of a package: its own imports must work
            return _packaged(path.resolve())
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


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
    if not os.path.lexists(path):
        raise DataError(f"weights {str(path)!r} do not exist")
    try:
        loaded: Any = load_file(regular_file(path)) if path.suffix == ".safetensors" else load_tensors(path)
        state = find_state(loaded)
    except DataError as error:
        raise DataError(f"weights {str(path)!r}: {error}") from error
    except (SafetensorError, OSError, AttributeError, RuntimeError, ValueError) as error:
        raise DataError(f"weights {str(path)!r} cannot be read: {str(error) or repr(error)}") from error
    except Exception as error:  # torch raises others for damaged files
        raise DataError(f"weights {str(path)!r} are damaged, and are not loaded: {error}") from error
    try:
        model.load_state_dict(fitted_state(state, model.state_dict()))
    except DataError as error:
        raise DataError(f"weights {str(path)!r}: {error}") from error
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"weights {str(path)!r} cannot be loaded into the model: {str(error) or repr(error)}"
        ) from error


def load_tensors(path: Path, device: torch.device | str = "cpu") -> Any:
    """Return what torch.save stored, if it is tensors and plain values; nothing in the file is executed.

    Raises
    ------
    DataError
        If it is not a regular file, holds anything else, or unpacks to more than its own size.
    """
    regular_file(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                    raise DataError(f"{str(path)!r} is compressed, which torch.save does not do")
        return torch.load(path, map_location=device, weights_only=True)
    except DataError:
        raise
    except Exception as error:  # whatever torch, pickle and zipfile raise for damaged files
        raise DataError(f"{str(path)!r} is damaged or holds more than tensors, and is not loaded: {error}") from error
