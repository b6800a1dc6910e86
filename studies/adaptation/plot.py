"""Draw the study from results.json: python -m studies.adaptation.plot"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import BLUE, ORANGE, RED, STYLE
from brianconv.readers import read_json
from studies.adaptation import params

FOLDER = Path(__file__).parent
SHOWN = {
    "leaky": ("no adaptation, firing {} ms apart for 1", BLUE, "o"),
    "refitted": (f"adaptation {params.REFITTED}, fitted again, {{}} ms apart for 1", ORANGE, "s"),
    "adapting": (f"currents for {params.INTERVALS_MS[0]} ms without adaptation, a spike adds {{}}", RED, "^"),
}


def main() -> None:
    results = read_json(FOLDER / "results.json")["mnist_cnn"]
    with plt.rc_context(STYLE):
        draw(results).savefig(FOLDER / "adaptation.png", dpi=130)
    print(table(results))


def _rows(results: dict[str, Any], kind: str) -> list[tuple[float, dict[str, Any]]]:
    levels = params.ADAPTATIONS if kind == "adapting" else params.INTERVALS_MS
    return [(level, results[f"{kind}/{level}"]) for level in levels]


def draw(results: dict[str, Any]) -> plt.Figure:
    figure, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    for kind, (label, colour, marker) in SHOWN.items():
        rows = _rows(results, kind)
        spikes = [found["hidden_spikes_per_image"] / 1000 for _, found in rows]
        accuracy, std = ([100 * found[key] for _, found in rows] for key in ("accuracy", "std"))
        ax.errorbar(
            spikes, accuracy, std, color=colour, marker=marker, markersize=4, capsize=2, linewidth=1,
            label=label.format("x"),
        )  # fmt: skip
        for (level, _), x, y in zip(rows, spikes, accuracy, strict=True):
            ax.annotate(f"{level:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=6, color=colour)
    ann = next(found["ann_accuracy"] for _, found in _rows(results, "leaky"))
    ax.axhline(100 * ann, color="0.5", linestyle=":", label="ANN")
    ax.set(xscale="log", xlabel="hidden spikes per image (thousands)", ylabel="accuracy (%)")
    ticks = (12, 15, 20, 30, 40, 50)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.legend(loc="lower right", fontsize=7)
    return figure


def table(results: dict[str, Any]) -> str:
    """Return the table of the README."""
    lines = ["| neurons (x) | x | accuracy | hidden spikes per image |", "|---|---|---|---|"]
    for kind, (label, _, _) in SHOWN.items():
        lines += [
            f"| {label.format('x')} | {level:g} | {found['accuracy'] * 100:.1f} ± {found['std'] * 100:.1f} % | "
            f"{found['hidden_spikes_per_image']:,.0f} |"
            for level, found in _rows(results, kind)
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
