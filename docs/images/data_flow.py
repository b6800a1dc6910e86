"""Draw data_flow.png: python docs/images/data_flow.py."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

BOXES = {
    "torch.nn.Module": "trained weights",
    "LayerGraph": "graph.py\nweights in NumPy",
    "SpikingNetwork": "spiking.py\nequations, parameters",
    "BrianNetwork": "simulation/\nNeuronGroups, synapses",
    "Recording": "recording.py\nscores, spikes, potentials",
}
STEPS = (
    "conversion/layers.py\nconnectivity/",
    "conversion/normalization.py\ncoding/",
    "simulation/build.py",
    "simulation/run.py",
)
LANES = (  # height, text, colour, first and last box
    (1.12, "a weight: read, scaled, stored as a kernel or as synapses", "#0072b2", 0, 3),
    (0.68, "an image: pixel, drive of the input population (images.py, simulation/run_values.py)", "#d55e00", 2, 3),
    (0.24, "a spike: threshold, synapses, readout, recorded", "#009e73", 3, 4),
)
WIDTH, GAP, LEFT = 1.75, 0.95, 0.3


def middle(box: int) -> float:
    """Return the middle of a box."""
    return LEFT + box * (WIDTH + GAP) + WIDTH / 2


def draw(axes: Axes) -> None:
    """Draw boxes, the steps between them, and what travels through them."""
    for k, (title, text) in enumerate(BOXES.items()):
        corner = (middle(k) - WIDTH / 2, 1.5)
        axes.add_patch(FancyBboxPatch(corner, WIDTH, 1.0, boxstyle="round,pad=0.05", fc="#dbe9f6", ec="#0072b2"))
        axes.text(middle(k), 2.2, title, ha="center", va="center", fontsize=10, weight="bold")
        axes.text(middle(k), 1.78, text, ha="center", va="center", fontsize=8)
    for k, text in enumerate(STEPS):
        ends = [(middle(k) + WIDTH / 2 + 0.08, 2.0), (middle(k + 1) - WIDTH / 2 - 0.08, 2.0)]
        axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops={"arrowstyle": "-|>", "color": "#333333"})
        axes.text((ends[0][0] + ends[1][0]) / 2, 2.68, text, ha="center", va="bottom", fontsize=7.5, color="#333333")
    for height, text, colour, first, last in LANES:
        ends = [(middle(first), height), (middle(last), height)]
        axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
        axes.text(
            (ends[0][0] + ends[1][0]) / 2, height + 0.06, text, ha="center", va="bottom", fontsize=8.5, color=colour
        )


figure, axes = plt.subplots(figsize=(13, 3.2), dpi=110)
axes.set(xlim=(0, 13), ylim=(0, 3.2))
axes.axis("off")
draw(axes)
figure.savefig(Path(__file__).with_name("data_flow.png"), bbox_inches="tight")
