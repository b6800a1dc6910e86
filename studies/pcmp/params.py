"""Parameters of the study: one entry of NETWORKS a network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """A network and how it is tuned and run.

    Attributes
    ----------
    model, data : str
    title : str
    n_calibration : int
        Training images, for the maximum activation of each layer.
    n_tuning : int
        Training images with which the pre-charges are tuned.
    n_error : int
        Test images over which the squared error of the output layer is averaged.
    n_test, n_steps : int
        Test images and steps of the latencies.
    delays : range
        Of delayed evaluation.
    paper : mapping
        Steps to 99.0, 99.5 and 99.9 % of the ANN's accuracy in Hwang et al. (2021), Table 2.
    """

    model: str
    data: str
    title: str
    n_calibration: int
    n_tuning: int
    n_error: int
    n_test: int
    n_steps: int
    delays: range
    paper: dict[str, tuple[int, int, int]]


NORMALIZATION = "max"
DTYPE = "float32"
ERROR_STEPS = 255
GLOBAL_FINE = tuple(k / 100 for k in range(51))  # for the error of the output layer
GLOBAL_COARSE = ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5")  # for latencies, as in the paper
LAYERWISE = "layer-wise"
REFINED = "refined"  # from there, by the error of the output

NETWORKS = {
    "net1": Network(
        model="models/hwang2021.py:net1",
        data="mnist",
        title="Net 1, MNIST",
        n_calibration=5000,
        n_tuning=100,
        n_error=200,
        n_test=10_000,
        n_steps=50,
        delays=range(0, 26),
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
}
