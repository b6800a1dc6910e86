"""Synaptic currents that decay exponentially."""

from __future__ import annotations

from dataclasses import dataclass

from brianconv.biology.checks import check_label, check_time_constant
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import Time


@dataclass(frozen=True, kw_only=True)
class ExponentialCurrent(SynapseKind):
    """Each spike adds its weight to a current that decays exponentially and charges the membrane.

    In all, a spike contributes the charge that it would contribute at once, so that the network still computes what it
    was trained for, later.

    Attributes
    ----------
    tau : Quantity or float
        Time constant of the decay, such as ``5*ms``, or in steps.
    label : str
        Part of the names of the variables ``I_<label>`` and ``tau_<label>``.

    Examples
    --------
    >>> from brian2 import ms
    >>> print(ExponentialCurrent(tau=5*ms).model.charge)
    I_syn * (1 - exp(-1 / tau_syn))
    """

    tau: Time = 5.0
    label: str = "syn"

    def __post_init__(self) -> None:
        check_time_constant("tau", self.tau)
        check_label(self.label)

    @property
    def model(self) -> SynapseModel:
        current, tau = f"I_{self.label}", f"tau_{self.label}"
        return SynapseModel(
            name="exponential_current",
            onto=current,
            equations=f"d{current}/dt = -{current} * {{rate}}({tau}) / dt : 1",
            charge=f"{current} * (1 - exp(-1 / {tau}))",
            namespace={tau: self.tau},
            times=(tau,),
            source="Gerstner et al. (2014), Neuronal Dynamics, section 3.1",
        )
