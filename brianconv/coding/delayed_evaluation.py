"""Delayed evaluation: spikes of the output count from a later step on, without the transient of deep layers.

Source: Hwang et al. (2021), Front. Neurosci. 15:629000, section "Delayed Evaluation". `SPIKE_COUNT` discards the spikes
while a network runs; `delayed_scores` and `skipped_scores` give what a recording without delay would have shown.
"""

from __future__ import annotations

import numpy as np

from brianconv.coding.scheme import Readout
from brianconv.errors import ParameterError

SPIKE_COUNT = Readout(
    name="spike_count",
    equations="""
    spike_count                   : integer
    score                         : 1
    """,
    on_spike="spike_count += int(step > evaluation_delay)",
    on_image="spike_count = 0",
    evaluate="score = spike_count / clip(step - evaluation_delay, 1, step)",
    source="Hwang et al. (2021), section 'Delayed Evaluation': spikes count from step delay + 1 on",
)


def delayed_scores(scores: np.ndarray, evaluation_delay: int) -> np.ndarray:
    """Return the scores that delayed evaluation gives, from the firing rates of a run without delay.

    Parameters
    ----------
    scores : array, shape (n_images, n_steps, n_classes)
        Spike count / step, as rate coding records them with ``evaluation_delay=0``.
    evaluation_delay : int
        Spikes count from step evaluation_delay + 1 on (Hwang et al. 2021).
    """
    n_steps = scores.shape[1]
    if not 0 <= evaluation_delay < n_steps:
        raise ParameterError(f"evaluation_delay is {evaluation_delay}; it must lie in [0, n_steps) = [0, {n_steps})")
    step = np.arange(1, n_steps + 1)[:, None]
    counts = np.rint(scores * step)
    before = counts[:, evaluation_delay - 1 : evaluation_delay] if evaluation_delay else 0.0
    return np.maximum(counts - before, 0.0) / np.clip(step - evaluation_delay, 1, None)


def skipped_scores(scores: np.ndarray, skip: int) -> np.ndarray:
    """Return the scores of an output that accumulates without leak, as if some steps had been skipped.

    Parameters
    ----------
    scores : array, shape (n_images, n_steps, n_classes)
        Potentials of the output, as phase and burst coding record them with ``skip=0``.
    skip : int
        Steps whose input does not count. Scores are 0 until then, without the initial potential, which all classes
        share.
    """
    n_steps = scores.shape[1]
    if not 0 <= skip < n_steps:
        raise ParameterError(f"skip is {skip}; it must lie in [0, n_steps) = [0, {n_steps})")
    if skip == 0:
        return scores
    later = np.arange(1, n_steps + 1)[:, None] > skip
    return np.where(later, scores - scores[:, skip - 1 : skip], 0.0)
