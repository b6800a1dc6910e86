"""Several coding schemes in one picture: what they reach, what it costs, and what their spikes look like."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure, SubFigure

from brianconv.analysis.energy import compute_energy_by_step
from brianconv.analysis.plotting.colours import CYCLE, PAGE_INCHES, STYLE, YELLOW
from brianconv.analysis.plotting.raster import plot_raster
from brianconv.analysis.plotting.traces import plot_potentials
from brianconv.positions import Position
from brianconv.recording import Recording

COLORS = (*CYCLE, YELLOW, "#999999")
DASHES = ("-", "--", ":", "-.")
NEURONS = 40  # drawn per layer


def plot_comparison(
    recordings: Mapping[str, Recording],
    labels: np.ndarray,
    shown: Mapping[str, Recording],
    traced: tuple[str, Position],
) -> Figure:
    """Draw accuracy by step, against spikes and against energy; below, a raster and a trace of each coding scheme.

    Parameters
    ----------
    recordings : mapping of str to Recording
        Of the same images.
    labels : array of int, shape (n_images,)
    shown : mapping of str to Recording
        Of one image, with the spikes of all layers and the potential of `traced`.
    traced : (str, position)
        A layer and a neuron of it.
    """
    count = len(recordings)
    n_layers = max(len(recording.spikes) for recording in shown.values())
    row = 0.5 + 0.3 * n_layers
    with plt.rc_context(STYLE | {"font.size": 7, "axes.titlesize": 7}):
        figure = plt.figure(figsize=(PAGE_INCHES, 2.5 + row * count), layout="constrained")
        above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(2.5, row * count)))
        _draw_costs(above, recordings, labels)
        axes = below.subplots(count, 2, squeeze=False, width_ratios=(3, 2))
        for (left, right), (name, recording) in zip(axes, shown.items(), strict=True):
            plot_raster(recording, neurons=NEURONS, ax=left)
            left.set_title(name, loc="left", fontweight="bold")
            plot_potentials(recording, traced[0], [traced[1]], ax=right)
            right.set_xlabel("time (ms)")
            if left is not axes[-1, 0]:
                left.set_xlabel("")
                right.set_xlabel("")
    return figure


def _draw_costs(figure: SubFigure, recordings: Mapping[str, Recording], labels: np.ndarray) -> None:
    all_axes = figure.subplots(1, 3, sharey=True)
    first = next(iter(recordings.values()))
    ann = 100 * first.ann_accuracy(labels)
    for index, (name, recording) in enumerate(recordings.items()):
        accuracy = 100 * recording.accuracy_by_step(labels)
        spikes = recording.spike_counts.sum(axis=1).cumsum() / recording.n_images
        energy = compute_energy_by_step(recording, recording.spiking.graph) / 1000
        style = {"color": COLORS[index % len(COLORS)], "linestyle": DASHES[index // len(CYCLE) % len(DASHES)]}
        for axes, x in zip(all_axes, (np.arange(1, recording.n_steps + 1), spikes, energy), strict=True):
            seen = x > 0
            axes.plot(x[seen], accuracy[seen], label=name, **style)
            axes.plot(x[-1:], accuracy[-1:], marker="o", markersize=3, **style)
    for axes, title in zip(all_axes, ("steps", "spikes per image", "energy per image (nJ, 45 nm CMOS)"), strict=True):
        axes.axhline(ann, color="0.4", linestyle="--", linewidth=0.8)
        axes.set(xscale="log", xlabel=title)
    all_axes[0].set_ylabel("accuracy (%)")
    all_axes[0].text(
        0.02, ann, f"ANN {ann:.2f} %", transform=all_axes[0].get_yaxis_transform(), va="bottom", color="0.4"
    )
    handles, names = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 9))
