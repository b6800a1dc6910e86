"""Results of a study's networks in one JSON file, so that a run that was stopped goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.analysis.result_json import versions
from brianconv.files import write_json
from brianconv.readers import read_json
from models.train import WEIGHTS

# of the summary of a recording
KEPT = (
    "ann_accuracy", "accuracy", "accuracy_by_step", "latency_steps", "spikes_per_image",
    "synaptic_operations_per_image", "analog_operations_per_image",
)  # fmt: skip


class Stored:
    """What was found for one network; begins anew if its settings or its weights have changed.

    Attributes
    ----------
    results : dict
        With `settings` and `versions` from the start.
    """

    def __init__(self, path: Path, name: str, network: Any, leave_out: tuple[str, ...] = ()) -> None:
        self.path, self.name = path, name
        fields = {field: value for field, value in dataclasses.asdict(network).items() if field not in leave_out}
        settings = {**json.loads(json.dumps(fields, default=list)), "weights": weights_digest(network)}
        stored = self._all().get(name)
        fresh = {"settings": settings, "versions": versions()}
        self.results: dict[str, Any] = stored if stored and stored["settings"] == settings else fresh

    def _all(self) -> dict[str, Any]:
        return read_json(self.path) if self.path.exists() else {}

    def save(self) -> None:
        """Write the results beside those of the other networks."""
        write_json(self.path, self._all() | {self.name: self.results})


def weights_digest(network: Any) -> str | None:
    """Return a short text that changes with the stored weights of a network, None if there are none."""
    file, _, function = getattr(network, "model", "").partition(":")
    path = WEIGHTS / f"{Path(file).stem}_{function}.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else None


def spread(correct: np.ndarray, n_groups: int) -> float:
    """Return the standard deviation of the accuracy over groups of images, from whether each decision is correct."""
    return float(np.std([group.mean() for group in np.array_split(correct, n_groups)], ddof=1))


def rounded(curves: Any, digits: int = 4) -> Any:
    """Return numbers, also in lists and mappings, with a few significant digits, as many as a picture needs."""
    if isinstance(curves, dict):
        return {key: rounded(value, digits) for key, value in curves.items()}
    if isinstance(curves, list):
        return [rounded(value, digits) for value in curves]
    return float(f"{curves:.{digits}g}") if isinstance(curves, float) else curves
