"""Shared weights: a connection as one kernel and two small tables, instead of a list of synapses.

Along rows and columns alike, a table says which outputs an input reaches and with which part of the kernel. Pooling and
flattening before or after the weights only change the tables, so that one form covers convolutions with any stride,
padding, dilation and groups, transposed convolutions, average pooling and dense layers after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity, Shape, channels_last
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.fan_out import image_shape
from brianconv.connectivity.folding import by_channel, channelwise, fused
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.transposed_convolution import TransposedConvolution


@dataclass(frozen=True, eq=False)
class Runs:
    """What each input position along an axis reaches: runs of successive outputs and successive kernel positions.

    Attributes
    ----------
    start : array of int, shape (n_inputs + 1,)
        The runs of input x are those with indices start[x] to start[x + 1] - 1.
    kernel, output, length : arrays of int, shape (n_runs,)
        First kernel position, first output position, and number of positions.
    """

    start: np.ndarray
    kernel: np.ndarray
    output: np.ndarray
    length: np.ndarray


@dataclass(frozen=True, eq=False)
class SharedKernel:
    """Weights shared across positions: ``w[row, c, column, k]`` joins input channel c with channel k of its group.

    Attributes
    ----------
    weights : array, shape (kernel rows, channels_in, kernel columns, channels_out / groups)
    input_shape, output_shape : (channels, rows, columns)
    groups : int
    rows, columns : Runs
        Runs of rows have length 1: rows do not follow one another in memory.
    """

    weights: np.ndarray
    input_shape: Shape
    output_shape: Shape
    groups: int
    rows: Runs
    columns: Runs

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        per_tap = self.input_shape[0] * self.weights.shape[3]
        return len(self.rows.kernel) * int(self.columns.length.sum()) * per_tap

    @property
    def is_dense(self) -> bool:
        """Whether every input reaches every output with weights of its own."""
        positions = (*self.output_shape[1:], self.groups)
        each_its_own = all(
            len(runs.kernel) == len(runs.start) - 1 and np.array_equal(runs.kernel, np.arange(len(runs.kernel)))
            for runs in (self.rows, self.columns)
        )
        return positions == (1, 1, 1) and each_its_own


@dataclass(frozen=True, eq=False)
class OneToOneKernel:
    """One weight per neuron, from each source neuron to one target neuron.

    Attributes
    ----------
    weights : array, shape (n_pre,)
    target : array of int, shape (n_pre,)
        Postsynaptic neuron of each presynaptic one, both as laid out in populations.
    """

    weights: np.ndarray
    target: np.ndarray

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return len(self.target)


def share_weights(chain: Sequence[Connectivity]) -> SharedKernel | OneToOneKernel | None:
    """Return a chain of connectivities as shared weights, or None if it has no such form.

    A chain has one if at most one of its members carries trained weights, and a reshape at most flattens an image
    before dense weights.
    """
    if all(isinstance(part, (Reshape, OneToOne, ChannelPadding)) for part in chain):
        return _one_to_one(chain)
    joined = fused(part.linear() for part in chain)
    chain = [_as_convolution(part) for part in joined if not _keeps_order(part)] or list(joined)
    moving = [part for part in chain if not isinstance(part, Reshape)]
    carriers = [k for k, part in enumerate(moving) if part.weighted]
    carrier = carriers[0] if carriers else len(moving) - 1
    before, carried, after = _poolings(moving[:carrier]), moving[carrier], _poolings(moving[carrier + 1 :])
    if len(carriers) > 1 or before is None or after is None:
        return None
    if isinstance(carried, Dense):
        return None if after else _dense(chain, before)
    if any(isinstance(part, Reshape) and part.input_shape != part.output_shape for part in chain):
        return None
    if isinstance(carried, AveragePooling):
        carried = carried.window
    if not isinstance(carried, (Convolution, TransposedConvolution)):
        return None
    output_shape = after[-1].output_shape if after else carried.output_shape
    return _composed(
        before, carried.kernel, carried.taps, after, carried.input_shape, output_shape, carried.groups
    )  # fmt: skip


def _keeps_order(part: Connectivity) -> bool:
    """Whether a part only names places otherwise: neurons lie channels last, in whatever rows and columns."""
    return isinstance(part, Reshape) and part.input_shape[0] == part.output_shape[0]


def _one_to_one(chain: Sequence[Connectivity]) -> OneToOneKernel:
    pre, post = channels_last(chain[0].input_shape), channels_last(chain[-1].output_shape)
    weights, reached = np.ones(len(pre)), np.arange(len(pre))
    for part in chain:
        _, targets, factors = part.edges()
        weights, reached = weights * factors[reached], targets[reached]
    place = np.empty(len(post), dtype=np.int32)
    place[post] = np.arange(len(post))
    return OneToOneKernel(weights[pre], place[reached[pre]])


def _as_convolution(part: Connectivity) -> Connectivity:
    """Return a gain of each channel of an image as a convolution of each channel."""
    if not isinstance(part, OneToOne) or len(part.shape) != 3:
        return part
    if not channelwise(np.asarray(part.weight), part.shape):
        return part
    n_channels = part.shape[0]
    weight = by_channel(part.weight, part.shape).reshape(-1, 1, 1, 1)
    return Convolution(weight, np.zeros(n_channels), part.shape, groups=n_channels)


def _poolings(chain: Sequence[Connectivity]) -> list[AveragePooling] | None:
    """Return a chain of average pooling with one weight each, or None if it is not such a chain."""
    poolings = [part for part in chain if isinstance(part, AveragePooling) and part.is_uniform]
    return poolings if len(poolings) == len(chain) else None


def _dense(chain: Sequence[Connectivity], poolings: Sequence[AveragePooling]) -> SharedKernel | None:
    """Dense weights behind an image: a kernel as large as the image, in which every input meets one position."""
    index = next(k for k, part in enumerate(chain) if isinstance(part, Dense))
    flattening = chain[len(poolings) : index]
    if not all(isinstance(part, Reshape) for part in flattening):
        return None
    dense = chain[index]
    assert isinstance(dense, Dense)
    image = chain[len(poolings)].input_shape
    image = image_shape(image)
    n_post = len(dense.weight)
    weights = dense.weight[channels_last(chain[-1].output_shape)].reshape(n_post, *image).transpose(2, 1, 3, 0)
    whole = [np.stack([np.arange(n), np.zeros(n, dtype=int), np.arange(n)]) for n in image[1:]]
    return _composed(poolings, weights, whole, (), image, (n_post, 1, 1), 1)


def _composed(
    before: Sequence[AveragePooling],
    weights: np.ndarray,
    taps: Sequence[np.ndarray],
    after: Sequence[AveragePooling],
    image: Shape,
    output_shape: Shape,
    groups: int,
) -> SharedKernel:
    """Compose the taps of both axes with those of the poolings, and order the kernel so that runs are long."""
    input_shape = before[0].input_shape if before else image
    factor = float(np.prod([np.ravel(pooling.weight)[0] for pooling in (*before, *after)]))
    runs = []
    for axis, kernel_axis in ((0, 0), (1, 2)):
        through = [pooling.window.taps[axis] for pooling in before]
        beyond = [pooling.window.taps[axis] for pooling in after]
        selection, axis_runs = _axis(
            through, taps[axis], beyond, weights.shape[kernel_axis], input_shape[1 + axis], merge=axis == 1
        )
        weights = np.moveaxis(np.tensordot(selection, weights, axes=(1, kernel_axis)), 0, kernel_axis)
        runs.append(axis_runs)
    return SharedKernel(np.ascontiguousarray(weights * factor), input_shape, output_shape, groups, *runs)


def _axis(
    before: Sequence[np.ndarray],
    taps: np.ndarray,
    after: Sequence[np.ndarray],
    n_kernel: int,
    n_inputs: int,
    merge: bool,
) -> tuple[np.ndarray, Runs]:
    """Compose taps along one axis.

    Returns
    -------
    selection : array, shape (n_composed, n_kernel)
        Which kernel positions each position of the composed kernel adds up: several where windows overlap.
    runs : Runs
        Over the composed kernel.
    """
    position = np.arange(n_inputs)
    start = np.stack([position, position])  # input, intermediate position
    for pooling in before:
        start = _joined(start, pooling[2], pooling[1:2])
    composed = _joined(start, taps[2], taps[[1, 0]])  # input, output, kernel
    for pooling in after:
        wide = _joined(composed[[0, 2, 1]], pooling[2], pooling[1:2])  # input, kernel, output
        composed = wide[[0, 2, 1]]
    pairs, inverse = np.unique(composed[:2], axis=1, return_inverse=True)
    counts = np.zeros((pairs.shape[1], n_kernel))
    np.add.at(counts, (inverse.ravel(), composed[2]), 1.0)
    selection, kernel = np.unique(-counts, axis=0, return_inverse=True)  # the order of the kernel where it is simple
    order = _longest_runs(pairs, kernel.ravel(), len(selection))
    place = np.argsort(order)
    return -selection[order], _runs(pairs, place[kernel.ravel()], n_inputs, merge)


def _joined(left: np.ndarray, key: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Join rows of `left` with `columns` where the last row of `left` equals `key`; that row is replaced."""
    a, b = np.nonzero(left[-1][:, None] == key[None])
    return np.concatenate([left[:-1, a], columns[:, b]])


def _longest_runs(pairs: np.ndarray, kernel: np.ndarray, n_kernel: int) -> np.ndarray:
    """Order kernel positions so that successive outputs of an input use successive positions."""
    together = (pairs[0, :-1] == pairs[0, 1:]) & (pairs[1, :-1] + 1 == pairs[1, 1:])
    following: dict[int, int] = {}
    for a, b in zip(kernel[:-1][together].tolist(), kernel[1:][together].tolist(), strict=True):
        if a != b:
            following.setdefault(a, b)
    order: list[int] = []
    heads = [k for k in range(n_kernel) if k not in following.values()]
    for head in (*heads, *range(n_kernel)):
        k: int | None = head
        while k is not None and k not in order:
            order.append(k)
            k = following.get(k)
    return np.array(order, dtype=int)


def _runs(pairs: np.ndarray, kernel: np.ndarray, n_inputs: int, merge: bool) -> Runs:
    """Cut (input, output) pairs, sorted, into runs."""
    new = np.ones(pairs.shape[1], dtype=bool)
    if merge:
        new[1:] = (np.diff(pairs[0]) != 0) | (np.diff(pairs[1]) != 1) | (np.diff(kernel) != 1)
    first = np.flatnonzero(new)
    length = np.diff(np.append(first, pairs.shape[1]))
    start = np.searchsorted(pairs[0, first], np.arange(n_inputs + 1))
    return Runs(*(a.astype(np.int32) for a in (start, kernel[first], pairs[1, first], length)))
