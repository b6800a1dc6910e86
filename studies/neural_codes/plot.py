"""Draw a raster and a membrane trace for each code, and print the tables: python -m studies.neural_codes.plot"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import BLUE, RED, STYLE
from brianconv.files import write_atomically
from brianconv.readers import read_json, read_npz
from studies.neural_codes import params

FOLDER = Path(__file__).parent


def main() -> None:
    plt.switch_backend("Agg")
    for network, rows in read_json(FOLDER / "results.json")["networks"].items():
        print(f"{network}, ANN {100 * rows['rate']['ann_accuracy']:.2f} %\n\n{table(rows)}\n")
    recordings = read_npz(FOLDER / "recordings.npz")
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(params.DRAWN), 2, figsize=(10, 1.5 * len(params.DRAWN)), width_ratios=(3, 2), layout="constrained"
        )
        for k, (title, threshold) in enumerate(params.DRAWN.items()):
            of_code = {name.partition("/")[2]: recordings[name] for name in recordings if name[0] == str(k)}
            _raster(axes[k, 0], of_code, title)
            _trace(axes[k, 1], of_code, threshold)
        axes[0, 0].set_title(f"spikes of {params.RASTER_NEURONS} neurons of {params.LAYER}, one image")
        axes[0, 1].set_title("one neuron: v before the reset, threshold")
        axes[-1, 0].set_xlabel("step")
        axes[-1, 1].set_xlabel("step")
        write_atomically(FOLDER / "codes.png", figure.savefig)


def table(rows: dict[str, dict]) -> str:
    """Return the results of a network as a Markdown table."""
    lines = [
        "| code | options of `brianconv run` | accuracy | t99.0 / t99.5 / t99.9 | spikes per image "
        "| operations (10^6) | nJ per image | TrueNorth | SpiNNaker |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for title in (title for title in params.ROWS if title in rows):
        row = rows[title]
        if "refused" in row:
            lines.append(f"| {title} | `{_options(title)}` | refused: it cannot pool maxima" + " |" * 7)
            continue
        operations = row["synaptic_operations_per_image"] / 1e6
        latencies = " / ".join(_shown(row["latency_steps"][share]) for share in ("99.0", "99.5", "99.9"))
        if row.get("mean_decision_step"):
            latencies = f"{row['mean_decision_step']:.1f} on average"
        lines.append(
            f"| {title} | `{_options(title)}` | {100 * row['accuracy']:.2f} % | {latencies} "
            f"| {row['spikes_per_image']:,.0f} | {operations:.2f} | {row['compute_energy_nj']:,.0f} "
            f"| {row['energy_truenorth']:.2f} | {row['energy_spinnaker']:.2f} |"
        )
    return "\n".join(lines)


def _options(title: str) -> str:
    row = params.ROWS[title]
    measured = row.code in ("hybrid", "direct")
    settings = [
        *([] if measured else ["normalization=max"]),
        *(f"{name}={value}" for name, value in row.options.items()),
    ]
    steps = f" --steps {row.n_steps}" if row.n_steps else ""
    steps += f" --early-decision {row.early_decision:g}" if row.early_decision else ""
    return f"--coding {row.code}{steps}" + (f" --set {' '.join(settings)}" if settings else "")


def _shown(latency: int | None) -> str:
    return "-" if latency is None else str(latency)


def _raster(axes: plt.Axes, arrays: dict[str, np.ndarray], title: str) -> None:
    alive = np.unique(arrays["spike_neuron"])
    chosen = alive[np.linspace(0, len(alive) - 1, params.RASTER_NEURONS).astype(int)]
    shown = np.isin(arrays["spike_neuron"], chosen)
    height = np.searchsorted(chosen, arrays["spike_neuron"][shown])
    axes.plot(arrays["spike_step"][shown], height, "|", color="black", markersize=3)
    axes.set(yticks=[], xlim=(0, int(arrays["steps"]) + 1))
    axes.set_ylabel(title.replace(", ", "\n"), rotation=0, ha="right", va="center")


def _trace(axes: plt.Axes, arrays: dict[str, np.ndarray], threshold: str) -> None:
    steps = np.arange(1, len(arrays["v"]) + 1)
    axes.plot(steps, arrays["v"], color=BLUE, linewidth=1)
    axes.stairs(arrays["threshold"], np.arange(len(steps) + 1) + 0.5, baseline=None, color=RED, linestyle="--")
    fired = arrays["fired"].astype(bool)
    axes.plot(steps[fired], arrays["v"][fired], "v", color="black", markersize=3)
    axes.set_xlim(0, len(steps) + 1)
    axes.set_ylabel(threshold.replace(" in ", "\nin ").replace(" the only", "\nthe only"), fontsize=8, color=RED)


if __name__ == "__main__":
    main()
