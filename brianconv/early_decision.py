"""Early decision: stop as soon as the winning class has been stable for long enough.

Source: Kim et al. (2018), Neurocomputing 311:373-386, Algorithm 1. The simulations use the same rule while they run, as
a network operation or in generated code.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np

from brianconv.errors import ParameterError, ShapeError

TOLERANCE = 1e-6


class StableDecision:
    """Follows the scores of a number of images step by step.

    Attributes
    ----------
    decision, stable_steps : arrays of int, shape (n_images,)
        Class with the highest score, and for how many steps it has led.
    average_difference : array, shape (n_images,)
        Exponential moving average of the difference between the two highest scores.
    """

    def __init__(self, n_images: int) -> None:
        self.decision = np.full(n_images, -1)
        self.stable_steps = np.zeros(n_images, dtype=int)
        self.average_difference = np.zeros(n_images)

    def update(self, scores: np.ndarray, early_decision: float) -> np.ndarray:
        """Take in the scores of one step, shape (n_images, n_classes); return which images are decided."""
        scores = np.asarray(scores, dtype=np.float64)
        highest = np.partition(scores, -2, axis=1)
        self.average_difference = (highest[:, -1] - highest[:, -2] + self.average_difference) / 2
        decision = scores.argmax(axis=1)
        same = decision == self.decision
        self.stable_steps = np.where(same, self.stable_steps + 1, 0)
        self.decision = decision
        return same & (self.stable_steps * self.average_difference >= early_decision * (1 - TOLERANCE))


@dataclass(frozen=True, eq=False)
class EarlyDecisions:
    """Outcome of early decision for each image.

    Attributes
    ----------
    decisions : array of int, shape (n_images,)
        Class decided on; the decision of the last step where the rule never held.
    steps : array of int, shape (n_images,)
        Step of the decision, from 1.
    decided : array of bool, shape (n_images,)
        False where the rule never held.
    """

    decisions: np.ndarray
    steps: np.ndarray
    decided: np.ndarray


def early_decisions(scores: np.ndarray, early_decision: float, first: int = 1) -> EarlyDecisions:
    """Return the early decisions that recorded scores lead to.

    Parameters
    ----------
    scores : array, shape (n_images, n_steps, n_classes)
    early_decision : float
        Stable decision threshold, positive: the higher, the later and the safer. A class must win for
        ``early_decision / d`` steps in a row, where d is the averaged difference of the two highest scores.
    first : int
        Step at which the rule starts, from 1.

    Raises
    ------
    ParameterError, ShapeError
        If early_decision is not positive, or there are fewer than two classes.
    """
    check_early_decision(early_decision, scores.shape[-1])
    n_images, n_steps, _ = scores.shape
    state = StableDecision(n_images)
    steps, decisions = np.full(n_images, n_steps), scores[:, -1].argmax(axis=1)
    decided = np.zeros(n_images, dtype=bool)
    for step in range(first, n_steps + 1):
        now = state.update(scores[:, step - 1], early_decision) & ~decided
        steps[now], decisions[now] = step, state.decision[now]
        decided |= now
    return EarlyDecisions(decisions, steps, decided)


def check_early_decision(early_decision: float, n_classes: int) -> None:
    """Raise an error unless early decision with this threshold makes sense."""
    if not isinstance(early_decision, numbers.Real) or isinstance(early_decision, bool) or not early_decision > 0:
        raise ParameterError(
            f"early_decision is {early_decision!r}; the threshold of early decision is a positive number"
        )
    if n_classes < 2:
        raise ShapeError("early decision compares the two highest scores: the output must have at least two classes")
