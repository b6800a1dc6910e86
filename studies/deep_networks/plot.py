"""Draw the study from results.json, and print its table: python -m studies.deep_networks.plot"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import CYCLE, STYLE
from brianconv.readers import read_json
from brianconv.recording import LATENCY_PERCENTS
from studies.deep_networks import params

FOLDER = Path(__file__).parent
LOWEST = 20  # percentage points below the ANN that are drawn


def main() -> None:
    plt.switch_backend("Agg")
    results = read_json(FOLDER / "results.json")
    rows = {title: results[title] for title in params.ROWS if title in results}
    with plt.rc_context(STYLE):
        draw(rows).savefig(FOLDER / "accuracy.png")
    print(table(rows))


def draw(rows: dict[str, dict[str, Any]]) -> plt.Figure:
    """Distance of the accuracy from the ANN's by step, one panel per code."""
    codes = sorted({params.ROWS[title].code for title in rows}, reverse=True)
    figure, all_axes = plt.subplots(
        1, len(codes), figsize=(5.6 * len(codes), 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    networks = list(dict.fromkeys(title.split(",")[0] for title in rows))
    colors = dict(zip(networks, (*CYCLE, "0.35"), strict=False))
    for axes, code in zip(all_axes[0], codes, strict=True):
        for title in [title for title in rows if params.ROWS[title].code == code]:
            network = title.split(",")[0]
            lost = 100 * (np.array(rows[title]["accuracy_by_step"]) - rows[title]["ann_accuracy"])
            axes.plot(np.arange(1, len(lost) + 1), lost, color=colors[network], label=network)
        axes.axhline(0, color="0.3", linewidth=0.8, linestyle=":", label="ANN")
        axes.set(
            xlabel="steps (curves begin where the output is no longer held)",
            ylabel="accuracy beside the ANN's (points)",
            ylim=(-LOWEST, 4),
            title=f"{code} coding",
        )
        axes.legend(fontsize=8, loc="lower right")
    return figure


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Return the table of the README."""
    lines = [
        "| network, code | steps | accuracy | ANN | decides as it | t99.0 / t99.5 / t99.9 | paper | spikes per image |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, row in rows.items():
        latencies = " / ".join(str(row["latency_steps"][share] or "never") for share in LATENCY_PERCENTS)
        held = params.ROWS[title].skip or params.ROWS[title].evaluation_delay
        lines.append(
            f"| {title} | {row['n_steps']}{f' ({held} held)' if held else ''} | {row['accuracy']:.1%} | "
            f"{row['ann_accuracy']:.1%} | {row['agreement_with_ann']:.1%} | {latencies} | "
            f"{params.ROWS[title].paper or '-'} | {row['spikes_per_image']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
