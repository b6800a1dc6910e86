"""Parameters of the study."""

SAMPLING_RATE = 360  # Hz, of the recording
SHA256 = "f20ad3365fb9b7f845d0e5c48b6fe67081377ee466c3a220b7f69f35c8958baf"  # of SciPy's registry of data sets
STEP = 2  # samples of the recording for one of a window
WINDOW = 128  # samples: 0.71 s
RANGE = (-3.0, 3.0)  # mV that become 0 and 1
PROMINENCE = 0.8  # mV: what rises less is no beat
REFRACTORY = 0.3  # s between two beats
WIDE = 44.0  # ms at half the prominence: wider ones are taken for ventricular
CLASSES = ("no beat", "narrow beat", "wide beat")
TRAINED_UNTIL = 200.0  # s; the rest is for the test
JITTER = 4  # samples of the window by which training windows are shifted
EPOCHS = 60
SEED = 0
CODES = ("rate", "phase", "burst", "ttfs")
N_STEPS = 100
V_INIT = 0.5
SHOWN = (270.0, 285.0)  # s, in the picture
