"""The leaky integrate-and-fire neuron with spike-frequency adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite, check_time_constant, default_time
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class AdaptiveLeaky(NeuronKind):
    """Each spike adds to a current that opposes the drive and decays slowly, so that firing becomes slower.

    Attributes
    ----------
    tau_m, tau_a : Quantity or float
        Time constants of the membrane and of the adaptation.
    b : float
        What a spike adds to the adaptation, in thresholds: the potential that this current would cause at rest.
    v_reset : float
    refractory : Quantity or int

    Examples
    --------
    >>> print(AdaptiveLeaky(b=0.5).model(1*ms).reset)
    v = v_reset
    w_a += b_a
    """

    tau_m: Time = default_time(20 * ms)
    tau_a: Time = default_time(100 * ms)
    b: float = 0.2
    v_reset: float = 0.0
    refractory: Time = 0

    def __post_init__(self) -> None:
        check_time_constant("tau_m", self.tau_m)
        check_time_constant("tau_a", self.tau_a)
        check_finite("v_reset", self.v_reset)
        check_finite("b", self.b)
        if self.b < 0:
            raise ParameterError(f"b is {self.b}; a spike adds 0 or more to the adaptation")

    def model(self, dt: Quantity) -> NeuronModel:
        refractory = self._rest(self.refractory, dt)
        rests = " (unless refractory)" if refractory else ""
        return NeuronModel(
            name="adaptive_leaky",
            equations=(
                f"dv/dt = drive / dt - (v + w_a) / (tau_m * dt) : 1{rests}\n"
                f"dw_a/dt = -w_a / (tau_a * dt) : 1\n{SHARED.strip()}"
            ),
            method="exponential_euler",
            threshold="v >= v_threshold * (1 - tolerance)",
            reset="v = v_reset\nw_a += b_a",
            on_image=ON_IMAGE,
            refractory=refractory,
            namespace={
                "tau_m": self._steps("tau_m", dt),
                "tau_a": self._steps("tau_a", dt),
                "b_a": float(self.b),
                "v_reset": float(self.v_reset),
            },
            source="Treves (1993), Network 4:259-284; Gerstner et al. (2014), section 6.1",
        )
