"""Time-to-first-spike coding with kernels (T2FSNN): the earlier a neuron fires its only spike, the more it is worth.

Each layer has a window of T steps in which it fires. The threshold falls exponentially through the window, so that a
large potential reaches it early, and the spike carries the value of the same exponential. While a layer fires, the next
one integrates. With early firing, a layer begins before the layer in front of it has ended.

Source: Park et al. (2020), arXiv:2003.11741, Eqs. 5 to 8 and section III C.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.coding.readouts import ACCUMULATED_POTENTIAL, FIRST_SPIKE_VALUE
from brianconv.coding.scheme import TOLERANCE, Coding, CodingScheme, InputEncoding, NeuronModel, Parameter, PerLayer
from brianconv.coding.times import Time

FIRST_SPIKE = NeuronModel(
    name="first_spike",
    equations="""
    v                                : 1
    drive                            : 1
    fired                            : boolean
    elapsed = step - fire_start      : 1 (shared)
    kernel = exp(-(elapsed - t_d) / tau) : 1 (shared)
    fire_start                       : 1 (shared, constant)
    window                           : 1 (shared, constant)
    theta_0                          : 1 (shared, constant)
    tau                              : 1 (shared, constant)
    t_d                              : 1 (shared, constant)
    v_init                           : 1 (shared, constant)
    step                             : integer (linked)
    """,
    method="euler",
    threshold="v >= theta_0 * kernel * (1 - tolerance) and not fired and elapsed >= 0 and elapsed < window",
    reset="fired = True",
    on_image="""
    v = v_init + drive
    fired = False
    """,
    spike_value="kernel",
    active=("fire_start", "window"),
    source="Park et al. (2020), Eqs. 5 to 8; the bias is added once, and the dendrite's kernel is that of the layer "
    "that fires",
)
PIXEL_AS_POTENTIAL = InputEncoding(
    name="ttfs",
    neuron=FIRST_SPIKE,
    on_image="v = pixel",
    source="Park et al. (2020), section III A: the input fires in the first window",
)
PARAMETERS = {
    "window": Parameter(
        20, 2, 10_000, "steps T in which a layer fires", "Park et al. (2020), section III A", whole=True, is_time=True
    ),
    "start": Parameter(
        0,
        0,
        10_000,
        "steps after which the next layer begins to fire; 0 for T, T / 2 is early firing",
        "section III C",
        whole=True,
        is_time=True,
    ),
    "tau": Parameter(6.0, 1e-3, 1e6, "time constant of a layer's kernel, in steps", "Eq. 5", True, is_time=True),
    "t_d": Parameter(0.0, -1e4, 1e4, "delay of a layer's kernel, in steps", "Eq. 5", True, is_time=True),
    "theta_0": Parameter(1.0, 1e-6, 1e6, "threshold constant", "Eq. 6: 1"),
    "v_init": Parameter(0.0, 0.0, 0.99, "potential before anything is integrated, in normalised activations", "", True),
}


def schedule(parameters: Mapping[str, Mapping[str, float]], depth: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Return the step at which each population begins to fire: 1 for the input, one start later for each layer.

    Parameters
    ----------
    parameters : mapping
        Values of `window` and `start` by population.
    depth : mapping of str to int
        Number of layers before a population; 0 for the input.
    """
    starts = {name: 1.0 + depth[name] * _start(parameters, name) for name in depth}
    return {"fire_start": starts}


def n_steps(parameters: Mapping[str, Mapping[str, float]], depth: Mapping[str, int]) -> int:
    """Return the latency: the output has integrated everything at the end of the window of the layer before it."""
    last = max(depth, key=depth.__getitem__)
    return int((depth[last] - 1) * _start(parameters, last) + parameters["window"][last])


def _start(parameters: Mapping[str, Mapping[str, float]], name: str) -> float:
    return parameters["start"][name] or parameters["window"][name]


def first_spike_time(u: np.ndarray, tau: float, t_d: float = 0.0, window: int = 20, theta_0: float = 1.0) -> np.ndarray:
    """Return the step within the window, counted from 0, at which a potential fires; -1 if it never does (Eq. 7).

    Parameters
    ----------
    u : array
        Integrated potentials.
    tau, t_d : float
        Of the kernel, in steps.
    window : int
        T.
    theta_0 : float
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = -tau * np.log(np.asarray(u, dtype=float) / theta_0 / (1 - TOLERANCE["float64"])) + t_d
    step = np.maximum(np.ceil(exact), 0.0)
    fires = (np.asarray(u) > 0) & (step < window)
    return np.where(fires, step, -1.0).astype(int)


def decoded(s: np.ndarray, tau: float, t_d: float = 0.0) -> np.ndarray:
    """Return what a spike at step s of the window is worth: exp(-(s - t_d) / tau), 0 for s < 0."""
    return np.where(np.asarray(s) < 0, 0.0, np.exp(-(np.asarray(s, dtype=float) - t_d) / tau))


def threshold_path(values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return theta_0 * kernel within the window, until the neuron has fired."""
    elapsed = np.arange(1, len(fired) + 1) - values["fire_start"]
    path = values["theta_0"] * np.exp(-(elapsed - values["t_d"]) / values["tau"])
    over = np.concatenate([[False], np.cumsum(fired)[:-1] > 0])
    return np.where((elapsed >= 0) & (elapsed < values["window"]) & ~over, path, np.nan)


CODING = CodingScheme(
    name="ttfs",
    encoding=PIXEL_AS_POTENTIAL,
    saturates=True,
    neuron=FIRST_SPIKE,
    readout=ACCUMULATED_POTENTIAL,
    default_steps=n_steps,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    schedule=schedule,
    other_readouts=(FIRST_SPIKE_VALUE,),
    source="Park et al. (2020), arXiv:2003.11741",
)


@dataclass(frozen=True, kw_only=True)
class TTFS(Coding):
    """Time-to-first-spike coding with kernels, T2FSNN (Park et al., 2020).

    Attributes
    ----------
    window : int or Quantity
        T, in which a layer fires.
    start : int or Quantity
        Time after which the next layer begins to fire; 0 for T, T / 2 is early firing.
    tau : number, Quantity, sequence or mapping
        Time constant of a layer's kernel.
    t_d : number, Quantity, sequence or mapping
        Delay of a layer's kernel.
    theta_0 : float
        Threshold constant.
    v_init : number, sequence or mapping
        Potential before anything is integrated, in normalised activations, 0 to 0.99.
    readout : {"accumulated_potential", "first_spike"}
        Readout, the scheme's own by default.

    Examples
    --------
    >>> coding = TTFS(window=20, tau=6.0, start=10)
    >>> coding.options
    {'window': 20, 'start': 10, 'tau': 6.0}
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> convert(model, np.random.default_rng(0).random((5, 4)), coding=coding).default_steps
    30
    """

    scheme = CODING
    window: Time | None = None
    start: Time | None = None
    tau: PerLayer = None
    t_d: PerLayer = None
    theta_0: float | None = None
    v_init: PerLayer = None
    readout: str | None = None
