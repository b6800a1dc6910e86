"""A small recording, written by hand."""

import numpy as np

from brianconv.recording import Potentials, Recording, Spikes

POTENTIALS = np.arange(8.0).reshape(2, 4, 1)


def recording(**changes) -> Recording:
    scores = np.zeros((2, 4, 3))
    scores[0, 1:, 2] = 1.0  # image 0: class 2 from step 2 on
    scores[1, 3:, 1] = 1.0  # image 1: class 1 at step 4
    fields = {
        "layers": ("input", "fc"),
        "scores": scores,
        "spike_counts_by_image": np.array([[[2, 0], [2, 0], [0, 1], [0, 1]], [[1, 0], [0, 1], [1, 0], [0, 1]]]),
        "synaptic_operations_by_image": np.array([[[6, 0], [6, 0], [0, 0], [0, 0]], [[3, 0], [0, 0], [3, 0], [0, 0]]]),
        "analog_operations_by_image": np.array([[3, 0, 0, 0], [2, 0, 0, 0]]),
        "steps": np.array([4, 4]),
        "decided": np.array([False, False]),
        "evaluation_delay": 0,
        "ann_scores": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        "shapes": {"input": (1, 1, 3), "fc": (3,)},
        "spikes": {"fc": Spikes(np.array([0, 1]), np.array([2, 4]), np.array([2, 1]))},
        "potentials": {"fc": Potentials(np.array([2]), POTENTIALS, {"w_a": 2 * POTENTIALS})},
        "timing": {"build_s": 1.0, "simulate_s": 2.0},
        "parameters": {"v_threshold": {"input": 1.0, "fc": 1.0}, "v_init": {"input": 0.0, "fc": 0.5}},
        "dt_ms": 1.0,
    }
    return Recording(**(fields | changes))


LABELS = np.array([2, 1])
