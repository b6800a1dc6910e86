"""Parameters of the study: one entry of NETWORKS a network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A network and how it is tuned and run.

    Attributes
    ----------
    model, data : str
    title : str
    n_calibration, normalization : int, str
        Training images for the largest activation of each layer ("max") or for its 99.9th percentile ("percentile").
    n_tuning : int
        Training images with which the pre-charges are tuned.
    n_error : int
        Test images over which the squared error of the output layer is averaged.
    n_test, n_steps : int
        Test images and steps of the latencies.
    delays : range
        Of delayed evaluation.
    global_fine : tuple of float
        Global pre-charges with which the error of the output layer is compared.
    global_coarse : tuple of str
        Those whose latency is measured.
    paper : mapping
        Steps to 99.0, 99.5 and 99.9 % of the ANN's accuracy in Hwang et al. (2021), Table 2.
    """

    model: str
    data: str
    title: str
    n_calibration: int
    normalization: str
    n_tuning: int
    n_error: int
    n_test: int
    n_steps: int
    delays: range
    global_fine: tuple[float, ...]
    global_coarse: tuple[str, ...]
    paper: dict[str, tuple[int, int, int]]


DTYPE = "float32"
ERROR_STEPS = 255
TENTHS = ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5")
LAYERWISE = "layer-wise"
REFINED = "refined"  # from there, by the error of the output

NETWORKS = {
    "net1": Network(
        model="models/hwang2021.py:net1",
        data="mnist",
        title="Net 1, MNIST",
        n_calibration=5000,
        normalization="max",
        n_tuning=100,
        n_error=200,
        n_test=10_000,
        n_steps=50,
        delays=range(0, 26),
        global_fine=tuple(k / 100 for k in range(51)),
        global_coarse=TENTHS,
        paper={
            "0.0": (17, 19, 32),
            "0.1": (15, 18, 29),
            "0.2": (12, 15, 27),
            "0.3": (11, 13, 24),
            "0.4": (9, 12, 29),
            "0.5": (7, 11, 27),
            LAYERWISE: (6, 10, 19),
        },
    ),
    "net2": Network(
        model="models/hwang2021.py:net2",
        data="cifar10",
        title="Net 2, CIFAR-10 from JPEG",
        n_calibration=1000,
        normalization="percentile",
        n_tuning=20,
        n_error=50,
        n_test=1000,
        n_steps=250,
        delays=range(0, 121, 5),
        global_fine=tuple(k / 20 for k in range(11)),
        global_coarse=("0.0", "0.3", "0.5"),
        paper={
            "0.0": (161, 216, 337),
            "0.1": (139, 207, 311),
            "0.2": (135, 188, 296),
            "0.3": (132, 205, 460),
            "0.4": (150, 245, 516),
            "0.5": (176, 267, 762),
            LAYERWISE: (131, 204, 513),
        },
    ),
    "resnet20": Network(
        model="models/hwang2021.py:resnet20",
        data="cifar10",
        title="ResNet-20, CIFAR-10 from JPEG",
        n_calibration=1000,
        normalization="percentile",
        n_tuning=20,
        n_error=50,
        n_test=1000,
        n_steps=300,
        delays=range(0, 151, 5),
        global_fine=tuple(k / 20 for k in range(11)),
        global_coarse=("0.0", "0.2", "0.4", "0.5"),
        paper={
            "0.0": (408, 511, 703),
            "0.1": (346, 416, 625),
            "0.2": (261, 343, 497),
            "0.3": (204, 236, 367),
            "0.4": (154, 194, 239),
            "0.5": (292, 380, 800),
            LAYERWISE: (152, 191, 238),
        },
    ),
}
