"""The chart of a benchmark's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting import BLUE, ORANGE, SKY, STYLE

GREY = "#999999"
LABELS = {
    "explicit": "Brian2, plain Synapses (float32)",
    "structured_float64": "brianconv, float64",
    "structured_float32": "brianconv, float32",
    "handwritten": "propagation alone, hand-written C++",
    "dense_torch": "PyTorch, loop over steps",
    "spikingjelly": "SpikingJelly",
    "sinabs": "sinabs",
}
COLOURS = {"structured_float64": SKY, "structured_float32": BLUE, "handwritten": ORANGE}


def plot_benchmark(result: Mapping[str, Any]) -> Figure:
    """Draw milliseconds an image for each contender and, if measured, how they grow.

    Parameters
    ----------
    result : mapping
        What `brianconv bench` writes into result.json.
    """
    growth = result.get("growth")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 1 + (2 if growth else 0), figsize=(11 if growth else 7, 3.4), squeeze=False)
        _draw_bars(axes[0, 0], result)
        if growth:
            _draw_growth(axes[0, 1], growth["steps"], "steps an image")
            _draw_events(axes[0, 2], growth)
        figure.tight_layout()
    return figure


def _draw_bars(axes: Axes, result: Mapping[str, Any]) -> None:
    measured = {name: ms for name, ms in result["ms_per_image"].items() if ms is not None}
    names = sorted(measured, key=measured.__getitem__)
    axes.barh([LABELS[n] for n in names], [measured[n] for n in names], color=[COLOURS.get(n, GREY) for n in names])
    for row, name in enumerate(names):
        axes.text(measured[name] * 1.1, row, f"{measured[name]:.3g}", va="center")
    axes.set(xscale="log", xlabel="ms an image, one thread", title=f"{result['n_steps']} steps")
    axes.set_xlim(1, max(measured.values()) * 5)
    axes.invert_yaxis()


def _draw_growth(axes: Axes, points: Mapping[str, Any], label: str) -> None:
    x = sorted(points, key=float)
    axes.plot([float(k) for k in x], [points[k]["ms_per_image"] for k in x], "o-", color=BLUE)
    axes.set(xlabel=label, ylabel="ms an image, float32", ylim=(0, None), xlim=(0, None))


def _draw_events(axes: Axes, growth: Mapping[str, Any]) -> None:
    n_images = int(max(growth["images"], key=int))
    for name, label, colour in (("v_threshold", "other thresholds", BLUE), ("width", "other widths", ORANGE)):
        points = [
            (point.get("events_per_image", point.get("events", 0) / n_images) / 1e6, point["ms_per_image"])
            for point in growth.get(name, {}).values()
        ]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), "o-", color=colour, label=label)
    axes.set(xlabel="million synaptic events an image", ylabel="ms an image, float32", ylim=(0, None), xlim=(0, None))
    axes.legend()
