"""The user's biology: named models of neurons and synapses, each in a file of its own, for networks that are converted.

Their equations are in normalised potentials, 0 being rest and 1 the threshold of rate coding, as those of the coding
schemes; `SpikingNetwork.in_millivolts` turns both into volts.
"""

from brianconv.biology.adaptive_exponential import AdaptiveExponential
from brianconv.biology.adaptive_leaky import AdaptiveLeaky
from brianconv.biology.alpha_current import AlphaCurrent
from brianconv.biology.conductance import Conductance
from brianconv.biology.conductance_based import ConductanceBased
from brianconv.biology.escape_noise import EscapeNoise
from brianconv.biology.exponential_current import ExponentialCurrent
from brianconv.biology.exponential_integrate_and_fire import ExponentialIntegrateAndFire
from brianconv.biology.f_i_curve import f_i_curve
from brianconv.biology.izhikevich import Izhikevich
from brianconv.biology.leaky_integrate_and_fire import LeakyIntegrateAndFire
from brianconv.biology.neuron_kind import NeuronKind
from brianconv.biology.neuron_replacement import with_neurons
from brianconv.biology.receptor_mixture import ReceptorMixture
from brianconv.biology.short_term_plasticity import ShortTermPlasticity
from brianconv.coding.synapse_model import JitteredDelay, SynapseKind, SynapseModel

__all__ = [
    "AdaptiveExponential",
    "AdaptiveLeaky",
    "AlphaCurrent",
    "Conductance",
    "ConductanceBased",
    "EscapeNoise",
    "ExponentialCurrent",
    "ExponentialIntegrateAndFire",
    "Izhikevich",
    "JitteredDelay",
    "LeakyIntegrateAndFire",
    "NeuronKind",
    "ReceptorMixture",
    "ShortTermPlasticity",
    "SynapseKind",
    "SynapseModel",
    "f_i_curve",
    "with_neurons",
]
