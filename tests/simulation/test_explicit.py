"""Explicit synapses are stored in the order in which spikes walk through them, each with its own weight."""

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, ms

from brianconv.connectivity.base import channels_last
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.simulation.synapses.explicit import connect_explicit, connect_gate
from tests.helpers.connectivities import CHAINS


def groups(connection):
    """Two populations that fit a connection."""
    return (
        NeuronGroup(int(np.prod(connection.input_shape)), "v : 1", threshold="v > 1", name="source"),
        NeuronGroup(
            int(np.prod(connection.output_shape)), "v : 1\nleader : integer\nbest : 1", threshold="v > 1", name="target"
        ),
    )


def assert_sorted(synapses):
    """Presynaptic neurons do not decrease, and for each of them postsynaptic neurons increase."""
    step_i, step_j = (np.diff(np.asarray(index, dtype=np.int64)) for index in (synapses.i[:], synapses.j[:]))
    assert np.all((step_i > 0) | ((step_i == 0) & (step_j > 0)))


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_synapses_are_sorted_and_carry_what_each_input_alone_sends(numpy_target, chain):
    """Oracle: the map itself, applied to one active input at a time."""
    connection = Connection("input", tuple(chain))
    source, target = groups(connection)
    synapses = connect_explicit(connection, source, target, "v_post += w", 0 * ms, "synapses", np.float64, "synapses")
    Network(source, target, synapses).run(0 * ms)
    assert_sorted(synapses)
    one_at_a_time = np.eye(len(source)).reshape(-1, *connection.input_shape)
    sent = (connection.apply(one_at_a_time) - connection.bias).reshape(len(source), -1)
    sent = sent[channels_last(connection.input_shape)][:, channels_last(connection.output_shape)]
    stored = np.zeros_like(sent)
    stored[synapses.i[:], synapses.j[:]] = synapses.w[:]
    np.testing.assert_allclose(stored, sent, atol=1e-12)
    assert len(synapses) == connection.n_synapses


def test_synapses_of_a_maximum_pooling_are_sorted_and_join_each_window(numpy_target):
    pooling = MaxPooling((2, 5, 6), (3, 2), (2, 1), (1, 0))
    connection = Connection("input", (pooling,))
    source, target = groups(connection)
    synapses = connect_gate(connection, source, target, "v_post += 1", "1", 0 * ms, "synapses", "gate")
    Network(source, target, synapses).run(0 * ms)
    assert_sorted(synapses)
    rows, columns = pooling.output_shape[1:]
    windows = {
        ((y * 6 + x) * 2 + channel, (row * columns + column) * 2 + channel)
        for channel in range(2)
        for row in range(rows)
        for column in range(columns)
        for y in range(max(0, 2 * row - 1), min(5, 2 * row + 2))
        for x in range(column, column + 2)
    }
    assert set(zip(synapses.i[:].tolist(), synapses.j[:].tolist(), strict=True)) == windows
