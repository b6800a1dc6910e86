"""Run all measurements and write the table, result.json and the chart."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm.auto import tqdm

from brianconv.analysis.benchmark import plot_benchmark, plt
from brianconv.bench.workload import N_STEPS
from brianconv.errors import BrianconvError, SimulationError
from brianconv.files import writable_folder, write_atomically, write_json

NAMES = (
    "explicit", "structured_float64", "structured_float32", "handwritten", "dense_torch", "spikingjelly", "sinabs",
)  # fmt: skip
WIDTHS = (0.5, 1.0, 2.0)
PACKAGES = ("brian2", "numpy", "torch", "spikingjelly", "sinabs")


def run_bench(
    out: str | Path,
    quick: bool = False,
    model: str | None = None,
    weights: str | None = None,
    data: str = "mnist",
    data_root: str | None = None,
) -> dict[str, Any]:
    """Measure everything, write result.json and speed.png into `out`, print a table, and return the results.

    Parameters
    ----------
    out : path
    quick : bool
        Fewer images and repeats, and no growth curves.
    model, weights : str, optional
        A trained network as `brianconv run` takes it; otherwise Net 1 of Hwang et al. (2021) is trained for some
        seconds on digits enlarged to 28 x 28 pixels.
    data, data_root : str
        Data set of the model.
    """
    folder = writable_folder(out)
    specification: dict[str, Any] = {
        "model": model, "weights": weights, "data": data, "data_root": data_root, "folder": str(folder / "weights"),
        "images": 20 if quick else 80, "repeats": 3 if quick else 5, "width": 1.0,
    }  # fmt: skip
    wanted = [
        "builds",
        *(n for n in NAMES if n != "handwritten"),
        "propagation",
        "workers",
        *([] if quick else ["growth"]),
    ]
    with tempfile.TemporaryDirectory(prefix="bench_", dir=folder) as cache:
        measured = {
            name: _measure(name, specification, cache) for name in tqdm(wanted, unit="measurement", leave=False)
        }
        if not quick and model is None:
            widths = {w: _measure("structured_float32", specification | {"width": w}, cache) for w in WIDTHS}
            measured["growth"]["width"] = widths
    result = _result(measured, specification)
    write_json(folder / "result.json", result)
    figure = plot_benchmark(result)
    write_atomically(folder / "speed.png", figure.savefig)
    plt.close(figure)
    print(table(result))
    print(f"result.json and speed.png are in {folder}")
    return result


def _measure(name: str, specification: Mapping[str, Any], cache: str) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "BRIANCONV_CACHE": cache}
    command = [sys.executable, "-m", "brianconv.bench.child", name, json.dumps(dict(specification))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("measured ")]
    if done.returncode or not lines:
        kind = BrianconvError if "BrianconvError" in done.stderr else SimulationError
        raise kind(f"the measurement {name!r} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(lines[-1].removeprefix("measured "))


def _result(measured: dict[str, Any], specification: Mapping[str, Any]) -> dict[str, Any]:
    propagation = measured.pop("propagation")
    measured["handwritten"] = {
        "ms_per_image": propagation.get("handwritten_ms_per_image"),
        "peak_memory_mb": None,
    }
    ours = measured["structured_float32"]
    ms = {name: measured[name].get("ms_per_image") for name in NAMES}
    return {
        "network": specification["model"] or "Net 1 of Hwang et al. (2021), trained on enlarged digits",
        "n_steps": N_STEPS,
        "n_images": specification["images"],
        "repeats": specification["repeats"],
        "threads": 1,
        "machine": machine(),
        "versions": _versions(),
        "events_per_image": ours["events_per_image"],
        "spikes_per_image": ours["spikes_per_image"],
        "ms_per_image": ms,
        "events_per_second": {n: t and 1000 * ours["events_per_image"] / t for n, t in ms.items()},
        "peak_memory_mb": {name: measured[name].get("peak_memory_mb") for name in NAMES},
        "speedup": {n: t and t / ms["structured_float32"] for n, t in ms.items()},
        "same_decisions": _same_decisions(measured),
        "not_run": {name: measured[name]["not_run"] for name in NAMES if "not_run" in measured[name]},
        "batch_sizes": {
            name: measured[name]["ms_per_image_by_batch_size"]
            for name in NAMES
            if "ms_per_image_by_batch_size" in measured[name]
        },
        "propagation": propagation,
        "builds": measured["builds"],
        "start_s": {name: measured[name].get("start_s") for name in NAMES[:3]},
        "workers": measured["workers"],
        "growth": _without_scores(measured.get("growth")),
    }


def _without_scores(growth: dict[str, Any] | None) -> dict[str, Any] | None:
    for point in (growth or {}).get("width", {}).values():
        point.pop("scores", None)
    return growth


def _same_decisions(measured: Mapping[str, Any]) -> dict[str, float]:
    """Share of images on which a contender decides as structured synapses in float32 do."""
    ours = np.argmax(measured["structured_float32"]["scores"], axis=1)
    shares = {}
    for name in NAMES:
        if "scores" in measured[name]:
            theirs = np.argmax(measured[name]["scores"], axis=1)
            shares[name] = float(np.mean(theirs == ours[: len(theirs)]))
    return shares


def machine() -> dict[str, Any]:
    """Describe processor, memory and compiler."""
    information = Path("/proc/cpuinfo")
    names = (
        [line for line in information.read_text().splitlines() if "model name" in line] if information.exists() else []
    )
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "compiler": compiler.splitlines()[0] if compiler else "",
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def table(result: Mapping[str, Any]) -> str:
    """Return the results as a text table."""
    rows = [f"{'':<22}{'ms an image':>14}{'events/ns':>12}{'ours faster by':>16}{'memory (MB)':>14}{'decisions':>12}"]
    for name in NAMES:
        ms = result["ms_per_image"][name]
        if ms is None:
            rows.append(f"{name:<22}{'not run: ' + result['not_run'].get(name, ''):>14}")
            continue
        same, peak = result["same_decisions"].get(name), result["peak_memory_mb"][name]
        memory = "-" if peak is None else f"{peak:.0f}"
        rows.append(
            f"{name:<22}{ms:>14.2f}{result['events_per_second'][name] / 1e9:>12.2f}{result['speedup'][name]:>16.2f}"
            f"{memory:>14}{'-' if same is None else f'{same:.0%} same':>12}"
        )
    propagation, builds, workers = result["propagation"], result["builds"], result["workers"]
    rows.append("")
    if "ratio" in propagation:
        rows.append(
            f"propagation alone: {propagation['structured_float32_events_per_second'] / 1e9:.1f} events/ns, "
            f"hand-written {propagation['handwritten_events_per_second'] / 1e9:.1f} ({propagation['ratio']:.0%})"
        )
    for name, seconds in builds.items():
        rows.append(f"build, {name}: {seconds['cold_s']:.1f} s, from the cache {seconds['cached_s']:.1f} s")
    rows.append(f"two workers instead of one: {workers['ratio']:.2f} times as fast")
    rows.append(f"machine: {result['machine']['processor']}, {result['machine']['cores']} cores, one thread each")
    return "\n".join(rows)
