"""The chart of a benchmark's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import BLUE, ORANGE, SKY, STYLE

GREY = "#999999"
LABELS = {
    "structured_float32": "brianconv, float32",
    "structured_float64": "brianconv, float64",
    "dense_torch": "PyTorch",
    "spikingjelly": "SpikingJelly",
    "sinabs": "sinabs",
    "explicit": "Brian2, plain Synapses",
}
COLOURS = {"structured_float64": SKY, "structured_float32": BLUE}
MOST_LONGER = 1.6  # a bar that is longer than the second longest by more than this is cut
CUT = 1.15  # length of a bar that is cut, in longest bars that are not
AXIS = 1.75  # length of the axis in the same unit: there is room for the numbers


def plot_benchmark(result: Mapping[str, Any]) -> Figure:
    """Draw milliseconds per image for each contender, one panel for each network, and how they grow if measured.

    Bars begin at zero on a linear axis, so that their lengths compare. A bar that would make the others too short to
    read is cut, and its number says how long it is.

    Parameters
    ----------
    result : mapping
        What `brianconv bench` writes into result.json.
    """
    networks, growth = result["networks"], result.get("growth")
    n_columns = max(len(networks), 2 if growth else 1)
    with plt.rc_context({**STYLE, "font.size": 12}):
        figure = plt.figure(figsize=(4.2 * n_columns + 2.2, 7.4 if growth else 3.9), layout="constrained")
        rows = figure.subfigures(2, 1, height_ratios=(1.0, 0.9), squeeze=False)[:, 0] if growth else [figure]
        panels = rows[0].subplots(1, len(networks), sharey=True, squeeze=False)[0]
        for axes, (name, network) in zip(panels, networks.items(), strict=True):
            _draw_bars(axes, name, network)
        panels[0].set_yticks(range(len(LABELS)), list(LABELS.values()))
        panels[0].invert_yaxis()
        if growth:
            by_steps, by_events = rows[1].subplots(1, 2)
            _draw_growth(by_steps, growth["steps"], "steps per image")
            _draw_events(by_events, growth)
    return figure


def _draw_bars(axes: Axes, name: str, network: Mapping[str, Any]) -> None:
    measured, differs = network["ms_per_image"], network["differs"]
    drawn = sorted(measured[contender] for contender in LABELS if measured[contender] is not None)
    longest = drawn[-2] if len(drawn) > 1 and drawn[-1] > MOST_LONGER * drawn[-2] else drawn[-1]
    for row, contender in enumerate(LABELS):
        ms = measured[contender]
        if ms is None:
            axes.text(0.03 * longest, row, "not run", va="center", color=GREY)
            continue
        length = min(ms, CUT * longest)
        axes.barh(row, length, color=COLOURS.get(contender, GREY))
        if length < ms:
            axes.text(0.9 * length, row, "//", va="center", ha="center", color="white", weight="bold", size=16)
        number = f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"
        ratio = "" if contender == "structured_float32" else f"  ({network['speedup'][contender]:.1f}×)"
        star = "*" if contender in differs else ""
        axes.text(length + 0.03 * longest, row, number + ratio + star, va="center")
    million = network["events_per_image"] / 1e6
    axes.set_title(
        f"{name}\n{network['n_steps']} steps, {million:.0f} million events per image", fontsize=12, loc="left"
    )
    note = "\n* with another maximum pooling of spikes" if differs else ""
    axes.set(xlim=(0, AXIS * longest), xlabel=f"ms per image, one thread{note}")


def _draw_growth(axes: Axes, points: Mapping[str, Any], label: str) -> None:
    x = sorted(points, key=float)
    axes.plot([float(k) for k in x], [points[k]["ms_per_image"] for k in x], "o-", color=BLUE)
    axes.set(xlabel=label, ylabel="ms per image, float32", ylim=(0, None), xlim=(0, None))


def _draw_events(axes: Axes, growth: Mapping[str, Any]) -> None:
    n_images = int(max(growth["images"], key=int))
    for name, label, colour in (("v_threshold", "other thresholds", BLUE), ("width", "other widths", ORANGE)):
        points = [
            (point.get("events_per_image", point.get("events", 0) / n_images) / 1e6, point["ms_per_image"])
            for point in growth.get(name, {}).values()
        ]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), "o-", color=colour, label=label)
    axes.set(xlabel="million synaptic events per image", ylabel="ms per image, float32", ylim=(0, None), xlim=(0, None))
    axes.legend()
