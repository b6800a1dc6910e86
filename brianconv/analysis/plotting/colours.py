"""The colours, fonts and sizes of all pictures.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

from typing import Any

from matplotlib import pyplot as plt

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
BLACK = "0.15"
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
COLUMN_INCHES, PAGE_INCHES = 3.5, 7.0  # widths of one and of two columns
STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "axes.titlesize": 8,
    "font.size": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # text stays text
    "savefig.dpi": 200,
    "figure.dpi": 120,
}
