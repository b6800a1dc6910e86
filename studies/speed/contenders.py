"""Measure one contender; each runs in a process of its own, with one thread, so that its peak memory is its own."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brianconv.recording import Recording
from brianconv.simulation.program import Program, compile_network
from brianconv.simulation.run import Simulation
from brianconv.simulation.run_settings import RunSettings
from studies.speed.handwritten import compile_loops, run_loop, write_spikes
from studies.speed.tensors import LOOPS, Loop, in_batches
from studies.speed.workload import Workload

Measured = dict[str, Any]
BATCH_SIZES = (1, 16)
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
PROGRAMS: dict[str, dict[str, Any]] = {
    "explicit": {"synapses": "explicit", "dtype": "float32"},
    "structured_float64": {"synapses": "structured", "dtype": "float64"},
    "structured_float32": {"synapses": "structured", "dtype": "float32"},
}
RESET_PEAK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
N_EXPLICIT = 6  # images: one takes as long as some forty by structured synapses


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median of the wall-clock seconds of an action."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure_network(workload: Workload, repeats: int) -> Measured:  # noqa: ARG001
    """Say what is measured; before anything is, so that a network that cannot be loaded does not cost the others."""
    return {"n_synapses": workload.spiking.graph.n_synapses}


def measure_program(workload: Workload, repeats: int, build: Mapping[str, Any]) -> Measured:
    """Measure a generated program; what its start takes is left out of the time per image and given beside it."""
    images = workload.images[:N_EXPLICIT] if build["synapses"] == "explicit" else workload.images
    simulation = Simulation(workload.spiking, "standalone", **build)

    def seconds(n_images: int, n_steps: int) -> float:
        runs = [simulation.run(images[:n_images], n_steps).timing["simulate_s"] for _ in range(repeats)]
        return statistics.median(runs)

    start_s = seconds(1, 1)
    recording = simulation.run(images, workload.n_steps)
    labels = workload.labels[: len(images)]
    return {
        "ms_per_image": 1000 * (seconds(len(images), workload.n_steps) - start_s) / len(images),
        "start_s": start_s,
        "accuracy": recording.accuracy(labels),
        "ann_accuracy": recording.ann_accuracy(labels),
        "events_per_image": int(recording.synaptic_operations.sum()) / len(images),
        "spikes_per_image": recording.spikes_per_image,
        "output_spikes": (recording.scores[:, -1] * workload.n_steps).tolist(),
        "peak_memory_mb": _peak_memory_mb(simulation.program, workload),
    }


def _peak_memory_mb(program: Program | None, workload: Workload) -> float:
    """Return what the program itself took at most; it does not grow with images or steps."""
    assert program is not None
    raw = program.run(workload.spiking, workload.images[:1], RunSettings(1))
    return float(raw["peak_memory_kb"][0]) / 1024


def measure_loops(workload: Workload, repeats: int, name: str) -> Measured:
    """Measure loops over tensors, in each of their modes with each batch size and the faster layout."""
    measured = {
        (mode, size): _measure_loop(loop, workload, repeats, size)
        for mode, loop in LOOPS[name].items()
        for size in BATCH_SIZES
    }
    fastest = min(measured, key=lambda key: measured[key]["ms_per_image"])
    by_mode: dict[str, dict[int, float]] = {mode: {} for mode in LOOPS[name]}
    for (mode, size), one in measured.items():
        by_mode[mode][size] = one["ms_per_image"]
    differs = next(iter(LOOPS[name].values())).differs if _pools(workload) else None
    return {
        **measured[fastest],
        "mode": fastest[0],
        "batch_size": fastest[1],
        "ms_per_image_by_mode": by_mode,
        **({"differs": differs} if differs else {}),
    }


def _pools(workload: Workload) -> bool:
    return any(layer.is_pooling for layer in workload.spiking.graph.layers)


def _measure_loop(kind: type[Loop], workload: Workload, repeats: int, size: int) -> Measured:
    batches = list(in_batches(workload.images, size))
    few_steps = max(1, workload.n_steps // 5)
    trials = {}
    for name, memory_format in MEMORY_FORMATS.items():
        loop = kind(workload.spiking, memory_format)
        loop(batches[0], 1)  # what only the first call takes is not measured
        trials[name] = median_seconds(lambda: loop(batches[0], few_steps), 3)  # noqa: B023
    faster = min(trials, key=trials.__getitem__)
    loop = kind(workload.spiking, MEMORY_FORMATS[faster])
    loop(batches[0], 1)
    forgotten = forget_peak_memory()
    counts: list[np.ndarray] = []
    seconds = median_seconds(
        lambda: counts.append(np.concatenate([loop(batch, workload.n_steps) for batch in batches])), repeats
    )
    return {
        "ms_per_image": 1000 * seconds / len(workload.images),
        "memory_format": faster,
        "output_spikes": counts[-1].tolist(),
        "peak_memory_mb": peak_memory_mb() if forgotten else None,
    }


def forget_peak_memory() -> bool:
    """Let the peak memory of this process begin at what it holds now; return whether the system can do that.

    The conversion of the network takes more than the loops.
    """
    gc.collect()
    try:
        RESET_PEAK.write_text("5")
    except OSError:
        return False
    return True


def peak_memory_mb() -> float:
    """Return the peak memory of this process since `forget_peak_memory`."""
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return float(peak.split()[1]) / 1024


def measure_propagation(workload: Workload, repeats: int) -> Measured:
    """Measure the propagation of spikes alone: in the generated program, and by the hand-written loop if it can."""
    images = workload.images[: min(40, len(workload.images))]
    program = compile_network(workload.spiking, profile=True, dtype="float32")
    runs = [
        _seconds_by_operation(program.run(workload.spiking, images, RunSettings(workload.n_steps)))
        for _ in range(repeats)
    ]
    propagation = statistics.median(sum(s for name, s in seconds.items() if "_to_" in name) for seconds in runs)
    record = Simulation(
        workload.spiking, "standalone", dtype="float32", record_spikes=workload.spiking.populations[:-1]
    )  # fmt: skip
    recording = record.run(images, workload.n_steps)
    events = int(recording.synaptic_operations.sum())
    return {
        "structured_float32_events_per_second": events / propagation,
        **_handwritten(workload, recording, events, propagation, repeats),
        "ms_per_image_by_operation": {
            name: 1000 * s / len(images) for name, s in sorted(runs[-1].items(), key=lambda item: -item[1])
        },
    }


def _handwritten(workload: Workload, recording: Recording, events: int, propagation: float, repeats: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        spikes = Path(folder) / "spikes"
        try:
            loops = compile_loops(workload.spiking, Path(folder))
        except NotImplementedError as error:
            return {"not_run": str(error)}
        write_spikes(recording, spikes)
        seconds = [min(s for loop in loops for s, _ in run_loop(loop, spikes, 3)) for _ in range(repeats)]
        assert run_loop(loops[0], spikes, 1)[0][1] == events, "the hand-written loop counts other events"
    by_hand = statistics.median(seconds)
    return {
        "handwritten_events_per_second": events / by_hand,
        "ratio": by_hand / propagation,
        "handwritten_ms_per_image": 1000 * by_hand / len(recording.steps),
    }


def _seconds_by_operation(raw: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the seconds spent in each operation, less those that reading the clock takes.

    Reading it costs as much as the shortest operation of every step, which works on ten neurons at most.
    """
    seconds = {
        name.removeprefix("seconds_").removesuffix("_codeobject"): float(values[0])
        for name, values in raw.items()
        if name.startswith("seconds_")
    }
    every_step = [s for name, s in seconds.items() if name.endswith("stateupdater")]
    return {name: max(0.0, s - min(every_step)) for name, s in seconds.items()}


def measure_builds(workload: Workload, repeats: int) -> Measured:
    """Measure how long a build takes the first time and when the program is in the cache; the cache must be empty."""
    measured: Measured = {}
    for name in ("explicit", "structured_float32"):
        cold = Simulation(workload.spiking, "standalone", **PROGRAMS[name]).build_s
        cached = [Simulation(workload.spiking, "standalone", **PROGRAMS[name]).build_s for _ in range(repeats)]
        measured[name] = {"cold_s": cold, "cached_s": statistics.median(cached)}
    return measured


def measure_workers(workload: Workload, repeats: int) -> Measured:
    """Measure one and two processes that share the images."""
    simulation = Simulation(workload.spiking, "standalone", **PROGRAMS["structured_float32"])
    images = np.concatenate([workload.images] * 4)
    seconds = {
        jobs: statistics.median(
            [simulation.run(images, workload.n_steps, jobs=jobs).timing["simulate_s"] for _ in range(repeats)]
        )
        for jobs in (1, 2)
    }
    return {"ms_per_image": {j: 1000 * s / len(images) for j, s in seconds.items()}, "ratio": seconds[1] / seconds[2]}


def measure_growth(workload: Workload, repeats: int) -> Measured:
    """Measure how time grows with steps, images and firing rate (by lower thresholds)."""
    simulation = Simulation(workload.spiking, "standalone", **PROGRAMS["structured_float32"])
    n_images, n_steps = len(workload.images), workload.n_steps

    def point(images: np.ndarray, steps: int, v_threshold: float = 1.0) -> Measured:
        runs = [simulation.run(images, steps, v_threshold=v_threshold) for _ in range(repeats)]
        seconds = statistics.median([run.timing["simulate_s"] for run in runs])
        events = int(runs[0].synaptic_operations.sum())
        return {"seconds": seconds, "ms_per_image": 1000 * seconds / len(images), "events": events}

    return {
        "steps": {steps: point(workload.images, steps) for steps in (n_steps // 2, n_steps, 2 * n_steps, 4 * n_steps)},
        "images": {n: point(workload.images[:n], n_steps) for n in (n_images // 4, n_images // 2, n_images)},
        "v_threshold": {v: point(workload.images, n_steps, v) for v in (2.0, 1.0, 0.5, 0.25)},
    }


CONTENDERS: dict[str, Callable[[Workload, int], Measured]] = {
    "network": measure_network,
    **{name: lambda w, r, b=build: measure_program(w, r, b) for name, build in PROGRAMS.items()},  # type: ignore[misc]
    **{name: lambda w, r, n=name: measure_loops(w, r, n) for name in LOOPS},  # type: ignore[misc]
    "propagation": measure_propagation,
    "builds": measure_builds,
    "workers": measure_workers,
    "growth": measure_growth,
}


def use_one_thread() -> None:
    """Keep torch to one thread in this process."""
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
