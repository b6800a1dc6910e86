"""Rate coding: an activation becomes the firing rate of an integrate-and-fire neuron.

A neuron that starts from the pre-charged membrane potential (PCMP) `v_init` fires its first spike earlier, at the
same rate.

Source: Hwang et al. (2021), Front. Neurosci. 15:629000, Eqs. 2 and 3; Rueckauer et al. (2017),
Front. Neurosci. 11:682.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.delayed_evaluation import SPIKE_COUNT
from brianconv.coding.encodings import ANALOG, CURRENT, PHASE, POISSON
from brianconv.coding.neuron_models import INTEGRATE_AND_FIRE
from brianconv.coding.scheme import TOLERANCE, Coding, CodingScheme, Parameter, PerLayer

PARAMETERS = {
    "v_init": Parameter(
        0.0, 0.0, 0.99, "pre-charged membrane potential V_pc, in thresholds", "Hwang et al. (2021), Eq. 4", True
    ),
    "v_threshold": Parameter(1.0, 1e-6, 1e6, "firing threshold, in normalised activations", "Eq. 2", True),
}


def expected_spike_count(
    activation: np.ndarray, n_steps: int, v_init: float = 0.0, v_threshold: float = 1.0
) -> np.ndarray:
    """Return the spike count of each neuron under constant drive.

    Parameters
    ----------
    activation : array, shape (n_neurons,)
        Normalised activation: what is integrated in each step.
    n_steps : int
        Length of the simulation in steps.
    v_init : float
        Pre-charged membrane potential, in thresholds, below 1.
    v_threshold : float
        In normalised activations.

    Returns
    -------
    array of int, shape (n_neurons,)
        floor(clip(activation / v_threshold, 0, 1) * n_steps + v_init): at most one spike per step.

    Raises
    ------
    ValueError
        If n_steps is below 1.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps is {n_steps}; a simulation has at least 1 step")
    charge = np.clip(np.asarray(activation) / v_threshold, 0.0, 1.0) * n_steps + v_init
    return np.floor(charge + TOLERANCE["float64"]).astype(int)


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return the threshold of every step: it is constant."""
    return np.full(len(fired), values["v_threshold"])


CODING = CodingScheme(
    name="rate",
    encoding=CURRENT,
    saturates=True,
    neuron=INTEGRATE_AND_FIRE,
    readout=SPIKE_COUNT,
    default_steps=100,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    source="Hwang et al. (2021), doi:10.3389/fnins.2021.629000",
    expected_spike_count=expected_spike_count,
    other_encodings=(ANALOG, POISSON, PHASE),
)


@dataclass(frozen=True, kw_only=True)
class Rate(Coding):
    """Rate coding (Hwang et al., 2021).

    Attributes
    ----------
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    v_threshold : number, sequence or mapping
        Firing threshold, in normalised activations.
    encoding : {"current", "analog", "poisson", "phase"}
        Input encoding, the scheme's own by default.
    n_phases : int
        Number of phases K of a period (Kim et al., 2018, Eq. 6), of phase-coded input.
    seed : int
        Of the random numbers of Poisson input.

    Examples
    --------
    >>> Rate(v_init=0.5).options
    {'v_init': 0.5}
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images, coding=Rate(v_init=0.5))
    >>> simulate(spiking, images, 20).scores.shape
    (5, 20, 2)
    """

    scheme = CODING
    v_init: PerLayer = None
    v_threshold: PerLayer = None
    encoding: str | None = None
    n_phases: int | None = None
    seed: int | None = None
