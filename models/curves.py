"""Draw how the stored networks learned, from the files beside their weights: python -m models.curves"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import BLUE, STYLE
from brianconv.files import write_atomically
from brianconv.readers import read_json
from models.train import WEIGHTS

PICTURE = Path(__file__).with_name("learning_curves.png")
N_COLUMNS = 4
LOWEST = 10  # per cent, which is chance


def main() -> None:
    plt.switch_backend("Agg")
    with plt.rc_context(STYLE):
        figure = draw(trainings())
    write_atomically(PICTURE, partial(figure.savefig, format="png"))


def trainings() -> list[dict[str, Any]]:
    """Return what is stored beside the weights of each network for CIFAR-10, in the order of their names."""
    stored = [read_json(path) for path in sorted(WEIGHTS.glob("*.json"))]
    return [training for training in stored if training["data"] == "cifar10"]


def draw(stored: list[dict[str, Any]]) -> Figure:
    """Draw the test accuracy after each epoch, a panel a network."""
    rows = -(-len(stored) // N_COLUMNS)
    figure, panels = plt.subplots(
        rows, N_COLUMNS, figsize=(2.6 * N_COLUMNS, 2.1 * rows), layout="constrained", squeeze=False
    )
    for axes, training in zip(panels.flat, stored, strict=False):
        _curve(axes, training)
    for axes in panels.flat[len(stored) :]:
        axes.set_axis_off()
    figure.supxlabel("epoch of training")
    return figure


def _curve(axes: Axes, training: dict[str, Any]) -> None:
    """Draw one network; an autoencoder has a squared error in the place of an accuracy."""
    if "test_accuracy" in training:
        values = [100 * value for value in training["test_accuracy_by_epoch"]]
        axes.set(ylim=(LOWEST, 100), ylabel="test accuracy (%)")
        name = f"{100 * training['test_accuracy']:.2f} %"
    else:
        values = training["test_mean_squared_error_by_epoch"]
        axes.set(yscale="log", ylabel="mean squared error")
        name = f"{training['test_mean_squared_error']:.5f}"
    axes.plot(range(1, len(values) + 1), values, color=BLUE)
    axes.plot(len(values), values[-1], "o", color=BLUE, markersize=4)
    axes.annotate(name, (len(values), values[-1]), (0, 6), textcoords="offset points", ha="right")
    axes.set_title(training["network"], fontsize=10)
    axes.set_xlim(0, None)


if __name__ == "__main__":
    main()
