"""Several receptors behind one synapse, each with a time constant of its own, such as AMPA and NMDA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from brianconv.biology.checks import check_label, check_time_constant
from brianconv.coding.synapse_model import SynapseKind, SynapseModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class ReceptorMixture(SynapseKind):
    """The charge of a spike is divided among receptors whose currents decay exponentially.

    Attributes
    ----------
    receptors : mapping of str to (fraction, tau)
        Share of the charge, which add up to 1, and time constant of each, such as ``{"ampa": (0.7, 2*ms), "nmda": (0.3,
        100*ms)}``. The names are parts of the variables ``I_ampa``, ``tau_ampa``, ...

    Examples
    --------
    >>> print(ReceptorMixture(receptors={"ampa": (0.75, 2), "nmda": (0.25, 100)}).model.on_pre)
    I_ampa_post += w * 0.75
    I_nmda_post += w * 0.25
    """

    receptors: Mapping[str, tuple[float, Time]] = field(
        default_factory=lambda: {"ampa": (0.7, 2.0), "nmda": (0.3, 100.0)}
    )

    def __post_init__(self) -> None:
        if not isinstance(self.receptors, Mapping) or not self.receptors:
            raise ParameterError("receptors is a mapping such as {'ampa': (0.7, 2*ms), 'nmda': (0.3, 100*ms)}")
        for label, found in self.receptors.items():
            check_label(label)
            if not isinstance(found, tuple) or len(found) != 2:
                raise ParameterError(f"receptor {label!r} is {found!r}; it is (fraction of the charge, time constant)")
            check_time_constant(f"the time constant of {label!r}", found[1])
        fractions = [fraction for fraction, _ in self.receptors.values()]
        if min(fractions) <= 0 or not np.isclose(sum(fractions), 1):
            raise ParameterError(f"the fractions of the receptors are {fractions}; they are positive and add up to 1")

    @property
    def model(self) -> SynapseModel:
        labels = list(self.receptors)
        return SynapseModel(
            name="receptor_mixture",
            on_pre="\n".join(f"I_{label}_post += w * {fraction}" for label, (fraction, _) in self.receptors.items()),
            equations="\n".join(f"dI_{label}/dt = -I_{label} * {{rate}}(tau_{label}) / dt : 1" for label in labels),
            charge=" + ".join(f"I_{label} * (1 - exp(-1 / tau_{label}))" for label in labels),
            namespace={f"tau_{label}": tau for label, (_, tau) in self.receptors.items()},
            times=tuple(f"tau_{label}" for label in labels),
            source="Destexhe, Mainen and Sejnowski (1994), J. Comput. Neurosci. 1:195-230",
        )
