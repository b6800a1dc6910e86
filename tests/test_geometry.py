"""Edges, fan-out and the order of neurons agree with applying the map."""

import numpy as np
import pytest
from conftest import SMALL_SHAPE, small_cnn

from brianconv.conversion.from_torch import extract_graph
from brianconv.conversion.geometry import Convolution, channels_last
from brianconv.errors import ParameterError, ShapeError
from brianconv.positions import (
    group_index,
    position_of_group_index,
    position_of_torch_index,
    torch_index,
)


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
    assert len(conv.edges()[0]) == conv.fan_out().sum() == 2 * 4 * 4


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
