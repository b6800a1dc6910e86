"""Measure how long networks take until they run, with empty caches and again: python -m studies.speed.cold."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

REPEATS = 3
CASES = (
    ("demo", "runtime"),
    ("models/hwang2021.py:net1", "runtime"),
    ("demo", "standalone"),
    ("models/hwang2021.py:resnet20", "standalone"),
)


def measure(model: str, mode: str) -> list[float]:
    """Return the seconds until a network has run for the first time, and for a second time."""
    from brianconv import datasets
    from brianconv.conversion.convert import convert
    from brianconv.conversion.weights import load_model
    from brianconv.demo import small_cnn
    from brianconv.simulation.run import Simulation

    digits = datasets.load("digits", "train").images
    if model == "demo":
        network: Any = small_cnn().eval()
        images = digits
    else:
        import numpy as np

        network = load_model(model, None, 0)[0]
        shape = (1, 28, 28) if "net1" in model else (3, 32, 32)
        images = np.random.default_rng(0).random((20, *shape))
    spiking, seconds = convert(network, images), []
    for _ in range(2):
        start = time.perf_counter()
        Simulation(spiking, mode).run(images[:1], 5)
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Print the medians; each measurement is a process of its own with caches of its own."""
    for model, mode in CASES:
        found = []
        for _ in range(REPEATS):
            with tempfile.TemporaryDirectory() as cache:
                environment = {
                    **os.environ,
                    "BRIANCONV_CACHE": f"{cache}/programs",
                    "CYTHON_CACHE_DIR": f"{cache}/cython",
                }
                command = [sys.executable, "-W", "ignore", "-m", "studies.speed.cold", model, mode]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                found.append([float(seconds) for seconds in done.stdout.split()[-2:]])
        first, again = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{model:<30} {mode:<11} {first:5.1f} s, again {again:.1f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(*measure(*sys.argv[1:]))
    else:
        main()
