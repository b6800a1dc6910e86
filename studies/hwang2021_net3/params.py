"""Parameters of the study."""

MODEL = "models/hwang2021.py:net3"
DATA = "cifar10"
N_STEPS = 255
N_CALIBRATION = 1000  # training images, for the maximum activation of each layer
N_TUNING = 20  # training images with which the pre-charges are tuned
NORMALIZATION = "max"
V_INIT = ("0.0", "0.1", "0.2", "0.3", "0.4", "0.5")
LAYERWISE = "layer-wise"
DELAYS = (0, 10, 20, 30, 40, 50, 75, 100)
SHOWN_STEPS = (50, 100, 150, 200, 255)
SHOWN_V_INIT = ("0.0", "0.5")
PATCH = 32
DTYPE = "float32"
PAPER_LATENCY = 58  # Hwang et al. (2021), Table 3: steps to the reference error, with pre-charge
