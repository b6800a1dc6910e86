"""Divide images among processes of the same program, and join what they return in the order of the images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait

import numpy as np

from brianconv.errors import BrianconvError, SimulationError
from brianconv.simulation.extension import PREFIX
from brianconv.simulation.program import Program, Run
from brianconv.simulation.run_settings import RunSettings
from brianconv.spiking import SpikingNetwork

ATTEMPTS = 2


def run_shards(
    program: Program,
    spiking: SpikingNetwork,
    images: np.ndarray,
    settings: RunSettings,
    jobs: int,
    progress: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Run a program on shards of the images side by side and return its arrays as if from one run.

    A shard whose process fails is reported in a warning and tried once more. If this function is interrupted, or a
    shard fails for good, all processes are ended.

    Raises
    ------
    SimulationError
        If a process cannot be started, or a shard fails twice.
    OutputError
        If images or results cannot be written.
    """
    if jobs == 1:
        return program.run(spiking, images, settings, progress)
    length = min(settings.reset_every or len(images), len(images))  # sequences are not divided
    sequences = np.array_split(np.arange(-(-len(images) // length)), min(jobs, -(-len(images) // length)))
    shards = [np.arange(s[0] * length, min((s[-1] + 1) * length, len(images))) for s in sequences]
    running: dict[int, Run] = {}
    parts: dict[int, dict[str, np.ndarray]] = {}
    finished, attempts = [0] * len(shards), [1] * len(shards)

    def start(shard: int) -> None:
        of_shard = replace(settings, first_image=settings.first_image + int(shards[shard][0]))
        running[shard] = program.start(spiking, images[shards[shard]], of_shard)

    def collect(shard: int) -> None:
        run = running[shard]
        try:
            parts[shard] = run.arrays()
        except SimulationError as error:
            failure = _failure(shards, shard, error)
            if attempts[shard] == ATTEMPTS:
                raise SimulationError(failure) from error
            attempts[shard] += 1
            warnings.warn(f"{failure}; trying once more", stacklevel=4)
            run.end()
            start(shard)
        else:
            del running[shard]
            run.end()

    try:
        for shard in range(len(shards)):
            try:
                start(shard)
            except BrianconvError as error:
                raise type(error)(_failure(shards, shard, error)) from error
        while running:
            by_output = {run.fileno(): shard for shard, run in running.items()}
            for shard in [by_output[output] for output in wait(list(by_output)) if isinstance(output, int)]:
                if not running[shard].read():
                    collect(shard)
                elif running[shard].images_done != finished[shard]:
                    finished[shard] = running[shard].images_done
                    progress(sum(finished))
    finally:
        for run in running.values():
            run.end()
    return _joined([parts[shard] for shard in range(len(shards))], program.dt_s)


def is_time(name: str) -> bool:
    """Return whether a result holds times since the start of a run, in seconds."""
    return name.startswith("spike_time_") or (name.startswith(PREFIX) and name.endswith("__t"))


def _failure(shards: list[np.ndarray], shard: int, error: Exception) -> str:
    first, last = shards[shard][[0, -1]]
    return f"images {first} to {last} (shard {shard + 1} of {len(shards)}): {error}"


def _joined(parts: list[dict[str, np.ndarray]], dt_s: float) -> dict[str, np.ndarray]:
    lengths = [int(part["steps"].sum()) for part in parts]
    starts_s = (np.cumsum(lengths) - lengths) * dt_s
    return {
        name: np.concatenate(
            [part[name] + (start if is_time(name) else 0) for part, start in zip(parts, starts_s, strict=True)]
        )
        for name in parts[0]
    }
