"""What a named neuron model says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

from brian2 import Quantity

from brianconv.coding.scheme import NeuronModel
from brianconv.coding.synapse_model import SynapseKind
from brianconv.coding.times import Time, in_steps, in_whole_steps

# what every coding scheme of integrate-and-fire neurons reads and sets
SHARED = """
drive                         : 1
v_threshold                   : 1 (shared, constant)
v_init                        : 1 (shared, constant)
"""
ON_IMAGE = "v = v_init * v_threshold"


class NeuronKind(ABC):
    """A named neuron model; each is a dataclass of its parameters in a file of its own.

    Potentials are normalised: 0 is rest, 1 the threshold of rate coding. Times are quantities such as ``20*ms``, or
    numbers of steps. `drive` and the weights of spikes are charges per step.

    Attributes
    ----------
    synapses : SynapseKind or None
        Of the connections onto these neurons, where the model says more than the neuron.

    Examples
    --------
    >>> issubclass(Izhikevich, NeuronKind)
    True
    """

    synapses: SynapseKind | None = None

    @abstractmethod
    def model(self, dt: Quantity) -> NeuronModel:
        """Return the equations for steps of a length."""

    def _steps(self, name: str, dt: Quantity) -> float:
        return in_steps(getattr(self, name), dt, name)

    def _rest(self, value: Time, dt: Quantity) -> str | None:
        """Return a refractory period as Brian2 reads it."""
        steps = in_whole_steps(value, dt, "refractory")
        return f"{steps} * dt" if steps else None
