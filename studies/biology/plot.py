"""Draw the study from results.json: python -m studies.biology.plot"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import CYCLE, STYLE
from brianconv.readers import read_json
from studies.biology import params

FOLDER = Path(__file__).parent


def main() -> None:
    results = read_json(FOLDER / "results.json")
    for name, found in results.items():
        with plt.rc_context(STYLE):
            draw(found, params.NETWORKS[name].title).savefig(FOLDER / f"{name}.png", dpi=130)
    print("\n\n".join(table(found, params.NETWORKS[name].title) for name, found in results.items()))
    print("\n" + table_of_neurons(results))


def draw(results: dict[str, Any], title: str) -> plt.Figure:
    """Accuracy of each code over each change, with the standard deviation over groups of images."""
    figure, all_axes = plt.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey=True)
    for ax, (change, levels) in zip(all_axes.ravel(), params.LEVELS.items(), strict=True):
        places = np.arange(len(levels) + 1)
        for colour, code in zip(CYCLE, params.CODES, strict=False):
            rows = [results[f"{code}/none/0"], *(results[f"{code}/{change}/{level}"] for level in levels)]
            if "refused" in rows[-1]:
                continue
            accuracy, std = (100 * np.array([row[key] for row in rows]) for key in ("accuracy", "std"))
            ax.plot(places, accuracy, color=colour, marker="o", markersize=3, label=code)
            ax.fill_between(places, accuracy - std, accuracy + std, color=colour, alpha=0.15, linewidth=0)
        ax.set_xticks(places, ["none", *(f"{level:g}" for level in levels)])
        ax.set(xlabel=params.LABELS[change], ylim=(0, 102))
        missing = [code for code in params.CODES if "refused" in results[f"{code}/{change}/{levels[-1]}"]]
        if missing:
            ax.text(0.03, 0.05, f"refused: {', '.join(missing)}", transform=ax.transAxes, fontsize=7)
    for ax in all_axes[:, 0]:
        ax.set_ylabel("accuracy (%)")
    all_axes[0, 1].legend(loc="lower left")
    figure.suptitle(title, fontsize=9)
    return figure


def table(results: dict[str, Any], title: str) -> str:
    """Return the accuracy of each code under each change, as a table of the README."""
    lines = [f"| {title} | {' | '.join(params.CODES)} |", "|---|" + "---|" * len(params.CODES)]
    rows = [("unchanged", "none/0"), ("Dale's law", "dale/split")]
    rows += [
        (f"{params.LABELS[change]}: {level:g}", f"{change}/{level}")
        for change, levels in params.LEVELS.items()
        for level in levels
    ]
    for label, key in rows:
        cells = [_cell(results[f"{code}/{key}"]) for code in params.CODES]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: dict[str, Any]) -> str:
    if "refused" in found:
        return "refused"
    latency = "never" if found["latency_ms"] is None else f"{found['latency_ms']:g} ms"
    return f"{found['accuracy'] * 100:.1f} ± {found['std'] * 100:.1f} % ({latency})"


def table_of_neurons(results: dict[str, Any]) -> str:
    """Return what networks of other neurons reach with rate coding."""
    names = list(results)
    lines = [
        "| neuron (rate coding) | interval for 1, duration, step, synapses | "
        + " | ".join(f"{params.NETWORKS[name].title}: accuracy, spikes per image" for name in names)
        + " |",
        "|---|---|" + "---|" * len(names),
    ]
    rows = {"integrate-and-fire": "rate/none/0"} | {neuron: f"rate/neurons/{neuron}" for neuron in params.NEURONS}
    for label, key in rows.items():
        how = "-"
        if label in params.NEURONS:
            interval, duration, dt, tau = params.NEURONS[label]
            how = f"{interval} ms, {duration} ms, {dt:g} ms, {f'{tau} ms' if tau else 'none'}"
        cells = [
            f"{found['accuracy'] * 100:.1f} ± {found['std'] * 100:.1f} %, {found['spikes_per_image']:,.0f}"
            for found in (results[name][key] for name in names)
        ]
        lines.append(f"| {label} | {how} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
