"""Early decision and delayed evaluation, by hand and against a literal reading of the algorithm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brianconv.coding.delayed_evaluation import delayed_scores, skipped_scores
from brianconv.early_decision import early_decisions
from brianconv.errors import ParameterError, ShapeError


def algorithm_1(scores: np.ndarray, early_decision: float, first: int) -> tuple[int, int, bool]:
    """Kim et al. (2018), Algorithm 1, line by line, for one image."""
    decision, average, count = None, 0.0, 0
    for t in range(first, len(scores) + 1):
        v = scores[t - 1]
        previous, decision = decision, int(np.argmax(v))
        top = sorted(v)[::-1]
        average = ((top[0] - top[1]) + average) / 2
        if decision == previous:
            count += 1
            if average > 0 and count >= early_decision / average:
                return decision, t, True
        else:
            count = 0
    return int(np.argmax(scores[-1])), len(scores), False


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from([0.0625, 0.5, 1.0, 3.0]), st.integers(1, 4))
def test_early_decision_is_algorithm_1(seed, early_decision, first):
    scores = np.random.default_rng(seed).integers(0, 9, size=(4, 12, 3)).cumsum(axis=1) / 16
    found = early_decisions(scores, early_decision, first)
    for k, rows in enumerate(scores):
        assert (found.decisions[k], found.steps[k], found.decided[k]) == algorithm_1(rows, early_decision, first)


def test_a_clear_winner_is_decided_by_hand():
    scores = np.tile([1.0, 0.0], (1, 6, 1))
    # averages 1/2, 3/4, 7/8, 15/16; stable steps 0, 1, 2, 3: 3 * 15/16 is the first product of at least 2
    assert early_decisions(scores, 2.0).steps[0] == 4


def test_without_difference_there_is_no_decision():
    found = early_decisions(np.ones((1, 5, 3)), 0.5)
    assert not found.decided[0] and found.steps[0] == 5 and found.decisions[0] == 0


def test_delayed_scores_count_later_spikes_only():
    counts = np.array([0, 1, 1, 2, 3])
    scores = (counts / np.arange(1, 6))[None, :, None]
    np.testing.assert_allclose(delayed_scores(scores, 2)[0, 2:, 0], [0, 1 / 2, 2 / 3])
    np.testing.assert_allclose(delayed_scores(scores, 0), scores)
    assert np.all(delayed_scores(scores, 2)[0, :2] == 0)


def test_skipped_scores_leave_out_what_came_before():
    scores = np.array([1.0, 3.0, 6.0, 10.0])[None, :, None] * np.array([1.0, 2.0])
    np.testing.assert_array_equal(skipped_scores(scores, 2)[0], [[0, 0], [0, 0], [3, 6], [7, 14]])
    np.testing.assert_array_equal(skipped_scores(scores, 0), scores)


def test_refusals():
    with pytest.raises(ParameterError, match=r"skip is 5; it must lie in \[0, n_steps\) = \[0, 5\)"):
        skipped_scores(np.ones((1, 5, 1)), 5)
    with pytest.raises(ParameterError, match="early_decision is 0"):
        early_decisions(np.ones((1, 5, 3)), 0.0)
    with pytest.raises(ShapeError, match="at least two classes"):
        early_decisions(np.ones((1, 5, 1)), 1.0)
    with pytest.raises(ParameterError, match=r"\[0, 5\)"):
        delayed_scores(np.ones((1, 5, 1)), 5)
