"""Phase coding, or weighted spikes: a spike in phase k of a period of K steps is worth 2^-k.

The input sends the K binary digits of each pixel, the most significant first, in every period. A hidden neuron adds up
weighted spikes and sends the digits of its sum; what it sends too early is paid back in later periods. The output
accumulates and never fires.

Source: Kim et al. (2018), Neurocomputing 311:373-386, Eqs. 6 to 17.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.encodings import DIGITS, N_PHASES, OMEGA, ROUNDED_PIXEL
from brianconv.coding.readouts import ACCUMULATED_POTENTIAL
from brianconv.coding.scheme import Coding, CodingScheme, InputEncoding, NeuronModel, Parameter, PerLayer

WEIGHTED_SPIKES = NeuronModel(
    name="weighted_spikes",
    equations="""
    dv/dt = omega * drive / dt : 1
    drive                      : 1
    v_init                     : 1 (shared, constant)
    """
    + OMEGA,
    method="euler",
    threshold="v >= omega * (1 - tolerance)",
    reset="v -= omega",
    on_image="v = v_init",
    spike_value="omega",
    source="Kim et al. (2018), Eqs. 6 and 8 to 10, with tau = 1; activations in [0, 1 - 2^-K] and "
    "beta = b / (1 - 2^-K) cancel: drive is the normalised bias",
)
BINARY_PIXELS = InputEncoding(
    name="phase",
    neuron=DIGITS,
    on_image=ROUNDED_PIXEL,
    source="Kim et al. (2018), section 4.1: pixels in [0, 1 - 2^-K], rounded to K binary digits",
)
PARAMETERS = {
    "n_phases": N_PHASES,
    "v_init": Parameter(
        0.0, 0.0, 0.99, "pre-charged membrane potential, in normalised activations", "Hwang et al. (2021), Eq. 4", True
    ),
}


def digitized(pixel: np.ndarray, n_phases: int = 8) -> np.ndarray:
    """Return the value that an input neuron sends in every period, a multiple of 2^-K in [0, 1 - 2^-K].

    Parameters
    ----------
    pixel : array
        In [0, 1].
    n_phases : int
        K.
    """
    return np.floor(np.asarray(pixel) * (2.0**n_phases - 1) + 0.5) / 2.0**n_phases


def phase_weight(step: np.ndarray | int, n_phases: int = 8) -> np.ndarray:
    """Return omega(t) = 2^-(1 + (t - 1) mod K) of a step counted from 1 (Eq. 6)."""
    return 2.0 ** -(1.0 + (np.asarray(step) - 1) % n_phases)


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return omega of every step."""
    return phase_weight(np.arange(1, len(fired) + 1), int(values["n_phases"]))


def score_of_one(values: Mapping[str, float], n_steps: int) -> np.ndarray:
    """Return what an activation of 1 has sent after each step: 1 - 2^-K in every period."""
    return np.cumsum(phase_weight(np.arange(1, n_steps + 1), int(values["n_phases"])))


CODING = CodingScheme(
    name="phase",
    encoding=BINARY_PIXELS,
    saturates=True,
    neuron=WEIGHTED_SPIKES,
    readout=ACCUMULATED_POTENTIAL,
    default_steps=64,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    score_of_one=score_of_one,
    source="Kim et al. (2018), doi:10.1016/j.neucom.2018.05.087",
)


@dataclass(frozen=True, kw_only=True)
class Phase(Coding):
    """Phase coding, or weighted spikes (Kim et al., 2018).

    Attributes
    ----------
    n_phases : int
        Number of phases K of a period (Kim et al., 2018, Eq. 6).
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in normalised activations, 0 to 0.99 (Hwang et al., 2021, Eq. 4).

    Examples
    --------
    >>> Phase(n_phases=4).options
    {'n_phases': 4}
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images, coding=Phase(n_phases=4))
    >>> recording = simulate(spiking, images, 8, record_spikes=["input"])
    >>> bool(recording.spike_counts[:, 0].any())
    True
    """

    scheme = CODING
    n_phases: int | None = None
    v_init: PerLayer = None
