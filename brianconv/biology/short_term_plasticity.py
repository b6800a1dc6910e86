"""Synapses that tire and facilitate: short-term plasticity."""

from __future__ import annotations

from dataclasses import dataclass

from brianconv.biology.checks import check_finite, check_label, check_time_constant
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class ShortTermPlasticity(SynapseKind):
    """Each spike uses a part ``u`` of the resources ``x`` of its neuron's synapses.

    Both recover between spikes. The first spike after a long pause carries its weight; after that, its weight times
    ``u x / U``. All synapses of a neuron share ``u`` and ``x``, so that they are variables of the presynaptic neuron.

    Attributes
    ----------
    U : float
        Part of the resources that a spike uses after a long pause, 0 to 1.
    tau_rec : Quantity or float
        Time constant of the recovery of the resources, or in steps.
    tau_facil : Quantity or float or None
        Time constant of the facilitation; None for none: ``u`` stays ``U``.
    label : str
        Part of the names of the variables ``x_<label>``, ``u_<label>``, ...

    Examples
    --------
    >>> from brian2 import ms
    >>> print(ShortTermPlasticity(U=0.5, tau_rec=800*ms).model.source_reset)
    x_stp -= U_stp * x_stp
    """

    U: float = 0.5
    tau_rec: Time = 100.0
    tau_facil: Time | None = None
    label: str = "stp"

    def __post_init__(self) -> None:
        check_finite("U", self.U)
        if not 0 < self.U <= 1:
            raise ParameterError(
                f"U is {self.U}; it is the part of the resources that a spike uses, above 0 and up to 1"
            )
        check_time_constant("tau_rec", self.tau_rec)
        if self.tau_facil is not None:
            check_time_constant("tau_facil", self.tau_facil)
        check_label(self.label)

    @property
    def model(self) -> SynapseModel:
        x, u, big, rec, facil = (f"{name}_{self.label}" for name in ("x", "u", "U", "tau_rec", "tau_facil"))
        equations = f"d{x}/dt = (1 - {x}) * {{rate}}({rec}) / dt : 1"
        namespace = {big: self.U, rec: self.tau_rec}
        initial: dict[str, float] = {x: 1}
        times: tuple[str, ...] = (rec,)
        if self.tau_facil is None:
            release, reset = x, f"{x} -= {big} * {x}"
        else:
            used = f"({u} + {big} * (1 - {u}))"
            equations += f"\nd{u}/dt = ({big} - {u}) * {{rate}}({facil}) / dt : 1"
            # after a long pause, u is U before the spike and U + U (1 - U) when it releases
            release = f"{used} * {x} / ({big} * (2 - {big}))"
            reset = f"{u} += {big} * (1 - {u})\n{x} -= {u} * {x}"
            namespace[facil] = self.tau_facil
            initial, times = {x: 1, u: self.U}, (rec, facil)
        return SynapseModel(
            name="short_term_plasticity",
            source_equations=equations,
            source_reset=reset,
            release=release,
            namespace=namespace,
            times=times,
            initial=initial,
            source="Tsodyks and Markram (1997), PNAS 94:719-723; Mongillo et al. (2008), Science 319:1543-1546",
        )
