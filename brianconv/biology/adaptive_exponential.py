"""The adaptive exponential integrate-and-fire neuron (AdEx)."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite, check_time_constant, default_time
from brianconv.biology.exponential_integrate_and_fire import capped
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError

THRESHOLD_MV, LEAK_NS = -50.4 + 70.6, 30.0  # V_T - E_L and g_L of the paper


@dataclass(frozen=True, kw_only=True)
class AdaptiveExponential(NeuronKind):
    """An exponential upstroke, and an adaptation that follows the potential and jumps with every spike.

    The defaults are the paper's, divided by ``V_T - E_L`` = 20.2 mV and by its product with the leak conductance.

    Attributes
    ----------
    tau_m, tau_w : Quantity or float
        Time constants of membrane (281 pF / 30 nS) and adaptation.
    slope : float
        Slope factor of the upstroke: 2 mV.
    a, b : float
        Adaptation below the threshold (4 nS / 30 nS), and what a spike adds to it (0.0805 nA).
    v_peak, v_reset : float
        Where a spike is counted (20 mV), and where the potential is then.

    Examples
    --------
    >>> print(AdaptiveExponential().model(0.1*ms).reset)
    v = v_reset
    w_a += b_a
    """

    tau_m: Time = default_time(281 / 30 * ms)
    tau_w: Time = default_time(144 * ms)
    slope: float = 2 / THRESHOLD_MV
    a: float = 4 / LEAK_NS
    b: float = 80.5 / LEAK_NS / THRESHOLD_MV
    v_peak: float = (20 + 70.6) / THRESHOLD_MV
    v_reset: float = 0.0

    def __post_init__(self) -> None:
        check_time_constant("tau_m", self.tau_m)
        check_time_constant("tau_w", self.tau_w)
        for name in ("slope", "a", "b", "v_peak", "v_reset"):
            check_finite(name, getattr(self, name))
        if not self.slope > 0 or not self.v_peak > 1 or not self.v_reset < self.v_peak:
            raise ParameterError("slope is positive, and v_peak lies above the threshold 1 and above v_reset")

    def model(self, dt: Quantity) -> NeuronModel:
        return NeuronModel(
            name="adaptive_exponential",
            equations=(
                "upstroke = slope * exp(clip((v - v_threshold) / slope, -100, 20)) : 1\n"
                f"dv/dt = {capped('drive + (upstroke - v - w_a) / tau_m')} : 1\n"
                f"dw_a/dt = (a_a * v - w_a) / (tau_w * dt) : 1\n{SHARED.strip()}"
            ),
            method="euler",
            threshold="v >= v_peak",
            reset="v = v_reset\nw_a += b_a",
            on_image=ON_IMAGE,
            namespace={
                "tau_m": self._steps("tau_m", dt),
                "tau_w": self._steps("tau_w", dt),
                "slope": float(self.slope),
                "a_a": float(self.a),
                "b_a": float(self.b),
                "v_peak": float(self.v_peak),
                "v_reset": float(self.v_reset),
            },
            source="Brette and Gerstner (2005), J. Neurophysiol. 94:3637-3642",
        )
