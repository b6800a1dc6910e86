"""Draw the study from results.json, and print its tables: python -m studies.pcmp.plot"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from brianconv.analysis.plotting.colours import BLUE, CYCLE, RED, STYLE
from brianconv.files import write_atomically
from brianconv.readers import read_json
from brianconv.recording import LATENCY_PERCENTS
from studies.pcmp import params

FOLDER = Path(__file__).parent
LOWEST = 10  # percentage points below the ANN that are drawn
MOST_NAMED = 10  # populations in a legend
MARKERS = "osv^D<>P*X"
TUNED = (params.LAYERWISE, params.REFINED)


def main() -> None:
    plt.switch_backend("Agg")
    for name, results in read_json(FOLDER / "results.json").items():
        network = params.NETWORKS[name]
        missing = {*TUNED, *network.global_coarse} - set(results.get("latency", {}))
        if missing:
            print(f"{name}: without {', '.join(sorted(missing))} so far")
            continue
        print(f"\n{network.title}\n\n{table(results, network)}\n\n{error_table(results, network)}")
        with plt.rc_context(STYLE):
            figure = draw(results, network)
        write_atomically(FOLDER / f"{name}.png", partial(figure.savefig, format="png"))
        plt.close(figure)


def draw(results: dict[str, Any], network: params.Network) -> plt.Figure:
    """Errors of each layer and of the output, and what they mean for the accuracy."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    figure.suptitle(network.title)
    _search(axes[0, 0], results["tuned"])
    _output_error(axes[0, 1], results, network)
    _error_by_step(axes[1, 0], results["squared_error_test"], network)
    _accuracy(axes[1, 1], results["latency"], network)
    return figure


def _search(axes: Axes, tuned: dict[str, Any]) -> None:
    """Hwang et al. (2021), Figure 8, for every layer."""
    candidates = tuned["curves"]["candidates"]
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(tuned["v_init"])))
    for k, (name, errors) in enumerate(tuned["curves"]["errors"].items()):
        share = np.array(errors) / errors[0]
        axes.plot(candidates, share, color=shades[k], label=name)
        axes.plot(tuned["v_init"][name], share.min(), MARKERS[k % len(MARKERS)], color=shades[k], markersize=6)
    axes.set(xlabel="v_init of the layer (thresholds)", ylabel="summed squared error, v_init 0 = 1", ylim=(0, None))
    axes.set_title("search, layer by layer (marks: best)")
    if len(shades) <= MOST_NAMED:
        axes.legend(fontsize=8, ncols=2)
        return
    depth = ScalarMappable(Normalize(0, len(shades) - 1), LinearSegmentedColormap.from_list("depth", shades))
    axes.figure.colorbar(
        depth, ax=axes, ticks=MaxNLocator(integer=True), label="population, from the input (0) to the output"
    )


def _output_error(axes: Axes, results: dict[str, Any], network: params.Network) -> None:
    for k, (which, label) in enumerate((("training", "images tuned with"), ("test", "test images"))):
        rows = results[f"squared_error_{which}"]
        values = [rows[str(v)]["sum"] for v in network.global_fine]
        axes.plot(network.global_fine, values, color=CYCLE[k], label=f"global, {label}")
        for tuned, line in zip(TUNED, ("--", ":"), strict=True):
            axes.axhline(rows[tuned]["sum"], color=CYCLE[k], linestyle=line, linewidth=1, label=f"{tuned}, {label}")
    axes.set(xlabel="v_init of all layers (thresholds)", ylabel="sum of mean squared errors", ylim=(0, None))
    axes.set_title("error of the output layer")
    axes.legend(fontsize=8)


def _error_by_step(axes: Axes, rows: dict[str, Any], network: params.Network) -> None:
    """Hwang et al. (2021), Figure 9."""
    for style, v_init in _styles(network):
        by_step = rows[v_init]["by_step"]
        axes.plot(range(1, len(by_step) + 1), by_step, **style)
    axes.set(xlabel="step", ylabel="mean squared error", xscale="log", yscale="log", title="output layer, test images")
    axes.legend(fontsize=8)


def _accuracy(axes: Axes, rows: dict[str, Any], network: params.Network) -> None:
    for style, v_init in _styles(network):
        accuracy = [100 * value for value in rows[v_init]["accuracy_by_step"]]
        axes.plot(range(1, len(accuracy) + 1), accuracy, **style)
    ann = 100 * rows[params.LAYERWISE]["ann_accuracy"]
    axes.axhline(ann, color="0.3", linewidth=0.8, linestyle=":", label=f"ANN {ann:.2f} %")
    last = max(rows["0.0"]["latency_steps"]["99.9"] or len(accuracy), 10)
    axes.set(xlabel="step", ylabel="accuracy (%)", xlim=(0, last), title="accuracy, test images")
    axes.set_ylim(ann - LOWEST, ann + 0.5)
    axes.legend(fontsize=8)


def _styles(network: params.Network) -> list[tuple[dict[str, Any], str]]:
    """Return how each row is drawn: grey to black for global values, the layer-wise one in front."""
    shades = np.linspace(0.8, 0.1, len(network.global_coarse))
    styles: list[tuple[dict[str, Any], str]] = [
        ({"color": str(shade), "label": f"global {v}"}, v)
        for shade, v in zip(shades, network.global_coarse, strict=True)
    ]
    tuned = zip(TUNED, (BLUE, RED), strict=True)
    return [*styles, *(({"color": color, "label": name}, name) for name, color in tuned)]


def table(results: dict[str, Any], network: params.Network) -> str:
    """Return latencies beside those of Hwang et al. (2021), Table 2, without and with delayed evaluation."""
    lines = [
        "| v_init | accuracy | t99.0 / t99.5 / t99.9 | paper | with DE (best delay) | 10^6 operations to t99.9 |",
        "|---|---|---|---|---|---|",
    ]
    for v_init in (*network.global_coarse, *TUNED):
        row = results["latency"][v_init]
        ours = " / ".join(str(row["latency_steps"][share] or "never") for share in LATENCY_PERCENTS)
        delayed = " / ".join(_best_delay(row["latency_by_delay"][share], network.delays) for share in LATENCY_PERCENTS)
        paper = " / ".join(map(str, network.paper.get(v_init, "-")))
        lines.append(f"| {v_init} | {row['accuracy']:.2%} | {ours} | {paper} | {delayed} | {_operations(row)} |")
    return "\n".join(lines)


def _operations(row: dict[str, Any]) -> str:
    step = row["latency_steps"]["99.9"]
    return "-" if step is None else f"{sum(row['operations_by_step'][:step]) / 1e6:.1f}"


def _best_delay(latencies: list[int | None], delays: range) -> str:
    """Return the shortest latency and the shortest delay that gives it."""
    reached = [(step, delay) for delay, step in zip(delays, latencies, strict=True) if step is not None]
    return f"{min(reached)[0]} ({min(reached)[1]})" if reached else "never"


def error_table(results: dict[str, Any], network: params.Network) -> str:
    """Return the summed squared error of the output layer, tuned and for the best global value."""
    lines = [
        f"| images | {' | '.join(TUNED)} | best global (its v_init) | global 0.0 |",
        "|---" * (len(TUNED) + 3) + "|",
    ]
    for which in ("training", "test"):
        rows = results[f"squared_error_{which}"]
        sums = {v: rows[str(v)]["sum"] for v in network.global_fine}
        best = min(sums, key=sums.__getitem__)
        ours = " | ".join(f"{rows[name]['sum']:.4f}" for name in TUNED)
        lines.append(f"| {which} | {ours} | {sums[best]:.4f} ({best}) | {sums[0.0]:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
