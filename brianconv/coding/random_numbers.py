"""Random numbers that depend on their arguments only: a counter-based generator (Salmon et al., 2011).

A spike of Poisson coding depends on seed, image, step and neuron, and on nothing that was drawn before: every
backend draws the same, a run can be divided among processes, and an image shown alone gives the same spikes as
among others. The mixing function is that of SplitMix64 (Steele et al., 2014).
"""

from __future__ import annotations

import numpy as np

GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def uniform(seed: object, image_index: object, step: object, i: object) -> np.ndarray:
    """Return numbers in [0, 1), one for each combination of the arguments, which broadcast and are whole numbers."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64
        state = np.zeros((), dtype=np.uint64)
        for argument in (seed, image_index, step, i):
            state = _mixed(state + _whole(argument) + np.uint64(GOLDEN))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def normal(seed: object, image_index: object, step: object, i: object) -> np.ndarray:
    """Return normally distributed numbers of mean 0 and variance 1, by the method of Box and Muller (1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(seed, image_index, step, 2 * np.asarray(i))))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(seed, image_index, step, 2 * np.asarray(i) + 1)))


def _whole(argument: object) -> np.ndarray:
    return np.asarray(argument).astype(np.int64).astype(np.uint64)


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))
