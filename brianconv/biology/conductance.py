"""Synaptic conductances with reversal potentials."""

from __future__ import annotations

from dataclasses import dataclass

from brianconv.biology.checks import check_finite, check_label, check_time_constant
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Conductance(SynapseKind):
    """Positive weights open an excitatory conductance, negative ones an inhibitory one; both decay exponentially.

    What a spike contributes depends on the potential. At `v_reference`, it is the charge that it would contribute at
    once; above, excitation is weaker and inhibition stronger.

    Attributes
    ----------
    tau_e, tau_i : Quantity or float
        Time constants of the decay, or in steps.
    e_rev, i_rev : float
        Reversal potentials, in normalised potentials: 0 is rest and 1 the threshold of rate coding. With -70 and -50 mV
        for these, 3.5 is 0 mV and -0.5 is -80 mV.
    v_reference : float
        Potential at which the charge is that of the weight.
    label : str
        Part of the names of the variables ``g_e_<label>``, ``g_i_<label>``, ...

    Examples
    --------
    >>> print(Conductance(tau_e=5, tau_i=10).model.on_pre)
    g_e_syn_post += w * int(w > 0)
    g_i_syn_post -= w * int(w < 0)
    """

    tau_e: Time = 5.0
    tau_i: Time = 10.0
    e_rev: float = 3.5
    i_rev: float = -0.5
    v_reference: float = 0.5
    label: str = "syn"

    def __post_init__(self) -> None:
        check_time_constant("tau_e", self.tau_e)
        check_time_constant("tau_i", self.tau_i)
        check_label(self.label)
        for name in ("e_rev", "i_rev", "v_reference"):
            check_finite(name, getattr(self, name))
        if not self.i_rev < self.v_reference < self.e_rev:
            raise ParameterError(
                f"v_reference is {self.v_reference}; it lies between the reversal potentials {self.i_rev} and "
                f"{self.e_rev}, where excitation and inhibition have their signs"
            )

    @property
    def model(self) -> SynapseModel:
        e, i = f"g_e_{self.label}", f"g_i_{self.label}"
        tau_e, tau_i = f"tau_e_{self.label}", f"tau_i_{self.label}"
        excitation, inhibition = self.e_rev - self.v_reference, self.v_reference - self.i_rev
        return SynapseModel(
            name="conductance",
            on_pre=f"{e}_post += w * int(w > 0)\n{i}_post -= w * int(w < 0)",
            equations=(f"d{e}/dt = -{e} * {{rate}}({tau_e}) / dt : 1\nd{i}/dt = -{i} * {{rate}}({tau_i}) / dt : 1"),
            charge=(
                f"{e} * (1 - exp(-1 / {tau_e})) * ({self.e_rev} - v) / {excitation}"
                f" + {i} * (1 - exp(-1 / {tau_i})) * ({self.i_rev} - v) / {inhibition}"
            ),
            namespace={tau_e: self.tau_e, tau_i: self.tau_i},
            times=(tau_e, tau_i),
            source="Gerstner et al. (2014), Neuronal Dynamics, section 3.1",
        )
