"""Summary figures of a recording, in the form in which every command writes them to result.json."""

from __future__ import annotations

import platform
import resource
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from brianconv.recording import LATENCY_PERCENTS, Recording

PACKAGES = ("brianconv", "brian2", "numpy", "torch")


def summarize(recording: Recording, labels: np.ndarray) -> dict[str, Any]:
    """Return accuracy, latency, spikes, operations, decisions and timing of a recording; means and standard deviations.

    Spikes and synaptic operations are those of spikes only; those of analog pixels are ``analog_operations_per_image``.
    A network that returns images has no accuracy; it has ``mean_squared_error_by_step`` against the images that the
    network before conversion returns.

    Parameters
    ----------
    recording : Recording
    labels : array of int, shape (n_images,)
        Not used for a network that returns images.
    """
    by_layer = recording.spike_counts.sum(axis=0) / recording.n_images
    simulate_s = recording.timing["simulate_s"]
    return {
        "n_images": recording.n_images,
        "n_steps": recording.n_steps,
        **(_of_images(recording) if recording.returns_images else _of_classes(recording, labels)),
        "spikes_per_image": recording.spikes_per_image,
        "spikes_per_image_by_layer": dict(zip(recording.layers, by_layer.tolist(), strict=True)),
        "spikes_per_image_std": _deviation(recording.spike_counts_by_image),
        "synaptic_operations_per_image_std": _deviation(recording.synaptic_operations_by_image),
        "synaptic_operations_per_image": float(recording.synaptic_operations.sum() / recording.n_images),
        "analog_operations_per_image": float(recording.analog_operations.sum() / recording.n_images),
        "mean_decision_step": float(recording.steps.mean())
        if recording.early_decision or recording.decided.any()
        else None,
        "timing": {**recording.timing, "ms_per_image": 1000 * simulate_s / recording.n_images},
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
    }


def _deviation(counts: np.ndarray) -> float | None:
    """Return the standard deviation of an image's total, shape (n_images, n_steps, n_layers); None for one image."""
    return float(counts.sum(axis=(1, 2)).std(ddof=1)) if len(counts) > 1 else None


def _of_classes(recording: Recording, labels: np.ndarray) -> dict[str, Any]:
    return {
        "ann_accuracy": recording.ann_accuracy(labels),
        "accuracy": recording.accuracy(labels),
        "accuracy_by_step": recording.accuracy_by_step(labels).tolist(),
        "latency_steps": recording.latency_steps(labels),
        "decisions": recording.decisions.tolist(),
    }


def _of_images(recording: Recording) -> dict[str, Any]:
    nothing = dict.fromkeys(("ann_accuracy", "accuracy", "accuracy_by_step", "latency_steps", "decisions"))
    return {**nothing, "mean_squared_error_by_step": recording.mean_squared_error_by_step.tolist()}


def peak_memory_mb() -> float:
    """Return the peak memory of this process or the largest of its children, in MB."""
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(peaks) / 1024


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(columns: dict[str, dict[str, Any]]) -> str:
    """Return results side by side as text, one column per name.

    Parameters
    ----------
    columns : mapping of str to dict
        Each as `summarize` returns it.
    """
    rows = [
        ("images", lambda r: f"{r['n_images']}"),
        ("steps", lambda r: f"{r['n_steps']}"),
        *(_error_rows() if any(r["accuracy"] is None for r in columns.values()) else _accuracy_rows()),
        ("spikes per image", lambda r: f"{r['spikes_per_image']:,.0f}"),
        ("synaptic operations per image", lambda r: f"{r['synaptic_operations_per_image']:,.0f}"),
        *(_analog_rows() if any(r["analog_operations_per_image"] for r in columns.values()) else []),
        ("mean decision step", lambda r: "-" if r["mean_decision_step"] is None else f"{r['mean_decision_step']:.1f}"),
        ("build (s)", lambda r: f"{r['timing']['build_s']:.1f}"),
        ("simulation (ms per image)", lambda r: f"{r['timing']['ms_per_image']:.2f}"),
    ]
    return aligned([["", *columns], *[[title, *(show(r) for r in columns.values())] for title, show in rows]])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return the cells of a table as text: the first column left-aligned, the others right-aligned."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        line[0].ljust(widths[0]) + "".join(f"  {cell:>{w}}" for cell, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _accuracy_rows() -> list[tuple[str, Any]]:
    return [
        ("ANN accuracy", lambda r: f"{r['ann_accuracy']:.2%}"),
        ("SNN accuracy", lambda r: f"{r['accuracy']:.2%}"),
        *[(f"steps to {share} % of the ANN", _latency(share)) for share in LATENCY_PERCENTS],
    ]


def _analog_rows() -> list[tuple[str, Any]]:
    return [("analog operations per image", lambda r: f"{r['analog_operations_per_image']:,.0f}")]


def _error_rows() -> list[tuple[str, Any]]:
    return [("mean squared error", lambda r: f"{r['mean_squared_error_by_step'][-1]:.5f}")]


def _latency(share: str) -> Any:
    return lambda r: "never" if r["latency_steps"][share] is None else str(r["latency_steps"][share])
