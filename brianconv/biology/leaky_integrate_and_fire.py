"""The leaky integrate-and-fire neuron."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite, check_time_constant, default_time
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time


@dataclass(frozen=True, kw_only=True)
class LeakyIntegrateAndFire(NeuronKind):
    """A membrane with a leak, reset to a potential of its own, at rest for a while after each spike.

    Attributes
    ----------
    tau_m : Quantity or float
        Time constant of the membrane.
    v_reset : float
        Potential after a spike.
    refractory : Quantity or int
        Time for which the potential stays there.

    Examples
    --------
    >>> from brian2 import ms
    >>> LeakyIntegrateAndFire(tau_m=20*ms).model(0.1*ms).reset
    'v = v_reset'
    """

    tau_m: Time = default_time(20 * ms)
    v_reset: float = 0.0
    refractory: Time = 0

    def __post_init__(self) -> None:
        check_time_constant("tau_m", self.tau_m)
        check_finite("v_reset", self.v_reset)

    def model(self, dt: Quantity) -> NeuronModel:
        refractory = self._rest(self.refractory, dt)
        rests = " (unless refractory)" if refractory else ""
        return NeuronModel(
            name="leaky_integrate_and_fire",
            equations=f"dv/dt = drive / dt - v / (tau_m * dt) : 1{rests}\n{SHARED.strip()}",
            method="exponential_euler",
            threshold="v >= v_threshold * (1 - tolerance)",
            reset="v = v_reset",
            on_image=ON_IMAGE,
            refractory=refractory,
            namespace={"tau_m": self._steps("tau_m", dt), "v_reset": float(self.v_reset)},
            source="Lapicque (1907); Gerstner et al. (2014), Neuronal Dynamics, section 1.3",
        )
