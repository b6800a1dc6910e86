"""Latency with delayed evaluation, for many delays from one recording."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from brianconv.recording import LATENCY_PERCENTS, Recording


def latency_by_delay(recording: Recording, labels: np.ndarray, delays: Iterable[int]) -> dict[str, list[int | None]]:
    """Return the steps to each share of the ANN's accuracy, one list a share with one entry a delay; None for never."""
    latencies: dict[str, list[int | None]] = {share: [] for share in LATENCY_PERCENTS}
    for delay in delays:
        for share, step in recording.delayed(delay).latency_steps(labels).items():
            latencies[share].append(step)
    return latencies
