"""Divide images among processes of the same program, and join what they return in the order of the images."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from joblib import Parallel, delayed

from brianconv.errors import SimulationError
from brianconv.simulation.network import Settings
from brianconv.simulation.program import Program
from brianconv.spiking import SpikingNetwork

ATTEMPTS = 2


def run_shards(
    program: Program,
    spiking: SpikingNetwork,
    images: np.ndarray,
    settings: Settings,
    jobs: int,
    progress: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Run a program on shards of the images side by side and return its arrays as of one run.

    A shard whose process fails is reported in a warning and tried once more.

    Raises
    ------
    SimulationError
        If a shard fails twice.
    """
    if jobs == 1:
        return program.run(spiking, images, settings, progress)
    shards = np.array_split(np.arange(len(images)), min(jobs, len(images)))
    finished, lock = [0] * len(shards), threading.Lock()

    def report(shard: int, done: int) -> None:
        with lock:
            finished[shard] = done
            progress(sum(finished))

    def run(shard: int) -> dict[str, np.ndarray]:
        chosen = images[shards[shard]]
        of_shard = replace(settings, first_image=int(shards[shard][0]))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return program.run(spiking, chosen, of_shard, lambda done: report(shard, done))
            except SimulationError as error:
                first, last = shards[shard][[0, -1]]
                failure = f"images {first} to {last} (shard {shard + 1} of {len(shards)}): {error}"
                if attempt == ATTEMPTS:
                    raise SimulationError(failure) from error
                warnings.warn(f"{failure}; trying once more", stacklevel=2)
        raise AssertionError  # the last attempt returns or raises

    # each worker only waits for its own process
    parts = Parallel(n_jobs=len(shards), backend="threading")(delayed(run)(k) for k in range(len(shards)))
    return _joined(parts, program.dt_s)


def _joined(parts: list[dict[str, np.ndarray]], dt_s: float) -> dict[str, np.ndarray]:
    lengths = [int(part["steps"].sum()) for part in parts]
    starts_s = (np.cumsum(lengths) - lengths) * dt_s
    return {
        name: np.concatenate(
            [
                part[name] + (start if name.startswith("spike_time_") else 0)
                for part, start in zip(parts, starts_s, strict=True)
            ]
        )
        for name in parts[0]
    }
