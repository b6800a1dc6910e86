"""Draw the study from results.json, and print its table: python -m studies.kernels.plot"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import BLUE, ORANGE, RED, STYLE
from brianconv.files import write_atomically
from brianconv.readers import read_json
from studies.kernels import params

FOLDER = Path(__file__).parent
COLORS = (RED, BLUE)
LINES = ("-", "--")
SMOOTHED = 10  # batches of the running mean
MANY = 8  # layers, above which rows are lower and not every layer stands in a legend


def main() -> None:
    plt.switch_backend("Agg")
    for name, results in read_json(FOLDER / "results.json").items():
        network = params.NETWORKS[name]
        print(f"\n{network.title}\n\n{table(results['rows'])}\n\n{kernel_table(results['tuned'])}")
        with plt.rc_context(STYLE):
            for part, figure in (("losses", draw_losses(results, network)), ("times", draw_times(results, network))):
                write_atomically(FOLDER / f"{name}_{part}.png", partial(figure.savefig, format="png"))
                plt.close(figure)


def draw_losses(results: dict[str, Any], network: params.Network) -> Figure:
    """Losses from both starting points, as Park et al. (2020), Figure 4, and the kernels on the way."""
    figure, axes = plt.subplots(2, 3, figsize=(11.5, 6), layout="constrained", sharex=True)
    figure.suptitle(
        f"{network.title}, T = {network.window}: descent from two starting points (means of {SMOOTHED} batches)"
    )
    titles = {
        "precision": "precision loss (Eq. 9)",
        "minimum": "minimum representation loss (Eq. 10)",
        "maximum": "maximum representation loss (Eq. 11)",
    }
    _losses(axes[0, 0], results["tuned"], network, tuple(titles))
    axes[0, 0].set_title("sum of the three losses", fontsize=10)
    for ax, (kind, title) in zip((axes[0, 1], axes[0, 2], axes[1, 0]), titles.items(), strict=True):
        _losses(ax, results["tuned"], network, (kind,))
        ax.set_title(title, fontsize=10)
    for ax, key in ((axes[1, 1], "tau"), (axes[1, 2], "t_d")):
        _paths(ax, results["tuned"], network, key)
    for ax in axes[1]:
        ax.set_xlabel("batch")
    return figure


def _losses(axes: Axes, tuned: dict[str, Any], network: params.Network, kinds: tuple[str, ...]) -> None:
    for start, color, line in zip(network.starts, COLORS, LINES, strict=True):
        by_kind = tuned[str(start)]["curves"]["losses"]
        mean = np.sum([np.mean(list(by_kind[kind].values()), axis=0) for kind in kinds], axis=0)
        batch = np.arange(len(mean)) + 1
        axes.plot(batch, mean, color=color, linewidth=0.5, alpha=0.5)
        smooth = np.array([mean[max(k - SMOOTHED, 0) : k].mean() for k in batch])
        axes.plot(batch, smooth, color=color, linestyle=line, label=f"from tau = {start:g}")
    axes.set(yscale="log", ylabel="mean over layers")
    axes.legend(fontsize=8)


def _paths(axes: Axes, tuned: dict[str, Any], network: params.Network, key: str) -> None:
    for start, line in zip(network.starts, LINES, strict=True):
        paths = tuned[str(start)]["curves"]["paths"][key]
        shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(paths)))
        every = 1 if len(paths) <= MANY else 3
        for k, ((name, path), shade) in enumerate(zip(paths.items(), shades, strict=True)):
            label = name if start == network.starts[0] and k % every == 0 else None
            axes.plot(np.arange(len(path)) + 1, path, color=shade, linestyle=line, linewidth=1, label=label)
    low, high = network.starts
    axes.set_title(f"{key} (steps; solid: from tau = {low:g}, dashed: {high:g})", fontsize=10)
    axes.legend(fontsize=8, ncols=2)


def draw_times(results: dict[str, Any], network: params.Network) -> Figure:
    """Spikes by step of each layer before and after tuning, as Park et al. (2020), Figure 5."""
    shown = network.drawn()
    layers = list(results["tuned"][str(network.starts[0])]["settings"]["tau"])
    height = 1.35 if len(layers) <= MANY else 0.8
    figure, axes = plt.subplots(
        len(layers), len(shown), figsize=(2.9 * len(shown), height * len(layers) + 0.9), layout="constrained",
        sharex="row", sharey="row", squeeze=False,
    )  # fmt: skip
    figure.suptitle(f"{network.title}: spikes per image by step of the layer's window (line: first spike)")
    for column, title in enumerate(shown):
        axes[0, column].set_title(title, fontsize=10)
        axes[-1, column].set_xlabel("step in the window")
        for row, layer in enumerate(layers):
            spikes = np.array(results["rows"][title]["spikes_by_step"][layer])
            _histogram(axes[row, column], spikes[row * network.window : (row + 1) * network.window])
            axes[row, 0].set_ylabel(layer)
    return figure


def _histogram(axes: Axes, spikes: np.ndarray) -> None:
    axes.bar(np.arange(len(spikes)), spikes, width=1.0, color="0.35")
    if spikes.any():
        axes.axvline(int(np.flatnonzero(spikes)[0]), color=ORANGE, linewidth=2)


def table(rows: dict[str, dict]) -> str:
    """Return accuracy, steps and spikes, and the share of the spikes of burst coding."""
    burst = rows[params.BURST]["spikes_per_image"]
    lines = [
        "| kernels | steps | accuracy | spikes per image | share of burst's | operations (10^6) |",
        "|---|---|---|---|---|---|",
    ]
    for title, row in rows.items():
        spikes, operations = row["spikes_per_image"], row["synaptic_operations_per_image"] / 1e6
        lines.append(
            f"| {title} | {row['n_steps']} | {row['accuracy']:.2%} | {spikes:,.0f} | {spikes / burst:.1%} "
            f"| {operations:.1f} |"
        )
    return "\n".join(lines)


def kernel_table(tuned: dict[str, dict]) -> str:
    """Return tau and t_d of each population from each starting point."""
    starts = " | ".join(f"from tau {float(start):g}" for start in tuned)
    lines = [f"| tau, t_d | {starts} |", "|---" * (len(tuned) + 1) + "|"]
    found = [result["settings"] for result in tuned.values()]
    for name in found[0]["tau"]:
        cells = " | ".join(f"{settings['tau'][name]:.2f}, {settings['t_d'][name]:.2f}" for settings in found)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
