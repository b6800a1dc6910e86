"""The f-I curve of a neuron model: its firing rate under a constant current, as Brian2 simulates it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms

from brianconv.coding import CODINGS
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time, in_whole_steps
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.dense import Dense
from brianconv.conversion.convert import from_normalized
from brianconv.errors import ParameterError
from brianconv.graph import INPUT, Layer, LayerGraph, NormalizedNetwork
from brianconv.simulation.run import simulate

NEURONS = "neurons"


def f_i_curve(
    model: NeuronModel, currents: Sequence[float] | np.ndarray, duration: Time = 500 * ms, dt: Quantity = 1 * ms
) -> np.ndarray:
    """Return the mean number of spikes per step under constant currents, from rest.

    Parameters
    ----------
    model : NeuronModel
        Of a population, such as ``spiking.neurons["conv1"]``; of a coding scheme with integrate-and-fire neurons.
    currents : array, shape (n,)
        Charge per step, in thresholds.
    duration : Quantity or int
        Over which spikes are counted.
    dt : Quantity
        Length of a step.

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    ParameterError
        If a current is not a number, or the equations cannot be simulated.

    Examples
    --------
    >>> f_i_curve(CODINGS["rate"].neuron, [0.0, 0.25, 0.5], duration=100)
    array([0.  , 0.25, 0.5 ])
    """
    given = np.asarray(currents, dtype=np.float64)
    if given.ndim != 1 or not given.size or not np.isfinite(given).all():
        raise ParameterError("currents are one or more finite numbers: the charge per step, in thresholds")
    n_steps = in_whole_steps(duration, dt, "duration")
    driven = Connection(INPUT, (Dense(np.zeros((given.size, 1)), given),))
    read = Connection(NEURONS, (Dense(np.zeros((1, given.size)), np.zeros(1)),))
    layers = (Layer(NEURONS, (driven,), True, (NEURONS,)), Layer("output", (read,), False, ("output",)))
    graph = LayerGraph((1,), layers)
    spiking = from_normalized(
        NormalizedNetwork(graph, {name: np.ones(()) for name in graph.names}, "none", graph), CODINGS["rate"]
    )
    changed = spiking.change_neurons(NEURONS, **{name: getattr(model, name) for name in model.__dataclass_fields__})
    recording = simulate(changed, np.zeros((1, 1)), n_steps, dt=dt, record_spikes=[NEURONS])
    counts = np.bincount(recording.spikes[NEURONS].torch_index, minlength=given.size)
    return counts / n_steps
