"""The leaky integrate-and-fire neuron whose synapses are conductances."""

from __future__ import annotations

from dataclasses import dataclass, field

from brian2 import ms

from brianconv.biology.conductance import Conductance
from brianconv.biology.leaky_integrate_and_fire import LeakyIntegrateAndFire
from brianconv.coding.synapse_model import SynapseKind


@dataclass(frozen=True, kw_only=True)
class ConductanceBased(LeakyIntegrateAndFire):
    """A leaky membrane; the spikes that arrive open conductances, so that excitation saturates and inhibition shunts.

    Attributes
    ----------
    tau_m : Quantity or float
    v_reset : float
    refractory : Quantity or int
    synapses : Conductance
        Time constants and reversal potentials.

    Examples
    --------
    >>> ConductanceBased().synapses.tau_e
    5. * msecond
    """

    synapses: SynapseKind | None = field(default_factory=lambda: Conductance(tau_e=5 * ms, tau_i=10 * ms))
