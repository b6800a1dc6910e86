"""What monitors of the user's own have recorded, in either mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Monitored:
    """The data of one monitor: what Brian2's monitor holds, and to which image each sample belongs.

    Attributes
    ----------
    t_ms : array, shape (n_samples,)
        Time of each sample or event since the run began.
    image, step : arrays of int, shape (n_samples,)
        Index of the image, and step within it, from 1.
    variables : mapping of str to array
        As in Brian2, in base units: shape (n_samples,) for spikes, events and rates, ``i`` being the neuron;
        (n_neurons, n_samples) for variables of a StateMonitor. ``monitored.v`` is short for
        ``monitored.variables["v"]``.
    """

    t_ms: np.ndarray
    image: np.ndarray
    step: np.ndarray
    variables: Mapping[str, np.ndarray]

    @classmethod
    def of_times(
        cls, t_ms: np.ndarray, variables: Mapping[str, np.ndarray], steps: np.ndarray, dt_ms: float
    ) -> Monitored:
        """Return samples with the image and the step of each.

        Parameters
        ----------
        t_ms : array, shape (n_samples,)
        variables : mapping of str to array
        steps : array of int, shape (n_images,)
            Steps that each image took.
        dt_ms : float
            Length of a step.
        """
        total = np.floor(t_ms / dt_ms + 1e-6).astype(int)
        ends = np.cumsum(steps)
        image = np.minimum(np.searchsorted(ends, total, side="right"), len(steps) - 1)
        return cls(t_ms, image, total - (ends - steps)[image] + 1, variables)

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["variables"][name]
        except KeyError:
            known = ", ".join(self.__dict__.get("variables", ()))
            raise AttributeError(f"nothing was monitored as {name!r}; there are t_ms, image, step, {known}") from None

    def __repr__(self) -> str:
        return f"<Monitored, {len(self.t_ms)} samples of {', '.join(self.variables)}>"

    def of_images(self, images: Sequence[int]) -> Monitored:
        """Return the samples of some images, numbered from 0 in the order given; times are those of the whole run."""
        number = np.full(int(max([*self.image, *images], default=0)) + 1, -1)
        number[list(images)] = np.arange(len(images))
        kept = np.flatnonzero(number[self.image] >= 0)
        kept = kept[np.argsort(number[self.image[kept]], kind="stable")]
        variables = {name: values[..., kept] for name, values in self.variables.items()}
        return Monitored(self.t_ms[kept], number[self.image[kept]], self.step[kept], variables)


def checked_variables(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays ``monitors/NAME/VARIABLE`` of a file by monitor; ValueError if they do not fit together."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, values in arrays.items():
        kind, _, rest = key.partition("/")
        if kind != "monitors":
            continue
        name, _, variable = rest.partition("/")
        if not name.isidentifier() or not variable.isidentifier():
            raise ValueError(f"recording.npz has an array {key[:60]!r}, which belongs to no monitor")
        if values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
            raise ValueError(f"{key!r} holds {values.dtype} of {values.ndim} dimensions")
        found.setdefault(name, {})[variable] = values
    for name, variables in found.items():
        times = variables.get("t")
        if times is None or times.ndim != 1 or times.dtype.kind != "f" or not np.isfinite(times).all():
            raise ValueError(f"the monitor {name!r} has no times")
        if times.size and times.min() < 0:
            raise ValueError(f"the monitor {name!r} has negative times")
        for variable, values in variables.items():
            if values.shape[-1] != times.size:
                raise ValueError(f"{variable!r} of the monitor {name!r} has other samples than its times")
    return found
