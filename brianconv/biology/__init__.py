"""The user's biology: named models of neurons and synapses, each in a file of its own, for networks that are converted.

Their equations are in normalised potentials, 0 being rest and 1 the threshold of rate coding, as those of the coding
schemes; `SpikingNetwork.in_millivolts` turns both into volts.
"""

from brianconv.biology.alpha_current import AlphaCurrent
from brianconv.biology.conductance import Conductance
from brianconv.biology.exponential_current import ExponentialCurrent
from brianconv.biology.receptor_mixture import ReceptorMixture
from brianconv.biology.short_term_plasticity import ShortTermPlasticity
from brianconv.coding.synapse_model import SynapseKind

__all__ = [
    "AlphaCurrent",
    "Conductance",
    "ExponentialCurrent",
    "ReceptorMixture",
    "ShortTermPlasticity",
    "SynapseKind",
]
