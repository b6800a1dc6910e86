"""Draw the study from results.json and pictures.npz: python -m studies.hwang2021_net3.plot"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import CYCLE, STYLE
from brianconv.readers import read_json, read_npz
from studies.hwang2021_net3 import params

FOLDER = Path(__file__).parent
TOLERANCE = 1e-4  # the errors are stored with six digits
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def main() -> None:
    results = read_json(FOLDER / "results.json")
    pictures = read_npz(FOLDER / "pictures.npz")
    with plt.rc_context(STYLE):
        draw_pictures(pictures, results["by_v_init"]).savefig(FOLDER / "pictures.png", dpi=110)
        draw_errors(results["by_v_init"]).savefig(FOLDER / "errors.png")
    print(table(results["by_v_init"]))


def draw_pictures(pictures: Any, by_v_init: dict[str, dict]) -> plt.Figure:
    """The photograph, the ANN's output, and the network's at several steps, one row a pre-charge (Figure 7C, D)."""
    rows = [v_init for v_init in by_v_init if f"{v_init}/{params.SHOWN_STEPS[0]}" in pictures]
    n_columns = 2 + len(params.SHOWN_STEPS)
    figure, all_axes = plt.subplots(
        len(rows), n_columns, figsize=(2.0 * n_columns, 2.5 * len(rows) + 0.3), squeeze=False, layout="constrained"
    )
    for axes, v_init in zip(all_axes, rows, strict=True):
        result = by_v_init[v_init]
        shown = [("photograph", "original", None), ("ANN", "ann", result["ann_error_to_picture"])]
        shown += [
            (f"step {step}", f"{v_init}/{step}", result["error_to_picture_by_step"][step - 1])
            for step in params.SHOWN_STEPS
        ]
        for ax, (title, key, error) in zip(axes, shown, strict=True):
            ax.imshow(pictures[key])
            ax.set(xticks=[], yticks=[], title=title)
            ax.set_xlabel("" if error is None else f"error {error:.4f}")
            ax.spines[:].set_visible(False)
        axes[0].set_ylabel(f"v_init {v_init}")
    figure.supxlabel("error: mean squared difference to the photograph", fontsize=10)
    return figure


def draw_errors(by_v_init: dict[str, dict]) -> plt.Figure:
    """Error to the ANN's output and mean output by step (Figure 7A, B), and operations to the reference error (13C)."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.8), layout="constrained")
    for k, (v_init, result) in enumerate(by_v_init.items()):
        colour = "black" if v_init == params.LAYERWISE else CYCLE[k]
        style = {"color": colour, "linestyle": LINES[k], "label": _title(v_init)}
        steps = np.arange(1, len(result["mean_output_by_step"]) + 1)
        left.semilogy(steps, result["error_to_ann_by_step"], **style)
        middle.plot(steps, result["mean_output_by_step"], **style)
    ann = next(iter(by_v_init.values()))["ann_mean_output"]
    middle.axhline(ann, color="0.3", linewidth=1, label="ANN")
    left.axhline(reference(by_v_init), color="0.3", linewidth=1, label="reference error")
    left.set(xlabel="steps", ylabel="mean squared error to the ANN's output", title="error by step")
    middle.set(xlabel="steps", ylabel="mean output (normalised)", title="mean output")
    left.legend(fontsize=8)
    middle.legend(fontsize=8)
    reached = {v_init: reach(result, reference(by_v_init)) for v_init, result in by_v_init.items()}
    places = np.arange(len(reached))
    for offset, (title, column) in zip((-0.2, 0.2), (("all steps count", 0), ("best delay", 1)), strict=True):
        operations = [
            by_v_init[v_init]["operations_by_step"][: found[0]] if (found := both[column]) else []
            for v_init, both in reached.items()
        ]
        right.bar(places + offset, [sum(o) / 1e6 for o in operations], 0.4, label=title, color=CYCLE[column])
    right.set_xticks(places, list(reached), rotation=30)
    right.set(xlabel="v_init", ylabel="10⁶ synaptic operations a patch", title="cost of the reference error")
    right.legend(fontsize=8)
    return figure


def _title(v_init: str) -> str:
    return v_init if v_init == params.LAYERWISE else f"v_init {v_init}"


def reference(by_v_init: dict[str, dict]) -> float:
    """Return the error after all steps without pre-charge, which the paper takes as the reference."""
    return by_v_init["0.0"]["error_to_ann_by_step"][-1]


def reach(result: dict[str, Any], error: float) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return (step, delay) at which an error is reached, without delay and with the best one; None for never."""
    found = []
    for delay, by_step in result["error_to_ann_by_delay"].items():
        below = np.flatnonzero(np.asarray(by_step) <= error * (1 + TOLERANCE))
        if below.size:
            found.append((int(below[0]) + 1, int(delay)))
    return next((pair for pair in found if pair[1] == 0), None), min(found, default=None)


def table(by_v_init: dict[str, dict]) -> str:
    """Return the table of the README."""
    lines = [
        "| v_init | error to the ANN after 50 / 100 / 255 steps | error to the photograph after 255 | "
        "steps to the reference error | with the best delay (delay) | 10⁶ operations to it |",
        "|---|---|---|---|---|---|",
    ]
    goal = reference(by_v_init)
    for v_init, result in by_v_init.items():
        by_step = result["error_to_ann_by_step"]
        plain, delayed = reach(result, goal)
        errors = " / ".join(f"{by_step[step - 1]:.5f}" for step in (50, 100, 255))
        cost = "-" if delayed is None else f"{sum(result['operations_by_step'][: delayed[0]]) / 1e6:.1f}"
        lines.append(
            f"| {v_init} | {errors} | {result['error_to_picture_by_step'][-1]:.5f} | "
            f"{plain[0] if plain else 'never'} | {f'{delayed[0]} ({delayed[1]})' if delayed else 'never'} | {cost} |"
        )
    first = next(iter(by_v_init.values()))
    lines.append(f"\nThe ANN's error to the photograph: {first['ann_error_to_picture']:.5f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
