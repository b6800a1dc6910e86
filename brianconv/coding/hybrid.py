"""Single-spike hybrid coding: analog pixels in the first step, then one spike per pixel; leaky neurons that fire once.

The decision is taken from the potential of the output neurons and from the time at which they cross their threshold.
Input encoding and number of spikes are independent choices: ``encoding`` is "hybrid", "analog" (direct encoding:
pixels in every step), "single_spike" (no analog step) or "poisson"; ``spike_limit`` is 1 or any larger number.
Thresholds are measured layer by layer in the spiking network unless they are given.

Source: Datta et al. (2021), arXiv:2107.12374, Eqs. 2 to 11 and section V-A.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.encodings import ANALOG, SIGNED_POISSON
from brianconv.coding.readouts import ACCUMULATED_POTENTIAL, POTENTIAL_AND_TIME
from brianconv.coding.scheme import Coding, CodingScheme, InputEncoding, NeuronModel, Parameter, PerLayer
from brianconv.coding.times import Time

LEAKY = NeuronModel(
    name="leaky_limited",
    equations="""
    dv/dt = ((decay - 1) * v + drive - v_threshold * int(last_spike == step - 1)) / dt : 1
    drive                         : 1
    last_spike                    : integer
    n_spikes                      : integer
    decay                          : 1 (shared, constant)
    v_threshold                   : 1 (shared, constant)
    v_init                        : 1 (shared, constant)
    spike_limit                   : 1 (shared, constant)
    step                          : integer (linked)
    """,
    method="euler",
    threshold="v > v_threshold * (1 + tolerance) and n_spikes < spike_limit",
    reset="""
    last_spike = step
    n_spikes += 1
    """,
    on_image="""
    v = v_init * v_threshold
    last_spike = -1
    n_spikes = 0
    """,
    source="Datta et al. (2021), Eqs. 6 to 8: the threshold is strict, and is subtracted in the step after a spike",
)
SPIKE_STEP = """
spike_step                    : 1
window                        : 1 (shared, constant)
pixel_low                     : 1 (shared, constant)
pixel_high                    : 1 (shared, constant)
step                          : integer (linked)
"""
WHEN = """
spike_step = window + (2 - window) * (pixel - pixel_low) / (pixel_high - pixel_low)
spike_step = clip(floor(spike_step + 0.5 + tolerance / 100), 2, window)
"""
HYBRID_PIXEL = NeuronModel(
    name="hybrid_pixel",
    equations="v = pixel : 1" + SPIKE_STEP,
    method="euler",
    threshold="(step == 1 and pixel != 0) or (step > 1 and step == spike_step)",
    reset="",
    on_image="",
    spike_value="pixel * int(step == 1) + int(step > 1)",
    source="Datta et al. (2021), Eqs. 4 and 5; halves are rounded up",
)
SINGLE_SPIKE_PIXEL = NeuronModel(
    name="single_spike_pixel",
    equations="v = pixel : 1" + SPIKE_STEP,
    method="euler",
    threshold="step > 1 and step == spike_step",
    reset="",
    on_image="",
    source="Datta et al. (2021), section V-B: temporal coding solely, Eq. 4 without the analog step",
)
ENCODING_PARAMETERS = {
    "window": Parameter(5, 2, 10_000, "steps T within which every pixel fires", "Eq. 4", whole=True, is_time=True),
    "pixel_low": Parameter(
        0.0, -1e6, 1e6, "lowest pixel value, I_min; from the calibration images unless given", "Eq. 4"
    ),
    "pixel_high": Parameter(
        1.0, -1e6, 1e6, "highest pixel value, I_max; from the calibration images unless given", "Eq. 4"
    ),
}
HYBRID = InputEncoding(
    name="hybrid",
    neuron=HYBRID_PIXEL,
    on_image=WHEN,
    parameters=ENCODING_PARAMETERS,
    bounded=False,
    analog_steps=1,
    source="Datta et al. (2021), Eqs. 4 and 5",
)
SINGLE_SPIKE = InputEncoding(
    name="single_spike",
    neuron=SINGLE_SPIKE_PIXEL,
    on_image=WHEN,
    parameters=ENCODING_PARAMETERS,
    bounded=False,
    source="Datta et al. (2021), section V-B",
)
PARAMETERS = {
    "v_threshold": Parameter(
        1.0, 1e-9, 1e9, "threshold of a layer; measured in the spiking network unless given", "section V-A", True
    ),
    "decay": Parameter(1.0, 0.0, 2.0, "fraction of the potential that remains after a step", "Eq. 6, lambda", True),
    "spike_limit": Parameter(1, 1, 1e9, "maximum number of spikes of a hidden neuron", "Eq. 8: 1", whole=True),
    "v_init": Parameter(0.0, 0.0, 0.99, "pre-charged potential, in thresholds", "Hwang et al. (2021), Eq. 4", True),
}


def spike_step(pixel: np.ndarray, window: int = 5, pixel_low: float = 0.0, pixel_high: float = 1.0) -> np.ndarray:
    """Return the step, counted from 1, in which each pixel fires (Eq. 4): the brightest in step 2, the darkest in T.

    Parameters
    ----------
    pixel : array
        Those outside [pixel_low, pixel_high] fire in the first or in the last of these steps.
    window : int
        T.
    pixel_low, pixel_high : float
        I_min and I_max of the data set.
    """
    exact = window + (2 - window) * (np.asarray(pixel, dtype=float) - pixel_low) / (pixel_high - pixel_low)
    return np.clip(np.floor(exact + 0.5 + 1e-8), 2, window).astype(int)


def n_steps(parameters: Mapping[str, Mapping[str, float]], depth: Mapping[str, int]) -> int:  # noqa: ARG001
    """Return T, or 100 steps for an input that does not end."""
    return int(parameters["window"]["input"]) if "window" in parameters else 100


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return the threshold of every step, until the neuron may not fire any more."""
    over = np.concatenate([[0], np.cumsum(fired)[:-1]]) >= values["spike_limit"]
    return np.where(over, np.nan, values["v_threshold"])


CODING = CodingScheme(
    name="hybrid",
    encoding=HYBRID,
    neuron=LEAKY,
    readout=POTENTIAL_AND_TIME,
    default_steps=n_steps,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    other_encodings=(ANALOG, SINGLE_SPIKE, SIGNED_POISSON),
    other_readouts=(ACCUMULATED_POTENTIAL,),
    no_max_pooling="binary spikes fired at most once lose too much in it (Datta et al., 2021, section V-A); "
    "replace it by average pooling",
    normalization="none",
    measured_threshold=0.4,
    source="Datta et al. (2021), arXiv:2107.12374",
)


@dataclass(frozen=True, kw_only=True)
class Hybrid(Coding):
    """Single-spike hybrid coding (Datta et al., 2021).

    Attributes
    ----------
    v_threshold : number, sequence or mapping
        Threshold of a layer; measured in the spiking network unless given.
    decay : number, sequence or mapping
        Fraction of the potential that remains after a step (Datta et al., 2021, Eq. 6, lambda).
    spike_limit : float
        Maximum number of spikes of a hidden neuron (Datta et al., 2021, Eq. 8).
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    window : int or Quantity
        Time T within which every pixel fires (Datta et al., 2021, Eq. 4).
    pixel_low, pixel_high : float
        Range of pixels; of the calibration images unless given.
    threshold_factor : float
        By which measured thresholds are multiplied.
    encoding : {"hybrid", "analog", "single_spike", "poisson"}
        Input encoding, the scheme's own by default.
    readout : {"potential_and_time", "accumulated_potential"}
        Readout, the scheme's own by default.
    seed : int
        Of the random numbers of Poisson input.

    Examples
    --------
    >>> Hybrid(window=5, spike_limit=1).options
    {'spike_limit': 1, 'window': 5}
    """

    scheme = CODING
    v_threshold: PerLayer = None
    decay: PerLayer = None
    spike_limit: float | None = None
    v_init: PerLayer = None
    window: Time | None = None
    pixel_low: float | None = None
    pixel_high: float | None = None
    threshold_factor: float | None = None
    encoding: str | None = None
    readout: str | None = None
    seed: int | None = None
