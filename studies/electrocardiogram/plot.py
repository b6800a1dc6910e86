"""Draw the study from results.json and spikes.npz: python -m studies.electrocardiogram.plot"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import BLUE, CYCLE, ORANGE, STYLE
from brianconv.readers import read_json, read_npz
from studies.electrocardiogram import params
from studies.electrocardiogram.beats import signal

FOLDER = Path(__file__).parent
MARKS = (("o", BLUE), ("s", ORANGE))


def main() -> None:
    results = read_json(FOLDER / "results.json")
    spikes = read_npz(FOLDER / "spikes.npz")
    with plt.rc_context(STYLE):
        draw(results, spikes).savefig(FOLDER / "electrocardiogram.png", dpi=130)
    print(table(results))


def draw(results: dict[str, Any], spikes: dict[str, np.ndarray]) -> plt.Figure:
    figure = plt.figure(figsize=(9, 6.2), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.25))
    _draw_signal(figure.add_subplot(grid[0, :]), results)
    for k, name in enumerate(("narrow", "wide")):
        _draw_spikes(figure.add_subplot(grid[1, k]), name, spikes, MARKS[k][1])
    _draw_accuracy(figure.add_subplot(grid[1, 2]), results)
    return figure


def _draw_signal(ax: plt.Axes, results: dict[str, Any]) -> None:
    ecg, rate = signal(), params.SAMPLING_RATE
    first, last = (int(second * rate) for second in params.SHOWN)
    ax.plot(np.arange(first, last) / rate, ecg[first:last], color="0.3", linewidth=0.8)
    centres, labels = np.array(results["centres"]), np.array(results["labels"])
    decisions = np.array(results["codes"]["rate"]["decisions"])
    shown = (centres >= first) & (centres < last)
    for label, (marker, colour) in enumerate(MARKS, start=1):
        at = centres[shown & (decisions == label)]
        ax.plot(
            at / rate, ecg[at] + 0.25, marker, color=colour, markersize=4, label=f"taken for a {params.CLASSES[label]}"
        )
    wrong = centres[shown & (decisions != labels)]
    if wrong.size:
        ax.plot(wrong / rate, ecg[wrong] + 0.6, "x", color="black", markersize=5, label="wrong")
    ax.set(xlabel="time in the recording (s)", ylabel="ECG (mV)", xlim=params.SHOWN, ylim=(-1.3, 3.3))
    ax.set_title("Test recording, and what the spiking network (rate coding) says", loc="left")
    ax.legend(loc="upper right", ncols=3)


def _draw_spikes(ax: plt.Axes, name: str, spikes: dict[str, np.ndarray], colour: str) -> None:
    channels, length = (int(n) for n in spikes["shape"])
    ax.plot(
        spikes[f"{name}/step"], spikes[f"{name}/torch_index"], "|", color=colour, markersize=1.5, markeredgewidth=0.6
    )
    ax.set_yticks(
        [(channel + 0.5) * length for channel in range(channels)], [str(channel) for channel in range(channels)]
    )
    for channel in range(1, channels):
        ax.axhline(channel * length, color="0.8", linewidth=0.5)
    ax.set(xlabel="step", ylabel=f"channel (each: {length} times)", xlim=(0, 50), ylim=(channels * length, 0))
    ax.set_title(f"first convolution, a {name} beat", loc="left")
    inset = ax.inset_axes((0.66, 0.02, 0.32, 0.16))
    inset.plot(spikes["windows"][0 if name == "narrow" else 1], color="black", linewidth=0.8)
    inset.set(xticks=[], yticks=[])
    inset.spines[:].set_visible(True)


def _draw_accuracy(ax: plt.Axes, results: dict[str, Any]) -> None:
    for (code, found), colour in zip(results["codes"].items(), CYCLE, strict=False):
        curve = np.array(found["accuracy_by_step"]) * 100
        ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, label=code)
    ann = next(iter(results["codes"].values()))["ann_accuracy"] * 100
    ax.axhline(ann, color="0.5", linestyle=":", label="ANN")
    ax.set(xlabel="step", ylabel="accuracy (%)", xscale="log", ylim=(0, 102))
    ax.set_title("accuracy by step", loc="left")
    ax.legend(loc=(0.47, 0.19))


def table(results: dict[str, Any]) -> str:
    """Return the table of the README."""
    lines = [
        "| code | ANN | SNN | wide beats found | called wide wrongly | steps to 99 % of the ANN | spikes per window | "
        "synaptic operations per window |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for code, found in results["codes"].items():
        confusion = np.array(found["confusion"])
        lines.append(
            f"| {code} | {found['ann_accuracy'] * 100:.1f} % | {found['accuracy'] * 100:.1f} % | {confusion[2, 2]} of "
            f"{confusion[2].sum()} | {confusion[:2, 2].sum()} | {found['latency_steps']['99.0']} | "
            f"{found['spikes_per_image']:,.0f} | {found['synaptic_operations_per_image']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
