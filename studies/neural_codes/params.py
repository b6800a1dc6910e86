"""Parameters of the study; a row is one setting of one code."""

MODEL = "models/hwang2021.py:net1"
DATA = "mnist"
N_IMAGES = 1000
N_CALIBRATION = 1000  # training images, for the maximum activation of each layer
DTYPE = "float32"

# title: (code, parameters of the code, steps or None for the code's own, theta of the early decision)
ROWS = {
    "rate": ("rate", {"v_init": 0.4}, 50),
    "analog": ("analog", {"v_init": 0.4}, 50),
    "phase, K = 8": ("phase", {"n_phases": 8}, 64),
    "phase, K = 4": ("phase", {"n_phases": 4}, 64),
    "burst": ("burst", {}, 50),
    "ttfs, T = 20": ("ttfs", {}, None),
    "ttfs, early firing at 10": ("ttfs", {"start": 10}, None),
}
DRAWN = ("rate", "phase, K = 8", "burst", "ttfs, T = 20")  # one of each kind
LAYER = "conv2"
RASTER_NEURONS = 80
