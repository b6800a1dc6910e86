"""Spike trains of single neurons, in seconds, and what is measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brianconv.errors import ParameterError


@dataclass(frozen=True, eq=False)
class SpikeTrain:
    """The spikes of one neuron while one image was shown.

    Attributes
    ----------
    times : array, shape (n_spikes,)
        In seconds from the beginning of the image; a spike of step k is at its end, k times the length of a step.
    t_start, t_stop : float
        Beginning and end of the image in seconds.

    Examples
    --------
    >>> train = SpikeTrain(np.array([0.002, 0.005, 0.011]), 0.0, 0.02)
    >>> train.isi
    array([0.003, 0.006])
    >>> round(train.cv, 3), round(train.rate_hz)
    (0.333, 150)
    """

    times: np.ndarray
    t_start: float
    t_stop: float

    def __len__(self) -> int:
        return len(self.times)

    @property
    def isi(self) -> np.ndarray:
        """Intervals between successive spikes in seconds, shape (n_spikes - 1,)."""
        return np.round(np.diff(self.times), 12)

    @property
    def cv(self) -> float:
        """Coefficient of variation of the intervals (standard deviation over mean); NaN for fewer than two."""
        isi = self.isi
        return float(isi.std() / isi.mean()) if len(isi) > 1 else float("nan")

    @property
    def rate_hz(self) -> float:
        """Mean firing rate."""
        return len(self.times) / (self.t_stop - self.t_start)

    def to_neo(self) -> Any:
        """Return the train as a `neo.SpikeTrain`, which Elephant takes; ParameterError if Neo is not installed."""
        try:
            import neo
            import quantities
        except ImportError as error:
            raise ParameterError("to_neo needs Neo: pip install neo") from error
        return neo.SpikeTrain(self.times * quantities.s, t_start=self.t_start, t_stop=self.t_stop)
