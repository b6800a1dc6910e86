"""Parameters of the study."""

from dataclasses import dataclass

DATA = "mnist"
DURATION_MS = 200
INTERVALS_MS = (5, 10, 20, 30, 50)  # between the spikes that stand for an activation of 1
ADAPTATIONS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # thresholds that a spike adds
REFITTED = 0.2  # adaptation of the neurons whose currents are fitted
TAU_M_MS, TAU_A_MS = 20, 100
N_FITTED = 200
N_GROUPS = 5


@dataclass(frozen=True)
class Network:
    """The network of the study."""

    model: str = "models/kim2018.py:mnist_cnn"
    data: str = DATA
    n_images: int = 500
    n_calibration: int = 1000


NETWORK = Network()
