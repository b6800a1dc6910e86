"""The two files of a saved recording, read and checked field by field: what does not fit together is refused."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.errors import DataError
from brianconv.monitored import checked_variables
from brianconv.readers import read_json, read_npz
from brianconv.values import known, mapping, real, reals, shown, whole

MOST_NEURONS = 2**31 - 1  # of a population, as Brian2 numbers them
FIELDS = (
    "layers", "shapes", "evaluation_delay", "early_decision", "parameters", "dt_ms", "output_scale", "output_shift",
    "rectified",
    "score_of_one", "timing",
)  # fmt: skip
SUMS = ("spike_counts", "synaptic_operations", "analog_operations")  # over images, for scripts that need no more
ARRAYS = ("scores", *(f"{name}_by_image" for name in SUMS), "steps", "decided", "ann_scores")
RECORDED = ("spikes", "potentials", "potential_neurons", "variables")  # of single layers: "spikes/LAYER"
Arrays = Mapping[str, np.ndarray]


def read_saved(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the contents of recording.json and recording.npz.

    Raises
    ------
    DataError
        If the folder holds no recording, or a field has a wrong type, shape or value, or contradicts another one.
    """
    paths = [Path(folder) / name for name in ("recording.json", "recording.npz")]
    if missing := [path.name for path in paths if not os.path.lexists(path)]:
        raise DataError(f"{str(folder)!r} holds no recording: {' and '.join(missing)} of Recording.save are missing")
    about, arrays = read_json(paths[0]), read_npz(paths[1])
    try:
        sizes = _sizes(about)
        n_steps = _check_results(arrays, len(sizes), list(sizes.values())[-1])
        _check_numbers(about, n_steps, list(sizes))
        _check_recorded(arrays, sizes)
    except ValueError as error:
        raise DataError(f"{str(folder)!r} holds no complete recording: {error}") from error
    return about, arrays


def _sizes(about: Any) -> dict[str, int]:
    """Return the number of neurons of each layer."""
    if not isinstance(about, dict) or (absent := [field for field in FIELDS if field not in about]):
        raise ValueError(
            f"recording.json has no {absent[0]!r}" if isinstance(about, dict) else "recording.json is a list"
        )
    layers = about["layers"]
    if not isinstance(layers, list) or len(layers) < 2 or not all(isinstance(name, str) and name for name in layers):
        raise ValueError(f"layers is {shown(layers)}; it must be a list of two names or more")
    if len(set(layers)) < len(layers):
        raise ValueError("layers has a name twice")
    shapes = mapping(about["shapes"], "shapes", layers)
    for name, shape in shapes.items():
        if not isinstance(shape, list) or not 1 <= len(shape) <= 3:
            raise ValueError(f"the shape of {name!r} is {shown(shape)}; it must be a list of one to three lengths")
        for length in shape:
            whole(length, f"the shape of {name!r}", 1, MOST_NEURONS)
        whole(math.prod(shape), f"the number of neurons of {name!r}", 1, MOST_NEURONS)
    return {name: math.prod(shapes[name]) for name in layers}


def _check_numbers(about: Mapping[str, Any], n_steps: int, layers: list[str]) -> None:
    whole(about["evaluation_delay"], "evaluation_delay", 0, n_steps - 1)
    if about["early_decision"] is not None and real(about["early_decision"], "early_decision", 0) == 0:
        raise ValueError("early_decision is 0; it must be a positive number")
    for key in ("dt_ms", "output_scale"):
        if real(about[key], key, 0) == 0:
            raise ValueError(f"{key} is 0; it must be a positive number")
    real(about["output_shift"], "output_shift", 0)
    if not isinstance(about["rectified"], bool):
        raise ValueError(f"rectified is {shown(about['rectified'])}; it must be true or false")
    if about["score_of_one"] is not None:
        reals(about["score_of_one"], "score_of_one", n_steps)
    for key in ("parameters", "timing"):
        if not isinstance(about[key], dict):
            raise ValueError(f"{key} is {shown(about[key])}; it must be a mapping")
    for key, values in about["parameters"].items():
        for layer, value in known(values, f"parameter {key!r}", layers).items():
            real(value, f"parameter {key!r} of {layer!r}")
    for key, value in about["timing"].items():
        real(value, f"timing {key!r}", 0)


def _check_results(arrays: Arrays, n_layers: int, n_classes: int) -> int:
    """Check the arrays that every recording has; return the number of steps."""
    if absent := [name for name in (*ARRAYS, *SUMS) if name not in arrays]:
        raise ValueError(f"recording.npz has no array {absent[0]!r}")
    scores = arrays["scores"]
    if scores.ndim != 3 or 0 in scores.shape or scores.shape[2] != n_classes:
        raise ValueError(f"scores have shape {scores.shape}; expected (n_images, n_steps, {n_classes})")
    n_images, n_steps, _ = scores.shape
    _check_array(arrays, "scores", "iuf", scores.shape)
    _check_array(arrays, "ann_scores", "iuf", (n_images, n_classes))
    _check_array(arrays, "decided", "b", (n_images,))
    _check_array(arrays, "steps", "iu", (n_images,), 1, n_steps)
    for name in SUMS:
        layers = () if name == "analog_operations" else (n_layers,)
        _check_array(arrays, f"{name}_by_image", "iu", (n_images, n_steps, *layers), 0)
        _check_array(arrays, name, "iu", (n_steps, *layers), 0)
        if not np.array_equal(arrays[name], arrays[f"{name}_by_image"].sum(axis=0)):
            raise ValueError(f"{name!r} are not the sums of those by image")
    if np.any(~arrays["decided"] & (arrays["steps"] < n_steps)):
        raise ValueError("an image that was not decided has fewer steps than the run")
    if not np.isfinite(scores[_shown_steps(arrays)]).all() or not np.isfinite(arrays["ann_scores"]).all():
        raise ValueError("scores of steps that were taken are not finite")
    return n_steps


def _shown_steps(arrays: Arrays) -> np.ndarray:
    """Return which steps each image took, shape (n_images, n_steps)."""
    return np.arange(1, arrays["scores"].shape[1] + 1) <= arrays["steps"][:, None]


def _check_recorded(arrays: Arrays, sizes: Mapping[str, int]) -> None:
    """Check the spikes and potentials of single layers."""
    checked_variables(arrays)
    for name in arrays:
        kind, _, layer = name.partition("/")
        if kind == "monitors":
            continue
        variable = ""
        if kind == "variables":  # "variables/LAYER/VARIABLE"
            layer, _, variable = layer.partition("/")
        if name not in (*ARRAYS, *SUMS) and (
            kind not in RECORDED or layer not in sizes or (kind == "variables") != variable.isidentifier()
        ):
            raise ValueError(f"recording.npz has an array {shown(name)}, which belongs to no layer")
        if kind == "spikes":
            _check_spikes(arrays, name, sizes[layer])
        partner = {
            "potentials": f"potential_neurons/{layer}",
            "potential_neurons": f"potentials/{layer}",
            "variables": f"potential_neurons/{layer}",
        }.get(kind)
        if partner and partner not in arrays:
            raise ValueError(f"recording.npz has {name!r} without {partner!r}")
        if kind == "potentials":
            neurons = arrays[f"potential_neurons/{layer}"]
            _check_array(arrays, f"potential_neurons/{layer}", "iu", (neurons.size,), 0, sizes[layer] - 1)
        if kind in ("potentials", "variables"):
            neurons = arrays[f"potential_neurons/{layer}"]
            _check_array(arrays, name, "iuf", (*arrays["scores"].shape[:2], neurons.size))
            if kind == "potentials" and np.isnan(arrays[name][_shown_steps(arrays)]).any():
                raise ValueError(f"{name!r} are not numbers in steps that were taken")


def _check_spikes(arrays: Arrays, name: str, n_neurons: int) -> None:
    spikes, steps = arrays[name], arrays["steps"]
    _check_array(arrays, name, "iu", (len(spikes) if spikes.ndim else 0, 3), 0)
    image, step, neuron = spikes.T
    if np.any(image >= len(steps)) or np.any(neuron >= n_neurons):
        raise ValueError(f"{name!r} has spikes of images or neurons that there are not")
    if np.any(step < 1) or np.any(step > steps[image]):
        raise ValueError(f"{name!r} has spikes in steps that were not taken")


def _check_array(
    arrays: Arrays, name: str, kinds: str, shape: tuple[int, ...], low: int | None = None, high: int | None = None
) -> None:
    array = arrays[name]
    if array.dtype.kind not in kinds or array.shape != shape:
        words = {"iuf": "numbers", "iu": "whole numbers", "b": "truth values"}
        raise ValueError(
            f"{name!r} is {array.dtype} of shape {array.shape}; needed are {words[kinds]} of shape {shape}"
        )
    if array.size and ((low is not None and array.min() < low) or (high is not None and array.max() > high)):
        limits = f"at least {low}" if high is None else f"in [{low}, {high}]"
        raise ValueError(f"{name!r} has values from {array.min()} to {array.max()}; they are {limits}")
