"""Edges, fan-out and the order of neurons agree with applying the map."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings

from brianconv.connectivity import connection as connection_module
from brianconv.connectivity.base import Connectivity, channels_last
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.reshape import Reshape
from brianconv.conversion.layers import extract_graph
from brianconv.errors import MemoryLimitError, ParameterError, ShapeError
from brianconv.positions import (
    group_index,
    position_of_group_index,
    position_of_torch_index,
    torch_index,
)
from tests.helpers.connectivities import linear_chains
from tests.helpers.networks import SMALL_SHAPE, small_cnn


def connections():
    return [c for layer in extract_graph(small_cnn(), SMALL_SHAPE).layers for c in layer.connections]


@pytest.mark.parametrize("connection", connections(), ids=lambda c: c.source)
def test_edges_carry_what_apply_computes(connection):
    x = np.random.default_rng(0).random((1, *connection.input_shape))
    pre = x.ravel()[channels_last(connection.input_shape)]
    i, j, w = connection.edges()
    reached = np.bincount(j, weights=w * pre[i], minlength=int(np.prod(connection.output_shape)))
    expected = (connection.apply(x)[0] - connection.bias).ravel()[channels_last(connection.output_shape)]
    np.testing.assert_allclose(reached, expected, atol=1e-12)


@pytest.mark.parametrize("connection", connections(), ids=lambda c: c.source)
def test_fan_out_counts_edges(connection):
    i, j, _ = connection.edges()
    assert connection.n_synapses == len(i)
    np.testing.assert_array_equal(connection.fan_out, np.bincount(i, minlength=len(connection.fan_out)))
    assert len(np.unique(np.stack([i, j]), axis=1).T) == len(i), "a pair of neurons is connected once"


def test_a_weight_of_zero_is_a_connection():
    conv = Convolution(np.zeros((2, 1, 2, 2)), np.zeros(2), (1, 3, 3))
    assert len(conv.edges()[0]) == Connection("input", (conv,)).n_synapses == 2 * 4 * 4


def test_positions_and_indices_agree():
    shape = (3, 4, 5)
    flat = channels_last(shape)
    for position in [(0, 0, 0), (2, 1, 4), (1, 3, 2)]:
        in_group, in_torch = group_index(shape, position), torch_index(shape, position)
        assert flat[in_group] == in_torch == np.ravel_multi_index(position, shape)
        assert position_of_group_index(shape, in_group) == position_of_torch_index(shape, in_torch) == position
    assert group_index((7,), (3,)) == group_index((7,), 3) == torch_index((7,), 3) == 3


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (17, r"neuron 17 could be one of two.*\(channel, row, column\) below \(3, 4, 5\)"),
        ((3, 0, 0), r"there is no neuron \(3, 0, 0\).*each below \(3, 4, 5\)"),
        ((0, -1, 0), "there is no neuron"),
        ((0, 1), "there is no neuron"),
        ((0, 1.5, 0), "there is no neuron"),
        ("abc", "there is no neuron"),
    ],
)
def test_what_names_no_neuron_is_refused(position, message):
    for index in (group_index, torch_index):
        with pytest.raises(ParameterError, match=message):
            index((3, 4, 5), position)
    with pytest.raises(ParameterError, match="has 0 to 59"):
        position_of_group_index((3, 4, 5), 60)


def test_wrong_channels_are_refused():
    with pytest.raises(ShapeError, match="expects 2 input channels"):
        Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (1, 8, 8))


def matrices_by_hand(chain):
    """Multiply the dense matrices of a chain: whether there is a path, and the sum of the weights along all paths."""
    size = int(np.prod(chain[0].input_shape))
    joined, weights = np.eye(size, dtype=int), np.eye(size)
    for connectivity in chain:
        i, j, w = connectivity.edges()
        pattern, matrix = np.zeros((2, int(np.prod(connectivity.output_shape)), int(np.prod(connectivity.input_shape))))
        pattern[j, i], matrix[j, i] = 1, w
        joined, weights = (pattern @ joined > 0).astype(int), matrix @ weights
    pre, post = channels_last(chain[0].input_shape), channels_last(chain[-1].output_shape)
    return joined[post][:, pre], weights[post][:, pre]


@given(linear_chains())
@settings(max_examples=150, deadline=None)
def test_synapses_of_chains_are_the_product_of_their_matrices(chain):
    connection = Connection("input", chain)
    joined, weights = matrices_by_hand(chain)
    np.testing.assert_array_equal(connection.fan_out, joined.sum(axis=0))
    assert connection.n_synapses == joined.sum()
    i, j, w = connection.edges()
    found, found_weights = np.zeros_like(joined), np.zeros_like(weights)
    np.add.at(found, (j, i), 1)
    found_weights[j, i] = w
    np.testing.assert_array_equal(found, joined)
    np.testing.assert_allclose(found_weights, weights, atol=1e-12)


@dataclass(frozen=True)
class Mirror(Connectivity):
    """A connectivity of the user's own: the values of an image in reverse order, the first one of them twice."""

    input_shape: tuple

    @property
    def output_shape(self):
        return self.input_shape

    def edges(self):
        size = int(np.prod(self.input_shape))
        i = np.append(np.arange(size), 0)
        return i, np.append(size - 1 - np.arange(size), 0), np.ones(len(i))


def test_connectivities_of_the_user_are_counted_by_their_edges():
    conv = Convolution(np.ones((2, 2, 2, 2)), np.zeros(2), (2, 3, 3))
    for chain in ((Mirror((2, 3, 3)),), (Mirror((2, 3, 3)), conv), (conv, Mirror(conv.output_shape))):
        np.testing.assert_array_equal(Connection("input", chain).fan_out, matrices_by_hand(chain)[0].sum(axis=0))


def pointwise(n_in, n_out, size):
    return Convolution(np.broadcast_to(0.0, (n_out, n_in, 1, 1)), np.zeros(n_out), (n_in, size, size))


def test_synapses_of_a_linear_bottleneck_are_counted_by_hand():
    connection = Connection("wide", (pointwise(600, 64, 64), pointwise(64, 600, 64)))
    assert connection.n_synapses == 600 * 600 * 64**2
    with pytest.raises(MemoryLimitError, match=r"from 'wide', \(600, 64, 64\).*1,474,560,000 products.*put a ReLU"):
        connection.edges()


def test_chains_whose_axes_a_reshape_mixes_are_refused_before_they_are_multiplied(monkeypatch):
    size = 30
    first, second = pointwise(8, 8, size), Convolution(np.zeros((8, 8, 3, 3)), np.zeros(8), (8, 50, 18))
    connection = Connection("image", (first, Reshape((8, size, size), (8, 50, 18)), second))
    n_edges = connection.fan_out.sum()
    monkeypatch.setattr(connection_module, "MOST_PRODUCTS", 8 * int(second.n_edges) - 1)
    limited = Connection("image", connection.chain)
    with pytest.raises(MemoryLimitError, match=r"Convolution and Convolution.*3,538,944 products; at most 3,538,943"):
        _ = limited.fan_out
    assert n_edges == 8 * 8 * 48 * 16 * 9
