"""What a run needs besides the network and the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brianconv.errors import ParameterError
from brianconv.values import MOST_STEPS

NEVER = 2**31 - 1  # images: no run has as many


@dataclass(frozen=True)
class RunSettings:
    """What a run needs besides the network and the images; none of it is compiled in.

    Attributes
    ----------
    n_steps : int
        Steps per image.
    evaluation_delay : int
        Delayed evaluation: output spikes count from step evaluation_delay + 1 on (Hwang et al. 2021).
    skip : int
        Steps at the beginning during which the output neither integrates nor fires.
    early_decision : float or None
        Threshold theta of early decision (Kim et al. 2018, Algorithm 1), which starts when evaluation_delay and skip
        are over; None for no early decision.
    first_image : int
        Number of images before the first one, for random numbers that depend on it.
    reset_every : int or None
        Number of images, such as the frames of a film, after which membranes and synapses are reset; None for never.

    Examples
    --------
    >>> RunSettings(n_steps=100, evaluation_delay=20).early_decision is None
    True
    """

    n_steps: int
    evaluation_delay: int = 0
    skip: int = 0
    early_decision: float | None = None
    first_image: int = 0
    reset_every: int | None = 1

    def __post_init__(self) -> None:
        for name in ("n_steps", "evaluation_delay", "skip"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
                raise ParameterError(f"{name} is {getattr(self, name)!r}; it is a whole number of steps")
        if not 1 <= self.n_steps <= MOST_STEPS:
            raise ParameterError(f"n_steps is {self.n_steps}; an image lasts at least 1 step, and at most {MOST_STEPS}")
        for name in ("evaluation_delay", "skip"):
            value = getattr(self, name)
            if not 0 <= value < self.n_steps:
                raise ParameterError(f"{name} is {value}; it must lie in [0, n_steps) = [0, {self.n_steps})")
        if self.reset_every is not None and (type(self.reset_every) is not int or not 1 <= self.reset_every <= NEVER):
            raise ParameterError(
                f"reset_every is {self.reset_every!r}; it is a number of images, 1 or more, or None for no reset"
            )
        if (
            isinstance(self.early_decision, (int, float, np.number))
            and not abs(self.early_decision) <= np.finfo(float).max
        ):
            raise ParameterError(
                f"early_decision is {self.early_decision}; the threshold of early decision is a finite number"
            )
