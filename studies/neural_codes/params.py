"""Parameters of the study; a row is one setting of one code."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """A coding scheme with parameters, the steps per image (None: its default), and the early decision threshold."""

    code: str
    options: dict[str, Any]
    n_steps: int | None = None
    early_decision: float | None = None


NETWORKS = {
    "mnist_cnn": "models/kim2018.py:mnist_cnn",  # Kim et al. (2018), Table 1; fits Park et al. (2020), Table II
    "net1": "models/hwang2021.py:net1",
}
DATA = "mnist"
N_IMAGES = 1000
N_CALIBRATION = 1000  # training images, for the maximum activation of each layer
DTYPE = "float32"

ROWS = {
    "rate": Row("rate", {"v_init": 0.4}, 100),
    "poisson": Row("poisson", {}, 200),
    "analog": Row("analog", {"v_init": 0.4}, 100),
    "phase, K = 8": Row("phase", {"n_phases": 8}, 64),
    "phase, K = 4": Row("phase", {"n_phases": 4}, 64),
    "phase, K = 8, early decision": Row("phase", {"n_phases": 8}, 64, early_decision=1.0),  # chosen on training images
    "burst": Row("burst", {}, 100),
    "burst, phase input": Row("burst", {"encoding": "phase"}, 100),
    "ttfs, T = 20": Row("ttfs", {}),
    "ttfs, early firing at 10": Row("ttfs", {"start": 10}),
    "reverse, T = 20": Row("reverse", {}),
    "direct": Row("direct", {}, 100),
    "hybrid, T = 5, untrained": Row("hybrid", {}),
}
REFERENCE = "poisson"  # energies are relative to it, as the papers' rate coding is Poisson input
DRAWN_NETWORK = "net1"
DRAWN = {
    "rate": "constant threshold",
    "poisson": "constant threshold",
    "phase, K = 8": "2^-k",
    "burst": "grows in a burst",
    "ttfs, T = 20": "falls in the window",
    "reverse, T = 20": "grows in the window",
    "direct": "constant threshold",
    "hybrid, T = 5, untrained": "until the only spike",
}
LAYER = "conv2"
RASTER_NEURONS = 80
