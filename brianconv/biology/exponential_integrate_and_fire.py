"""The exponential integrate-and-fire neuron."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite, check_time_constant, default_time
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


def capped(charge: str) -> str:
    """Return the derivative of a potential that does not rise above its peak within a step of Euler's method.

    Parameters
    ----------
    charge : str
        What is added to the potential in a step.
    """
    return f"clip({charge}, -1000, v_peak + 0.05 - v) / dt"


@dataclass(frozen=True, kw_only=True)
class ExponentialIntegrateAndFire(NeuronKind):
    """The upstroke of a spike grows exponentially once the potential is above its threshold.

    Attributes
    ----------
    tau_m : Quantity or float
        Time constant of the membrane.
    slope : float
        Slope factor of the upstroke, in thresholds: 3.48 mV of 15 mV in the paper.
    v_peak : float
        Potential at which the spike is counted.
    v_reset : float
    refractory : Quantity or int

    Examples
    --------
    >>> ExponentialIntegrateAndFire().model(0.1*ms).threshold
    'v >= v_peak'
    """

    tau_m: Time = default_time(10 * ms)
    slope: float = 3.48 / 15
    v_peak: float = 4.0
    v_reset: float = 0.0
    refractory: Time = default_time(1.7 * ms)

    def __post_init__(self) -> None:
        check_time_constant("tau_m", self.tau_m)
        for name in ("slope", "v_peak", "v_reset"):
            check_finite(name, getattr(self, name))
        if not self.slope > 0 or not self.v_reset < 1 < self.v_peak:
            raise ParameterError("slope is positive, v_reset lies below the threshold 1, and v_peak above it")

    def model(self, dt: Quantity) -> NeuronModel:
        refractory = self._rest(self.refractory, dt)
        rests = " (unless refractory)" if refractory else ""
        return NeuronModel(
            name="exponential_integrate_and_fire",
            equations=(
                "upstroke = slope * exp(clip((v - v_threshold) / slope, -100, 20)) : 1\n"
                f"dv/dt = {capped('drive + (upstroke - v) / tau_m')} : 1{rests}\n{SHARED.strip()}"
            ),
            method="euler",
            threshold="v >= v_peak",
            reset="v = v_reset",
            on_image=ON_IMAGE,
            refractory=refractory,
            namespace={
                "tau_m": self._steps("tau_m", dt),
                "slope": float(self.slope),
                "v_peak": float(self.v_peak),
                "v_reset": float(self.v_reset),
            },
            source="Fourcaud-Trocme et al. (2003), J. Neurosci. 23:11628-11640",
        )
