"""Accuracy by step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import COLUMN_INCHES
from brianconv.analysis.plotting.panels import panels

HEADROOM = 0.04  # margin above and below, as a share of the range of accuracies


def plot_accuracy(
    curves: Mapping[str, np.ndarray],
    ann_accuracy: float | None = None,
    dt_ms: float | None = None,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draw accuracy by step, one curve per name, with the accuracy of the network before conversion as a line.

    The axis begins where the curves have settled, so that their differences can be seen.

    Parameters
    ----------
    curves : mapping of str to array, shape (n_steps,)
        As `Recording.accuracy_by_step` returns them.
    ann_accuracy : float, optional
    dt_ms : float, optional
        Draw against time in ms instead of steps.
    ax : Axes, optional

    Examples
    --------
    >>> curve = np.array([0.1, 0.5, 0.9])
    >>> figure = plot_accuracy({"rate": curve}, ann_accuracy=0.95)
    >>> len(figure.axes)
    1
    """
    with panels(ax, 1, (COLUMN_INCHES, 2.4)) as (figure, (axes,)):
        for name, curve in curves.items():
            steps = np.arange(1, len(curve) + 1)
            axes.plot(steps * (dt_ms or 1), 100 * np.asarray(curve), label=name)
        if ann_accuracy is not None:
            label = f"ANN ({100 * ann_accuracy:.2f} %)"
            axes.axhline(100 * ann_accuracy, color="0.3", linestyle="--", linewidth=0.8, label=label)
        axes.set(xlabel="time (ms)" if dt_ms else "steps", ylabel="accuracy (%)", ylim=_limits(curves, ann_accuracy))
        axes.set_xlim(left=0)
        axes.legend(loc="lower right")
    return figure


def _limits(curves: Mapping[str, np.ndarray], ann_accuracy: float | None) -> tuple[float, float]:
    """Return limits in percent that enclose the second halves of all curves and span at least ten points."""
    values = [100 * np.asarray(curve)[len(curve) // 2 :] for curve in curves.values()]
    values += [] if ann_accuracy is None else [np.array([100 * ann_accuracy])]
    settled = np.concatenate(values) if values else np.array([0.0, 100.0])
    high = float(settled.max())
    low = min(float(settled.min()), high - 10)
    margin = HEADROOM * (high - low)
    return max(low - 4 * margin, 0.0), min(high + margin, 102.0)
