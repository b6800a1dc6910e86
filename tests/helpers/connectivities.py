"""Geometries for tests: one of each kind, and random ones, with weights that are multiples of 1/256."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.errors import ShapeError


def dyadic_weight(*shape, seed=0):
    return np.random.default_rng(seed).integers(-64, 65, shape) / 256


CHAINS = {
    "dense": (Dense(dyadic_weight(7, 48), np.zeros(7)),),
    "dense behind an image": (Reshape((3, 4, 4), (48,)), Dense(dyadic_weight(7, 48), np.zeros(7))),
    "dense onto an image": (Dense(dyadic_weight(12, 5), np.zeros(12)), Reshape((12,), (3, 2, 2))),
    "convolution": (Convolution(dyadic_weight(5, 3, 3, 3), np.zeros(5), (3, 6, 5)),),
    "convolution with stride, dilation and groups": (
        Convolution(dyadic_weight(6, 2, 3, 3), np.zeros(6), (4, 7, 6), (2, 1), ((1, 2), (2, 0)), (1, 2), groups=2),
    ),
    "depthwise convolution": (Convolution(dyadic_weight(4, 1, 3, 3), np.zeros(4), (4, 5, 5), groups=4),),
    "transposed convolution": (
        TransposedConvolution(dyadic_weight(4, 3, 3, 2), np.zeros(6), (4, 4, 5), (2, 1), (1, 0), (1, 0), (1, 2), 2),
    ),
    "average pooling": (AveragePooling((3, 6, 6), (2, 2), (2, 2)),),
    "convolution behind overlapping pooling": (
        AveragePooling((3, 9, 9), (4, 4), (2, 2), ((1, 1), (1, 1))),
        Convolution(dyadic_weight(4, 3, 3, 3), np.zeros(4), (3, 4, 4), padding=((1, 1), (1, 1))),
    ),
    "pooling behind a convolution": (
        Convolution(dyadic_weight(4, 3, 3, 3), np.zeros(4), (3, 6, 6)),
        AveragePooling((4, 4, 4), (2, 2), (2, 2)),
    ),
    "dense behind pooling": (
        AveragePooling((3, 8, 8), (2, 2), (2, 2)),
        Reshape((3, 4, 4), (48,)),
        Dense(dyadic_weight(7, 48), np.zeros(7)),
    ),
    "one to one": (OneToOne(dyadic_weight(3, 2, 2), (3, 2, 2)),),
    "reshape": (Reshape((3, 2, 2), (12,)),),
}


@st.composite
def chains(draw):
    """Draw a chain with trained weights, perhaps behind average pooling."""
    try:
        chain = draw(st.sampled_from([_convolution, _transposed, _dense]))(draw)
    except ShapeError:  # drawn too small
        assume(False)
    assume(Connection("input", tuple(chain)).n_synapses)  # all of it may be padding
    return chain


def _pair(draw, low, high):
    return draw(st.integers(low, high)), draw(st.integers(low, high))


def _input(draw, groups):
    return (groups * draw(st.integers(1, 3)), *_pair(draw, 2, 9))


def _poolings(draw, shape):
    if not draw(st.booleans()):
        return []
    size = _pair(draw, 1, 2) if draw(st.booleans()) else (4, 4)
    return [
        AveragePooling(
            shape, size, _pair(draw, 1, 3), tuple((p, p) for p in (draw(st.integers(0, s // 2)) for s in size))
        )
    ]


def _convolution(draw):
    groups = draw(st.integers(1, 3))
    poolings = _poolings(draw, _input(draw, groups)) or None
    shape = poolings[-1].output_shape if poolings else _input(draw, groups)
    weight = dyadic_weight(groups * draw(st.integers(1, 3)), shape[0] // groups, *_pair(draw, 1, 4))
    padding = (_pair(draw, 0, 2), _pair(draw, 0, 2))
    conv = Convolution(
        weight, np.zeros(len(weight)), shape, _pair(draw, 1, 3), padding, _pair(draw, 1, 2), groups=groups
    )
    return (*(poolings or []), conv)


def _transposed(draw):
    groups = draw(st.integers(1, 2))
    shape = _input(draw, groups)
    weight = dyadic_weight(shape[0], draw(st.integers(1, 3)), *_pair(draw, 1, 4))
    stride = _pair(draw, 1, 3)
    beyond = tuple(draw(st.integers(0, s - 1)) for s in stride)
    bias = np.zeros(weight.shape[1] * groups)
    return (TransposedConvolution(weight, bias, shape, stride, _pair(draw, 0, 1), beyond, _pair(draw, 1, 2), groups),)


def _dense(draw):
    shape = _input(draw, 1)
    poolings = _poolings(draw, shape)
    image = poolings[-1].output_shape if poolings else shape
    flat = int(np.prod(image))
    dense = Dense(dyadic_weight(draw(st.integers(1, 5)), flat), np.zeros(1))
    dense = Dense(dense.weight, np.zeros(len(dense.weight)))
    return (*poolings, Reshape(image, (flat,)), dense)


@st.composite
def linear_chains(draw):
    """Draw up to four connectivities in a row with nothing between them, as a network without ReLU has."""
    chain, shape = [], (draw(st.integers(1, 4)), *_pair(draw, 2, 6))
    for _ in range(draw(st.integers(1, 4))):
        steps = FOLLOWING if len(shape) == 3 else (_flat_dense, _gain, _placement, _unflattened)
        try:
            chain += draw(st.sampled_from(steps))(draw, shape)
        except ShapeError:  # drawn too small
            assume(False)
        shape = chain[-1].output_shape
    return tuple(chain)


def _following_convolution(draw, shape):
    groups = draw(st.sampled_from([n for n in range(1, shape[0] + 1) if shape[0] % n == 0]))
    weight = dyadic_weight(groups * draw(st.integers(1, 2)), shape[0] // groups, *_pair(draw, 1, 3))
    weight[:, :, 0] = 0  # a connection of weight 0 counts
    padding = (_pair(draw, 0, 2), _pair(draw, 0, 2))
    bias = np.zeros(len(weight))
    return [Convolution(weight, bias, shape, _pair(draw, 1, 3), padding, _pair(draw, 1, 2), groups)]


def _following_transposed(draw, shape):
    groups = draw(st.sampled_from([1, shape[0]]))
    weight = dyadic_weight(shape[0], draw(st.integers(1, 2)), *_pair(draw, 1, 3))
    bias = np.zeros(weight.shape[1] * groups)
    return [TransposedConvolution(weight, bias, shape, _pair(draw, 1, 2), _pair(draw, 0, 1), groups=groups)]


def _following_pooling(draw, shape):
    return [AveragePooling(shape, _pair(draw, 1, 3), _pair(draw, 1, 3))]


def _gain(draw, shape):
    return [OneToOne(dyadic_weight(*shape), shape)]


def _placement(draw, shape):
    first, beyond = _pair(draw, 0, 2)
    return [ChannelPadding(shape, first + shape[0] + beyond, first)]


def _seen_otherwise(draw, shape):
    """The same values as an image of other rows, columns and channels."""
    channels, rows, columns = draw(st.permutations(shape))
    return [Reshape(shape, (channels, rows, columns))]


def _flat_dense(draw, shape):
    n_pre, n_post = int(np.prod(shape)), draw(st.integers(1, 6))
    return [*([Reshape(shape, (n_pre,))] * (len(shape) > 1)), Dense(dyadic_weight(n_post, n_pre), np.zeros(n_post))]


def _unflattened(draw, shape):
    """A flat layer as an image, with channels that are as many as its greatest divisor below 4."""
    channels = max(n for n in range(1, 4) if shape[0] % n == 0)
    return [Reshape(shape, (channels, shape[0] // channels, 1))]


FOLLOWING = (
    _following_convolution, _following_transposed, _following_pooling, _gain, _placement, _seen_otherwise, _flat_dense,
)  # fmt: skip
