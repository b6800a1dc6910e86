"""Parameters of the study."""

from dataclasses import dataclass

DATA = "mnist"
N_CALIBRATION = 1000
N_IMAGES, N_GROUPS = 500, 5  # bands are the standard deviation over groups of 100 images
V_INIT = 0.5  # rate coding
N_STEPS = {"rate": 100}  # the other codes: their own default
CODES = ("rate", "phase", "burst", "ttfs")
# change: values, in ms where they are times
LEVELS: dict[str, tuple[float, ...]] = {
    "tau_m": (200, 100, 50, 20, 10, 5),
    "refractory": (2, 3, 4, 5),
    "noise": (0.02, 0.05, 0.1, 0.2, 0.5),
    "jitter": (2, 5, 10, 20),
    "tau_syn": (2, 5, 10, 20),
    "weight_bits": (8, 6, 5, 4, 3, 2),
}
LABELS = {
    "tau_m": "membrane time constant (ms)",
    "refractory": "refractory period (ms)",
    "noise": "noise (thresholds per √ms)",
    "jitter": "longest of the jittered delays (ms)",
    "tau_syn": "synaptic time constant (ms)",
    "weight_bits": "bits of the weights",
}
REVERSED = ("tau_m", "weight_bits")  # a lower value changes more
# other neurons of rate coding: interval that stands for 1 and length of an image in ms, length of a step in ms, and
# time constant of the synapses in ms (0: none)
NEURONS = {
    "LeakyIntegrateAndFire": (5, 200, 1.0, 0),
    "AdaptiveLeaky": (10, 300, 1.0, 0),
    "ConductanceBased": (5, 200, 1.0, 0),
    "EscapeNoise": (5, 200, 1.0, 0),
    "ExponentialIntegrateAndFire": (5, 200, 0.1, 0),
    "AdaptiveExponential": (10, 300, 0.1, 20),
    "Izhikevich": (10, 300, 0.1, 20),
    "Izhikevich a=0.1 d=2": (5, 300, 0.1, 10),
}
N_FITTED = 200  # calibration images whose activations the neurons are fitted to


@dataclass(frozen=True)
class Network:
    """A network of the study."""

    model: str
    title: str
    data: str = DATA
    n_images: int = N_IMAGES
    n_calibration: int = N_CALIBRATION


NETWORKS = {
    "mnist_cnn": Network("models/kim2018.py:mnist_cnn", "MNIST CNN of Kim et al. (2018)"),
    "net1": Network("models/hwang2021.py:net1", "Net 1 of Hwang et al. (2021)"),
}
