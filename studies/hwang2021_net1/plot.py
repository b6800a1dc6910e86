"""Draw the study from results.json: python -m studies.hwang2021_net1.plot"""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot as plt

from brianconv.analysis.plotting.colours import CYCLE, STYLE
from brianconv.readers import read_json
from studies.hwang2021_net1 import params

FOLDER = Path(__file__).parent
SHARES = ("99.0", "99.5", "99.9")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


def main() -> None:
    results = read_json(FOLDER / "results.json")
    with plt.rc_context(STYLE):
        figure = draw(results["by_v_init"])
    figure.savefig(FOLDER / "latency.png")
    print(table(results["by_v_init"]))


def draw(by_v_init: dict[str, dict]) -> plt.Figure:
    """Accuracy by step, latency against v_init beside the paper's, and latency against the delay."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.8), layout="constrained")
    for k, (v_init, result) in enumerate(by_v_init.items()):
        accuracy = [100 * a for a in result["accuracy_by_step"]]
        style = {"color": CYCLE[k], "linestyle": LINES[k], "label": f"v_init {v_init}"}
        left.plot(range(1, len(accuracy) + 1), accuracy, **style)
        delays, steps = zip(*enumerate(result["latency_by_delay"]["99.0"]), strict=True)
        right.plot(delays, [float("nan") if step is None else step for step in steps], **style)
    ann = 100 * next(iter(by_v_init.values()))["ann_accuracy"]
    left.axhline(ann, color="0.3", linewidth=1, label=f"ANN {ann:.2f} %")
    left.set(xlabel="steps", ylabel="accuracy (%)", xlim=(0, 40), ylim=(0, 102), title="accuracy by step")
    left.legend(fontsize=8, loc="lower right")
    values = [float(v) for v in by_v_init]
    for k, share in enumerate(SHARES):
        ours = [result["latency_steps"][share] for result in by_v_init.values()]
        middle.plot(values, ours, "o-", color=CYCLE[k], label=f"{share} % here")
        paper = [params.PAPER[v][k] for v in values]
        middle.plot(values, paper, "s--", color=CYCLE[k], markerfacecolor="white", label=f"{share} % paper")
    middle.set(xlabel="v_init (thresholds)", ylabel="steps to that share of the ANN", title="latency", ylim=(0, None))
    middle.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    right.set(xlabel="delay (steps that do not count)", ylabel="steps to 99.0 %", title="delayed evaluation")
    right.set_ylim(bottom=0)
    return figure


def table(by_v_init: dict[str, dict]) -> str:
    """Return the table of the README."""
    lines = [
        "| v_init | accuracy | t99.0 | t99.5 | t99.9 | paper t99.0 / t99.5 / t99.9 | best t99.0 with DE (delay) |",
        "|---|---|---|---|---|---|---|",
    ]
    for v_init, result in by_v_init.items():
        ours = " | ".join(str(result["latency_steps"][share] or "never") for share in SHARES)
        paper = " / ".join(map(str, params.PAPER[float(v_init)]))
        reached = [(step, delay) for delay, step in enumerate(result["latency_by_delay"]["99.0"]) if step]
        best, delay = min(reached)
        lines.append(f"| {v_init} | {result['accuracy']:.2%} | {ours} | {paper} | {best} ({delay}) |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
