"""The arguments that pictures share: named recordings, axes, and a time range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from brian2 import Quantity, ms
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import STYLE
from brianconv.errors import DataError, ParameterError
from brianconv.recording import Recording

Recordings = Recording | Mapping[str, Recording]


@contextmanager
def panels(
    ax: Axes | Sequence[Axes] | None, count: int, size: tuple[float, float], *, columns: bool = False, **subplots: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure and this many axes: those of the caller, or new ones in a figure of a size in inches.

    New ones are placed one below the other, or side by side if they are columns.

    Raises
    ------
    ParameterError
        If the caller has given a different number of axes.
    """
    with plt.rc_context(STYLE):
        if ax is None:
            shape = (1, count) if columns else (count, 1)
            figure, new = plt.subplots(*shape, figsize=size, squeeze=False, layout="constrained", **subplots)
            yield figure, list(new.ravel())
            return
        given = [ax] if isinstance(ax, Axes) else list(ax)
        if len(given) != count:
            raise ParameterError(f"ax has {len(given)} axes; this picture needs {count}, one for each of its panels")
        yield given[0].get_figure(root=True), given  # type: ignore[misc]


def named(recordings: Recordings) -> dict[str, Recording]:
    """Return recordings by name; the name of a single one is empty."""
    found = dict(recordings) if isinstance(recordings, Mapping) else {"": recordings}
    wrong = [type(recording).__name__ for recording in found.values() if not isinstance(recording, Recording)]
    if wrong or not found:
        raise DataError(
            f"pictures take a recording, or a mapping of names to recordings; got {wrong[0] if wrong else 'none'}"
        )
    return found


def window_ms(time: tuple[Any, Any] | None, dt_ms: float, end_ms: float) -> tuple[float, float]:
    """Return the time range to draw, in ms; from two times such as ``(10*ms, 20*ms)`` or two numbers of steps.

    Raises
    ------
    ParameterError
        If these are not two, or the second is not later than the first.
    """
    if time is None:
        return 0.0, end_ms
    try:
        first, last = (float(t / ms) if isinstance(t, Quantity) else float(t) * dt_ms for t in time)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"time is {time!r}; it is two times such as (10*ms, 20*ms), or two steps") from error
    if not 0 <= first < last:
        raise ParameterError(f"time is {time!r}; the second time must be later than the first, which is 0 or later")
    return first, min(last, end_ms) if first < end_ms else last


def check_images(recording: Recording, images: Sequence[int]) -> None:
    """Raise DataError unless all images were simulated."""
    wrong = [k for k in images if not 0 <= k < recording.n_images]
    if wrong or len(images) == 0:
        raise DataError(
            f"image {wrong[0] if wrong else 'none'} was not simulated; choose from 0 to {recording.n_images - 1}"
        )


def n_neurons(recording: Recording, layer: str) -> int:
    """Return the number of neurons of a layer."""
    return int(np.prod(recording.shapes[layer]))
