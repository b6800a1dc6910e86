"""Parameters of the study; `run.py --images` and `--steps` override the first two."""

MODEL = "models/hwang2021.py:net1"
DATA = "mnist"
N_IMAGES = 10_000
N_STEPS = 50
N_CALIBRATION = 5000  # training images, for the maximum activation of each layer
NORMALIZATION = "max"
V_INIT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
DELAYS = tuple(range(0, 26))
DTYPE = "float32"

# Hwang et al. (2021), Table 2: steps to 99.0, 99.5 and 99.9 % of the ANN's accuracy
PAPER = {0.0: (17, 19, 32), 0.1: (15, 18, 29), 0.2: (12, 15, 27), 0.3: (11, 13, 24), 0.4: (9, 12, 29), 0.5: (7, 11, 27)}
