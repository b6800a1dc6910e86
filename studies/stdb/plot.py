"""Draw spikes per neuron by layer, energies and the courses of trainings, and print the tables.

    python -m studies.stdb.plot

Pictures are put beside results.json, from which everything is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import BLUE, RED, STYLE
from brianconv.files import write_atomically
from brianconv.readers import read_json
from studies.stdb import params

FOLDER = Path(__file__).parent
DRAWN = ("direct, many spikes", "direct, one spike", "hybrid, many spikes", "hybrid, one spike")
COLOURS = ("0.75", "0.45", BLUE, RED)


def main() -> None:
    plt.switch_backend("Agg")
    networks = read_json(FOLDER / "results.json")["networks"]
    for name, results in networks.items():
        print(f"{name}\n\n{accuracy_table(name, results)}\n\n{variant_table(results.get('variants', {}))}\n")
        with plt.rc_context(STYLE):
            if set(DRAWN) <= set(results.get("variants", {})):
                _draw(name, results["variants"])
            if "test_accuracy_by_epoch" in results.get("trained", {}):
                _draw_course(name, results)


def accuracy_table(name: str, results: dict[str, Any]) -> str:
    """Return the accuracies of Table I as a Markdown table, the paper's beside them."""
    paper = params.NETWORKS[name].paper or (None, None, None)
    rows = [("ANN", results.get("ann"), paper[0])]
    if "converted" in results:
        rows.append((f"converted, direct, {params.CONVERTED_STEPS} steps", results["converted"]["direct"], paper[1]))
        rows.append((f"converted, hybrid, {params.T} steps, untrained", results["converted"]["hybrid"], None))
    rows.append((f"trained, hybrid, {params.T} steps", results.get("trained"), paper[2]))
    lines = ["| network | accuracy | images | paper | energy, ANN / SNN |", "|---|---|---|---|---|"]
    for title, row, printed in rows:
        if row:
            gain = f"{row['energy_gain']:.1f}" if "energy_gain" in row else "-"
            shown = f"{printed} %" if printed else "-"
            lines.append(f"| {title} | {100 * row['accuracy']:.2f} % | {row['images']:,} | {shown} | {gain} |")
    return "\n".join(lines)


def variant_table(variants: dict[str, Any]) -> str:
    """Return the variants of Figure 4 as a Markdown table."""
    lines = [
        "| variant | Figure 4 | steps | accuracy | spikes per neuron | energy, ANN / SNN |",
        "|---|---|---|---|---|---|",
    ]
    for title, row in variants.items():
        figure = params.VARIANTS[title].figure
        lines.append(
            f"| {title} | {f'({figure})' if figure else '-'} | {row['n_steps']} | {100 * row['accuracy']:.2f} % "
            f"| {np.mean(_hidden(row)):.3f} | {row['energy_gain']:.1f} |"
        )
    return "\n".join(lines)


def _hidden(row: dict[str, Any]) -> list[float]:
    """Spikes a neuron of the hidden layers."""
    return list(row["spikes_per_neuron"].values())[1:-1]


def _draw(name: str, variants: dict[str, Any]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    drawn = {title: variants[title] for title in DRAWN}
    for k, ((title, row), colour) in enumerate(zip(drawn.items(), COLOURS, strict=True)):
        layers = list(row["spikes_per_neuron"])[1:-1]
        left.bar(np.arange(len(layers)) + 0.2 * (k - 1.5), _hidden(row), 0.2, label=title, color=colour)
        left.set_xticks(range(len(layers)), layers)
    left.set(ylabel="spikes per neuron and image", title=f"{name}, T = {params.T}")
    left.set_ylim(top=1.5 * max(max(_hidden(row)) for row in drawn.values()))
    left.legend(ncols=2, fontsize="small")
    gains = [row["snn_energy_nj"] / row["ann_energy_nj"] for row in drawn.values()]
    right.barh(list(drawn), gains, color=COLOURS)
    right.set(xlabel="compute energy, ANN = 1")
    write_atomically(FOLDER / f"{name}.png", figure.savefig)


def _draw_course(name: str, results: dict[str, Any]) -> None:
    """Draw loss and accuracy by epoch, with a line where one schedule follows another."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    ann, trained = results["ann"], results["trained"]
    epochs = range(1, len(trained["loss_by_epoch"]) + 1)
    left.plot(epochs, trained["loss_by_epoch"], "o-", color=BLUE)
    left.set(ylabel="training loss", title=f"{name}, T = {params.T}")
    followed = 100 * np.array(trained["test_accuracy_by_epoch"])
    right.axhline(100 * ann["accuracy"], color="0.5", linestyle="--", label=f"ANN, {ann['images']:,} test images")
    right.plot(epochs, followed, "o-", color=BLUE, label=f"after each epoch, {params.N_FOLLOWED:,} test images")
    in_the_end = f"in the end, {trained['images']:,} test images"
    right.plot(epochs[-1], 100 * trained["accuracy"], "*", color=RED, markersize=12, label=in_the_end)
    right.set(ylabel="accuracy (%)")
    right.legend(loc="lower right", fontsize="small")
    ends = np.cumsum([schedule["epochs"] for schedule in trained["schedules"]])
    for axes in (left, right):
        axes.set(xlabel="epoch", xticks=epochs[1::2])
        for end in ends[:-1]:
            axes.axvline(end + 0.5, color="0.8", linewidth=1, zorder=0)
    write_atomically(FOLDER / f"{name}_course.png", figure.savefig)


if __name__ == "__main__":
    main()
