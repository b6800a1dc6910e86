"""Explicit synapses do for every spike what their statements say, on every version of Brian2."""

import numpy as np
import pytest
from brian2 import Clock, Network, NeuronGroup, TimedArray, ms

from brianconv import Dense
from brianconv.connectivity.connection import Connection
from brianconv.simulation.synapses.explicit import connect_explicit

N_PRE, N_POST, N_STEPS = 6, 4, 8
LOCALS_OF_BRIAN2 = ["capsule", "cpp_queue", "num_spikes", "spike_data", "spike_vector", "synapse_id"]


@pytest.mark.parametrize("delay", [0, 2])
def test_statements_may_name_any_variable(target, delay):
    """Brian2 2.10 and 2.11 count the spikes in a variable i, and keep others, which statements can overwrite."""
    random = np.random.default_rng(1)
    spikes = random.random((N_STEPS, N_PRE)) < 0.5
    weight = random.integers(-32, 33, (N_POST, N_PRE)) / 64
    clock = Clock(1 * ms)
    source = NeuronGroup(
        N_PRE, "x = pattern(t, i) : 1\n" + "\n".join(f"{name} : 1" for name in LOCALS_OF_BRIAN2),
        threshold="x > 0.5", clock=clock, namespace={"pattern": TimedArray(spikes.astype(float), dt=1 * ms)},
    )  # fmt: skip
    for number, name in enumerate(LOCALS_OF_BRIAN2):
        setattr(source, name, number + np.arange(N_PRE))
    equations = "v : 1\n" + "\n".join(f"{name} : 1" for name in LOCALS_OF_BRIAN2)
    receiver = NeuronGroup(N_POST, equations, clock=clock)
    statements = ["v_post += w * (i + 1)", *(f"{name} += {name}_pre * (j + 1)" for name in LOCALS_OF_BRIAN2)]
    synapses = connect_explicit(
        Connection("input", (Dense(weight, np.zeros(N_POST)),)), source, receiver, "\n".join(statements),
        delay * ms, "synapses", np.float64, "synapses_that_name_i",
    )  # fmt: skip
    Network(source, receiver, synapses).run(N_STEPS * ms)
    counts = spikes[: N_STEPS - delay].sum(axis=0)
    np.testing.assert_array_equal(receiver.v, weight @ (counts * np.arange(1, N_PRE + 1)))
    for number, name in enumerate(LOCALS_OF_BRIAN2):
        worth = counts @ (number + np.arange(N_PRE))
        np.testing.assert_array_equal(getattr(receiver, name), worth * np.arange(1, N_POST + 1))
