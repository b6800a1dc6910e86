"""Synaptic currents that rise and fall, as an alpha function."""

from __future__ import annotations

from dataclasses import dataclass

from brianconv.biology.checks import check_label, check_time_constant
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import Time


@dataclass(frozen=True, kw_only=True)
class AlphaCurrent(SynapseKind):
    """The current of a spike is an alpha function, ``t / tau exp(-t / tau)``, with the spike's charge as its area.

    Attributes
    ----------
    tau : Quantity or float
        Time at which the current is highest, such as ``5*ms``, or in steps.
    label : str
        Part of the names of the variables ``I_<label>``, ``rise_<label>`` and ``tau_<label>``.

    Examples
    --------
    >>> AlphaCurrent(tau=4).model.onto
    'rise_syn'
    """

    tau: Time = 5.0
    label: str = "syn"

    def __post_init__(self) -> None:
        check_time_constant("tau", self.tau)
        check_label(self.label)

    @property
    def model(self) -> SynapseModel:
        current, rise, tau = f"I_{self.label}", f"rise_{self.label}", f"tau_{self.label}"
        return SynapseModel(
            name="alpha_current",
            onto=rise,
            equations=(
                f"d{current}/dt = ({rise} - {current}) * {{rate}}({tau}) / dt : 1\n"
                f"d{rise}/dt = -{rise} * {{rate}}({tau}) / dt : 1"
            ),
            charge=f"{current} * (1 - exp(-1 / {tau}))",
            namespace={tau: self.tau},
            times=(tau,),
            source="Rall (1967), J. Neurophysiol. 30:1138-1168; Gerstner et al. (2014), section 3.1",
        )
