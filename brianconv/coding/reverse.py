"""Reverse coding: one spike per neuron, and the later it comes, the more it is worth.

Park et al. (2020) compare with TDSNN (Zhang et al., 2019), in which larger activations fire later and neurons that
tick drive each layer through its window. They print no equations, and TDSNN retrains the weights. This is **not
TDSNN** but a variant with equations of its own, on the weights as they are: in the window of T steps in which a layer
fires, the threshold *grows* exponentially to 1, eps(s) = exp((s - T + 1) / tau), s = 0..T - 1, driven by one tick a
step that reaches every neuron of the layer. A neuron fires at the last s with u >= eps(s), which it knows by the next
value of eps, and its spike carries eps(s). What is decoded is at most u, and at least u exp(-1 / tau) between exp((1
- T) / tau) and 1. There is no early firing: potentials must be complete when the window begins. Ticks are counted
among the spikes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.readouts import ACCUMULATED_POTENTIAL
from brianconv.coding.scheme import Coding, CodingScheme, InputEncoding, NeuronModel, Parameter, PerLayer
from brianconv.coding.times import Time

LAST_CHANCE = NeuronModel(
    name="last_chance",
    equations="""
    v                                : 1
    drive                            : 1
    elapsed = step - fire_start      : 1 (shared)
    kernel = exp((elapsed - window + 1) / tau) : 1 (shared)
    next_kernel = exp((elapsed - window + 2) / tau) : 1 (shared)
    fire_start                       : 1 (shared, constant)
    window                           : 1 (shared, constant)
    theta_0                          : 1 (shared, constant)
    tau                              : 1 (shared, constant)
    v_init                           : 1 (shared, constant)
    step                             : integer (linked)
    """,
    method="euler",
    threshold="v >= theta_0 * kernel * (1 - tolerance) "
    "and (v < theta_0 * next_kernel * (1 - tolerance) or elapsed == window - 1) and elapsed >= 0 and elapsed < window",
    reset="",
    on_image="v = v_init + drive",
    spike_value="kernel",
    active=("fire_start", "window"),
    source="a variant of its own, see the text; the bias is added once",
)
PIXEL_AS_POTENTIAL = InputEncoding(
    name="reverse",
    neuron=LAST_CHANCE,
    on_image="v = pixel",
    source="as in time-to-first-spike coding, the input fires in the first window",
)
PARAMETERS = {
    "window": Parameter(20, 2, 10_000, "steps T in which a layer fires", "", whole=True, is_time=True),
    "tau": Parameter(6.0, 1e-3, 1e6, "time constant of the growing threshold, in steps", "", True, is_time=True),
    "theta_0": Parameter(1.0, 1e-6, 1e6, "threshold at the end of the window", ""),
    "v_init": Parameter(0.0, 0.0, 0.99, "potential before anything is integrated, in normalised activations", "", True),
}


def schedule(parameters: Mapping[str, Mapping[str, float]], depth: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the step at which each population begins to fire: one window after the layer in front of it."""
    return {"fire_start": {name: 1.0 + depth[name] * parameters["window"][name] for name in depth}}


def n_steps(parameters: Mapping[str, Mapping[str, float]], depth: Mapping[str, int]) -> int:
    """Return the latency: one window for each layer but the output."""
    last = max(depth, key=depth.__getitem__)
    return int(depth[last] * parameters["window"][last])


def last_spike_time(u: np.ndarray, tau: float, window: int = 20, theta_0: float = 1.0) -> np.ndarray:
    """Return the step within the window, counted from 0, at which a potential fires; -1 if it never does.

    Parameters
    ----------
    u : array
        Potentials at the beginning of the window.
    tau : float
        In steps.
    window : int
        T.
    theta_0 : float
    """
    kernel = theta_0 * np.exp((np.arange(window) - window + 1) / tau) * (1 - 1e-6)
    return (np.asarray(u)[..., None] >= kernel).sum(axis=-1) - 1


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return theta_0 * kernel within the window."""
    elapsed = np.arange(1, len(fired) + 1) - values["fire_start"]
    path = values["theta_0"] * np.exp((elapsed - values["window"] + 1) / values["tau"])
    return np.where((elapsed >= 0) & (elapsed < values["window"]), path, np.nan)


def ticks(values: Mapping[str, float], n_steps: int) -> np.ndarray:
    """Return 1 for every step of the window, in which a tick reaches every neuron of the layer."""
    elapsed = np.arange(1, n_steps + 1) - values["fire_start"]
    return ((elapsed >= 0) & (elapsed < values["window"])).astype(int)


CODING = CodingScheme(
    name="reverse",
    encoding=PIXEL_AS_POTENTIAL,
    saturates=True,
    neuron=LAST_CHANCE,
    readout=ACCUMULATED_POTENTIAL,
    default_steps=n_steps,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    schedule=schedule,
    ticks=ticks,
    no_delay="a potential must be complete when its window begins",
    source="a variant in the spirit of Zhang et al. (2019), TDSNN, as used for comparison in Park et al. (2020)",
)


@dataclass(frozen=True, kw_only=True)
class Reverse(Coding):
    """Reverse coding: the later a spike, the more it is worth.

    Attributes
    ----------
    window : int or Quantity
        T, in which a layer fires.
    tau : number, Quantity, sequence or mapping
        Time constant of the growing threshold.
    theta_0 : float
        Threshold at the end of the window.
    v_init : number, sequence or mapping
        Potential before anything is integrated, in normalised activations, 0 to 0.99.

    Examples
    --------
    >>> Reverse(window=20, tau=6.0).options
    {'window': 20, 'tau': 6.0}
    """

    scheme = CODING
    window: Time | None = None
    tau: PerLayer = None
    theta_0: float | None = None
    v_init: PerLayer = None
