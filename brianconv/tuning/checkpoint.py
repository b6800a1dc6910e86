"""What a tuning run has found so far, in a small JSON file, so that a killed run can resume to the same result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.errors import OutputError, ParameterError
from brianconv.files import write_json
from brianconv.readers import read_json
from brianconv.spiking import SpikingNetwork
from brianconv.values import mapping

LARGEST_STATE = 2**30  # bytes: the losses of every batch of long descents


class Checkpoint:
    """A file that holds the state of a run, and what the run is about.

    Parameters
    ----------
    path : Path or None
        None keeps nothing.
    about : mapping
        Settings that the state depends on; a file with other ones is refused.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self.path = path
        self.about = json.loads(json.dumps(about))  # as it will be read again

    def load(self, check: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the stored state, or an empty one.

        Parameters
        ----------
        check : callable
            Called with the state; raises ValueError with the reason if the run cannot have written it.

        Raises
        ------
        ParameterError
            If the file belongs to another network, other images or other settings, cannot be read, or holds a state
            that the run cannot have written.
        """
        if self.path is None or not os.path.lexists(self.path):
            return {}
        try:
            content = mapping(read_json(self.path, LARGEST_STATE), "it", ("about", "state"))
            about, state = content["about"], content["state"]
            if not isinstance(about, dict) or not isinstance(state, dict):
                raise ValueError("about and state are mappings")
        except ValueError as error:
            raise ParameterError(f"{str(self.path)!r} is not the state of a tuning run ({error}); delete it") from error
        if about != self.about:
            changed = ", ".join(differences(about, self.about))
            raise ParameterError(f"{str(self.path)!r} belongs to another run ({changed}); delete it to start anew")
        try:
            check(state)
        except ValueError as error:
            raise ParameterError(
                f"{str(self.path)!r} holds a state that this run cannot have written: {error}; delete it to start anew"
            ) from error
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Store the state, completely or not at all."""
        if self.path is None:
            return
        try:
            write_json(self.path, {"about": self.about, "state": state})
        except OSError as error:
            raise OutputError(f"cannot write {str(self.path)!r} ({error.strerror})") from error


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return the keys whose values differ, with both values where they are numbers."""
    found = []
    for key in sorted({*stored, *asked}):
        there, here = stored.get(key), asked.get(key)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            found += [f"{key}.{line}" for line in differences(there, here)]
        elif there != here:
            numbers = all(value is None or isinstance(value, (int, float)) for value in (there, here))
            found.append(f"{key}: {there} there, {here} here" if numbers else key)
    return found


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Return a short text that changes with any value."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:16]


def fingerprint(spiking: SpikingNetwork, images: np.ndarray) -> str:
    """Return a short text that changes with any weight, bias, delay or image."""
    digest = hashlib.sha256(np.ascontiguousarray(images).tobytes())
    for layer in spiking.graph.layers:
        digest.update(f"{layer.name} {layer.rectified} {spiking.synaptic_delay.get(layer.name, 0)}".encode())
        for connection in layer.connections:
            digest.update(connection.source.encode())
            for connectivity in connection.chain:
                _update(digest, connectivity)
    return digest.hexdigest()[:16]


def _update(digest: Any, connectivity: Any) -> None:
    digest.update(type(connectivity).__name__.encode())
    for field in dataclasses.fields(connectivity):
        value = getattr(connectivity, field.name)
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
