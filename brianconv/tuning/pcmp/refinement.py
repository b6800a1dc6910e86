"""Refinement of pre-charges by the error of the output layer, after the layer-wise search.

The search of Hwang et al. (2021) chooses for each layer what is best for that layer. That need not be best for the
output: a small bias of many neurons, which hardly shows in their own squared error, adds up in the neurons downstream.
This refinement is not in the paper. From the best of several starting points it shifts the pre-charge of one layer, or
of all layers, up and down by steps that get smaller, and keeps what makes the error of the output smaller: it ends at
or below the error of every starting point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brianconv.recording import Recording
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.values import mapping, real, reals, sequence

logger = logging.getLogger(__name__)

Values = Mapping[str, float]
SHIFTS = (0.08, 0.04, 0.02, 0.01)
GLOBAL_STARTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # those of the paper


@dataclass(frozen=True)
class Refined:
    """Outcome of a refinement.

    Attributes
    ----------
    v_init : mapping of str to float
    error : float
    tried : sequence of (values of `v_init` in the order of the populations, error)
    """

    v_init: Mapping[str, float]
    error: float
    tried: Sequence[tuple[list[float], float]]


def output_error(recording: Recording) -> float:
    """Return the sum over steps of the mean squared error of the output's firing rates (Eq. 6 for l = L).

    Parameters
    ----------
    recording : Recording
        Of rate coding, without delay.
    """
    activation = np.maximum(recording.ann_scores, 0.0)[:, None]
    return float(((recording.scores - activation) ** 2).mean(axis=(0, 2)).sum())


def refine_pcmp(
    error: Callable[[Values], float],
    starts: Iterable[Values],
    *,
    shifts: Sequence[float] = SHIFTS,
    limits: tuple[float, float] = (0.0, 0.5),
    checkpoint: Checkpoint | None = None,
) -> Refined:
    """Refine pre-charges.

    Parameters
    ----------
    error : callable
        Maps the pre-charge of each population to the error of the output, such as `output_error` of a simulation of
        training images.
    starts : iterable of mapping of str to float
        Starting points: the layer-wise optimum and some global values, for example.
    shifts : sequence of float
        By which pre-charges are changed, one after the other, each as long as it makes the error smaller.
    limits : (float, float)
        Lowest and highest pre-charge.
    checkpoint : Checkpoint, optional
        Keeps every error that was computed; a run that was killed resumes from them.
    """
    points = [dict(start) for start in starts]
    known = KnownErrors(error, checkpoint, len(points[0]))
    best = min(points, key=known)
    for shift in shifts:
        while (better := _improved(best, shift, limits, known)) is not None:
            best = better
    return Refined(best, known(best), known.tried)


class KnownErrors:
    """An error that is computed once for each setting of this many values."""

    def __init__(self, error: Callable[[Values], float], checkpoint: Checkpoint | None, n_values: int) -> None:
        self.error, self.checkpoint = error, checkpoint
        state = checkpoint.load(lambda state: _check_tried(state, n_values)) if checkpoint else {}
        self.errors = {tuple(values): error for values, error in state.get("tried", [])}

    @property
    def tried(self) -> list[tuple[list[float], float]]:
        return [(list(values), error) for values, error in self.errors.items()]

    def __call__(self, v_init: Values) -> float:
        key = tuple(v_init.values())
        if key not in self.errors:
            self.errors[key] = self.error(v_init)
            if self.checkpoint:
                self.checkpoint.save({"tried": self.tried})
        logger.info("error of the output %.4g with %s", self.errors[key], v_init)
        return self.errors[key]


def _check_tried(state: Mapping[str, Any], n_values: int) -> None:
    """Raise ValueError unless a state lists pairs of settings and errors."""
    tried = mapping(state, "the state", ["tried"])["tried"]
    for k, pair in enumerate(sequence(tried, "tried")):
        values, error = sequence(pair, f"tried[{k}]", 2)
        reals(values, f"the pre-charges of tried[{k}]", n_values)
        real(error, f"the error of tried[{k}]", 0)


def _improved(best: Values, shift: float, limits: tuple[float, float], known: KnownErrors) -> dict[str, float] | None:
    """Try all shifts once, each from the best so far; return the best, or None if there was nothing better."""
    current, found = dict(best), False
    for populations in [list(best), *([name] for name in best)]:
        for shifted in _shifted(current, populations, shift, limits):
            if known(shifted) < known(current):
                current, found = shifted, True
                break
    return current if found else None


def _shifted(
    values: Values, populations: Sequence[str], shift: float, limits: tuple[float, float]
) -> Iterator[dict[str, float]]:
    for change in (shift, -shift):
        moved = {name: float(np.clip(round(values[name] + change, 6), *limits)) for name in populations}
        if any(moved[name] != values[name] for name in populations):
            yield {**values, **moved}
