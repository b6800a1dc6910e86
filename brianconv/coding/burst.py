"""Burst coding: spikes in successive steps are worth more and more, so that a large activation takes a short burst.

The burst function g is multiplied by beta with each consecutive spike and is 1 otherwise. A neuron fires when its
potential reaches g * v_threshold, and that is what its spike carries and what is subtracted. The input bursts too, or
sends the digits of the phase coding (``encoding="phase"``), with which the papers' best figures were probably made.

Source: Park et al. (2019), "Fast and efficient information transmission with burst spikes in deep spiking neural
networks", DAC 2019, as used for comparison in Park et al. (2020), section II B and Table II.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.encodings import ANALOG, PHASE, POISSON
from brianconv.coding.readouts import ACCUMULATED_POTENTIAL
from brianconv.coding.scheme import Coding, CodingScheme, InputEncoding, NeuronModel, Parameter, PerLayer

BURSTING = NeuronModel(
    name="bursting",
    equations="""
    dv/dt = drive / dt                                    : 1
    drive                                                 : 1
    g = 1 + (beta * last_g - 1) * int(last_spike == step - 1) : 1
    last_g                                                : 1
    last_spike                                            : integer
    beta                                                  : 1 (shared, constant)
    v_threshold                                           : 1 (shared, constant)
    v_init                                                : 1 (shared, constant)
    step                                                  : integer (linked)
    """,
    method="euler",
    threshold="v >= g * v_threshold * (1 - tolerance)",
    reset="""
    v -= g * v_threshold
    last_g = g
    last_spike = step
    """,
    on_image="""
    v = v_init * v_threshold
    last_spike = -1
    """,
    spike_value="g * v_threshold",
    source="Park et al. (2019): g(t) = beta g(t - 1) after a spike at t - 1, else 1; the bias is added in every step",
)
CURRENT_INTO_BURSTING = InputEncoding(
    name="burst",
    neuron=BURSTING,
    on_image="drive = pixel",
    source="Park et al. (2019): real-valued input currents into neurons that burst",
)
PARAMETERS = {
    "beta": Parameter(2.0, 1.0, 16.0, "factor of the burst function", "Park et al. (2019): 2"),
    "v_threshold": Parameter(
        0.125, 1e-6, 1e6, "threshold of a single spike, in normalised activations", "Park et al. (2019): 0.125", True
    ),
    "v_init": Parameter(0.0, 0.0, 0.99, "pre-charged potential, in thresholds", "Hwang et al. (2021), Eq. 4", True),
}


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return g * v_threshold of every step: it grows with each consecutive spike."""
    path, g = [], 1.0
    for spike in fired:
        path.append(g * values["v_threshold"])
        g = g * values["beta"] if spike else 1.0
    return np.array(path)


def score_of_one(values: Mapping[str, float], n_steps: int) -> np.ndarray:  # noqa: ARG001
    """Return what an activation of 1 has sent after each step: 1 in every step."""
    return np.arange(1.0, n_steps + 1)


CODING = CodingScheme(
    name="burst",
    encoding=CURRENT_INTO_BURSTING,
    neuron=BURSTING,
    readout=ACCUMULATED_POTENTIAL,
    default_steps=100,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    score_of_one=score_of_one,
    other_encodings=(PHASE, ANALOG, POISSON),
    source="Park et al. (2020), arXiv:2003.11741, section II B",
)


@dataclass(frozen=True, kw_only=True)
class Burst(Coding):
    """Burst coding (Park et al., 2019).

    Attributes
    ----------
    beta : float
        Factor of the burst function; Park et al. (2019): 2.
    v_threshold : number, sequence or mapping
        Threshold of a single spike, in normalised activations.
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    encoding : {"burst", "phase", "analog", "poisson"}
        Input encoding, the scheme's own by default.
    n_phases : int
        Number of phases K of a period (Kim et al., 2018, Eq. 6), of phase-coded input.
    seed : int
        Of the random numbers of Poisson input.

    Examples
    --------
    >>> Burst(beta=2.0, v_threshold=0.25).options
    {'beta': 2.0, 'v_threshold': 0.25}
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)), coding=Burst(v_threshold=0.25))
    >>> print(spiking.model("layer_0").equations.strip().splitlines()[0])
    dv/dt = drive / dt                                    : 1
    """

    scheme = CODING
    beta: float | None = None
    v_threshold: PerLayer = None
    v_init: PerLayer = None
    encoding: str | None = None
    n_phases: int | None = None
    seed: int | None = None
