"""Izhikevich's neuron."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite
from brianconv.biology.exponential_integrate_and_fire import capped
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.errors import ParameterError

REST_MV, SWING_MV, PEAK_MV = -70.0, 20.0, 30.0  # with b = 0.2, the fixed points are -70 and -50 mV


@dataclass(frozen=True, kw_only=True)
class Izhikevich(NeuronKind):
    """A quadratic membrane with a recovery variable, with the parameters of the paper.

    Its potential V in mV is -70 + 20 v, and its recovery variable u is -14 + 20 recovery, so that rest is 0 and the
    threshold 1 with b = 0.2, as everywhere here. In these variables, per ms::

        v' = 0.8 v**2 - 0.6 v - recovery + charge
        recovery' = a (b v + 0.7 - 3.5 b - recovery)

    Below v = -3 (-130 mV), where strong inhibition can drive it, the parabola is not followed further: with Euler's
    steps, it would throw the potential back above the threshold.

    Attributes
    ----------
    a : float
        Rate of the recovery, per ms.
    b : float
        Sensitivity of the recovery to the potential.
    c : float
        Potential after a spike, in mV.
    d : float
        What a spike adds to u.

    Examples
    --------
    >>> regular, fast = Izhikevich(), Izhikevich(a=0.1, d=2)
    >>> regular.model(0.1*ms).threshold
    'v >= v_peak'
    """

    a: float = 0.02
    b: float = 0.2
    c: float = -65.0
    d: float = 8.0

    def __post_init__(self) -> None:
        for name in ("a", "b", "c", "d"):
            check_finite(name, getattr(self, name))
        if not self.a > 0 or not self.c < PEAK_MV:
            raise ParameterError(f"a is above 0, and c below {PEAK_MV:g} mV")

    def model(self, dt: Quantity) -> NeuronModel:
        return NeuronModel(
            name="izhikevich",
            equations=(
                "curved = clip(v, -3, 100) : 1\n"
                f"dv/dt = {capped('drive + (0.8 * curved**2 - 0.6 * curved - recovery) / per_ms')} : 1\n"
                "drecovery/dt = a_u * (b_u * v + 0.7 - 3.5 * b_u - recovery) / (per_ms * dt) : 1\n"
                f"{SHARED.strip()}"
            ),
            method="euler",
            threshold="v >= v_peak",
            reset="v = v_reset\nrecovery += d_u",
            on_image=ON_IMAGE,
            namespace={
                "per_ms": float(ms / dt),
                "a_u": float(self.a),
                "b_u": float(self.b),
                "d_u": self.d / SWING_MV,
                "v_peak": (PEAK_MV - REST_MV) / SWING_MV,
                "v_reset": (self.c - REST_MV) / SWING_MV,
            },
            source="Izhikevich (2003), IEEE Trans. Neural Netw. 14:1569-1572",
        )
