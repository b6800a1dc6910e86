"""A kernel with its tables says the same as the list of all synapses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional

from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.shared_kernel import OneToOneKernel, share_weights
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.errors import ParameterError, ShapeError
from tests.helpers.connectivities import CHAINS, chains


def matrix_of_edges(connection):
    n_pre, n_post = (int(np.prod(shape)) for shape in (connection.input_shape, connection.output_shape))
    matrix, count = np.zeros((n_pre, n_post)), np.zeros((n_pre, n_post), dtype=int)
    i, j, w = connection.edges()
    np.add.at(matrix, (i, j), w)
    np.add.at(count, (i, j), 1)
    return matrix, count


def matrix_of_kernel(kernel, n_pre, n_post):
    """Walk through the tables, one input after the other."""
    matrix, count = np.zeros((n_pre, n_post)), np.zeros((n_pre, n_post), dtype=int)
    if isinstance(kernel, OneToOneKernel):
        matrix[np.arange(n_pre), kernel.target] = kernel.weights
        count[np.arange(n_pre), kernel.target] = 1
        return matrix, count
    channels, _, columns = kernel.input_shape
    n_out, _, output_columns = kernel.output_shape
    per_group = n_out // kernel.groups
    for neuron in range(n_pre):
        row, column, channel = neuron // (channels * columns), neuron // channels % columns, neuron % channels
        first = channel // (channels // kernel.groups) * per_group
        for r in range(kernel.rows.start[row], kernel.rows.start[row + 1]):
            for c in range(kernel.columns.start[column], kernel.columns.start[column + 1]):
                for step in range(kernel.columns.length[c]):
                    place = kernel.rows.output[r] * output_columns + kernel.columns.output[c] + step
                    targets = slice(place * n_out + first, place * n_out + first + per_group)
                    weights = kernel.weights[kernel.rows.kernel[r], channel, kernel.columns.kernel[c] + step]
                    matrix[neuron, targets] += weights
                    count[neuron, targets] += 1
    return matrix, count


def assert_same_synapses(chain):
    connection = Connection("input", tuple(chain))
    edges, n_edges = matrix_of_edges(connection)
    shared, n_shared = matrix_of_kernel(share_weights(chain), *edges.shape)
    np.testing.assert_allclose(shared, edges, atol=1e-12)
    np.testing.assert_array_equal(n_shared, n_edges)


@pytest.mark.parametrize("name", CHAINS)
def test_kernels_hold_every_synapse_once(name):
    assert_same_synapses(CHAINS[name])


@given(chains())
@settings(max_examples=150, deadline=None)
def test_random_kernels_hold_every_synapse_once(chain):
    assert_same_synapses(chain)


@given(chains())
@settings(max_examples=50, deadline=None)
def test_edges_carry_what_apply_computes(chain):
    connection = Connection("input", tuple(chain))
    matrix, _ = matrix_of_edges(connection)
    x = np.random.default_rng(0).random((1, *connection.input_shape))
    pre = np.moveaxis(x[0], 0, -1).ravel()
    expected = np.moveaxis(connection.apply(x)[0] - connection.bias, 0, -1).ravel()
    np.testing.assert_allclose(pre @ matrix, expected, atol=1e-12)
    np.testing.assert_array_equal(connection.fan_out, (matrix_of_edges(connection)[1]).sum(axis=1))


def test_runs_of_a_convolution_are_as_long_as_its_kernel():
    conv = Convolution(np.zeros((2, 3, 5, 5)), np.zeros(2), (3, 9, 9))
    columns = share_weights([conv]).columns
    assert len(columns.length) == 9, "one run a column"
    assert columns.length.tolist() == [1, 2, 3, 4, 5, 4, 3, 2, 1]


def test_chains_without_a_common_kernel_have_none():
    conv = Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (2, 9, 9))
    after = Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (2, 7, 7))
    assert share_weights([conv, after]) is None
    assert share_weights([Dense(np.zeros((162, 5)), np.zeros(162)), Reshape((162,), (2, 9, 9)), conv]) is None


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_agrees_with_torch(groups):
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(4, 3, 3, 2)), random.normal(size=3 * groups)
    ours = TransposedConvolution(weight, bias, (4, 5, 6), (2, 3), (1, 0), (1, 2), (1, 2), groups)
    x = random.normal(size=(2, 4, 5, 6))
    expected = functional.conv_transpose2d(
        *(torch.from_numpy(a) for a in (x, weight, bias)), (2, 3), (1, 0), (1, 2), groups, (1, 2)
    )
    np.testing.assert_allclose(ours.apply(x), expected.numpy(), atol=1e-12)


def test_maximum_pooling_agrees_with_torch():
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    ours = MaxPooling((3, 7, 8), (3, 2), (2, 2), (1, 0)).apply(x)
    np.testing.assert_array_equal(ours, functional.max_pool2d(torch.from_numpy(x), (3, 2), (2, 2), (1, 0)).numpy())


@pytest.mark.parametrize("connectivity", [g for chain in CHAINS.values() for g in chain if g.weighted], ids=type)
def test_scaled_maps_act_on_scaled_activations(connectivity):
    random = np.random.default_rng(1)
    pre, post = (
        random.uniform(0.5, 2, (shape[0], *[1] * (len(shape) - 1)))
        for shape in (connectivity.input_shape, connectivity.output_shape)
    )
    x = random.random((2, *connectivity.input_shape))
    np.testing.assert_allclose(connectivity.scaled(pre, post).apply(x / pre), connectivity.apply(x) / post, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Convolution(torch.zeros(2, 2, 3, 3), np.zeros(2), (2, 5, 5)), "the weight is a .*Tensor.*detach"),
        (lambda: Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (2, 5, 5), padding=(1, 1)), "top, bottom"),
        (
            lambda: Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (2, 5, 5), stride=2),
            r"stride is 2; it is .rows, columns",
        ),
        (lambda: Convolution(np.zeros((2, 2, 3, 3)), np.zeros(2), (2, 5, 5), (0, 1)), "1 or more each"),
        (lambda: Dense(np.zeros(3), np.zeros(1)), r"of shape \(n_post, n_pre\)"),
        (lambda: Dense(1j * np.zeros((2, 3)), np.zeros(2)), "real numbers"),
        (lambda: MaxPooling((1, 4, 4), 2, 2), "kernel_size is 2"),
        (lambda: AveragePooling((1, 4, 4), (2, 2), (2, 2), (-1, 0)), "0 or more each"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_wrong_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"the bias has shape \(3,\), not \(2,\)"):
        Dense(np.zeros((2, 3)), np.zeros(3))
    with pytest.raises(ShapeError, match="expects 4 input channels"):
        TransposedConvolution(np.zeros((4, 2, 3, 3)), np.zeros(2), (3, 8, 8))
    with pytest.raises(ShapeError, match="does not fit the layer"):
        OneToOne(np.zeros(3), (2, 2))
    with pytest.raises(ShapeError, match="larger than its padded input"):
        MaxPooling((1, 2, 2), (3, 3), (1, 1))
