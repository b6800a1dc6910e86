"""Which neurons a chain of connectivities joins, counted by axis instead of neuron by neuron.

Whether a convolution, a pooling, a gain or a dense layer joins two neurons is decided by their channels, their rows and
their columns independently, and stays so when such maps follow one another: a path exists if there is one along
each axis. Weights play no part; a connection with weight 0 counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import sparse

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Axis:
    """Which positions along an axis are joined. Positions of one class are joined with the same ones.

    Attributes
    ----------
    pre, post : array of int, shape (n_pre,) and (n_post,)
        Class of each presynaptic and postsynaptic position.
    joined : sparse matrix, (n_post_classes, n_pre_classes)
        One where classes are joined.
    """

    pre: np.ndarray
    post: np.ndarray
    joined: sparse.csr_matrix

    @classmethod
    def whole(cls, n_pre: int, n_post: int) -> Axis:
        """Return an axis along which every position is joined with every one."""
        return cls(np.zeros(n_pre, dtype=int), np.zeros(n_post, dtype=int), _ones([0], [0], (1, 1)))

    @classmethod
    def blocks(cls, n_pre: int, n_post: int, n_blocks: int) -> Axis:
        """Return an axis cut into the same number of blocks on both sides, each joined with its counterpart."""
        pre, post = (np.repeat(np.arange(n_blocks), n // n_blocks) for n in (n_pre, n_post))
        return cls(pre, post, sparse.identity(n_blocks, dtype=np.int64, format="csr"))

    @classmethod
    def pairs(cls, pre: np.ndarray, post: np.ndarray, n_pre: int, n_post: int) -> Axis:
        """Return an axis along which pairs of positions are joined."""
        return cls(np.arange(n_pre), np.arange(n_post), _ones(post, pre, (n_post, n_pre)))

    def then(self, following: Axis) -> Axis:
        """Return which positions are joined by this axis and one that follows it."""
        between = _ones(following.pre, self.post, (following.joined.shape[1], self.joined.shape[0]))
        joined = (following.joined @ between @ self.joined).tocsr()
        joined.data[:] = 1
        return Axis(self.pre, following.post, joined)

    @property
    def is_whole(self) -> bool:
        return self.joined.nnz == math.prod(self.joined.shape)

    @property
    def counts(self) -> np.ndarray:
        """Number of postsynaptic positions that each presynaptic position is joined with."""
        return np.asarray(self.joined.T @ np.bincount(self.post, minlength=self.joined.shape[0]))[self.pre]

    @property
    def matrix(self) -> sparse.csr_matrix:
        """One where positions are joined, (n_post, n_pre)."""
        return self.joined[self.post][:, self.pre]


@dataclass(frozen=True, eq=False)
class FanOut:
    """Which neurons are joined: those whose positions are joined along every axis.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
    axes : three of Axis
        Channels, rows and columns.
    """

    input_shape: Shape
    output_shape: Shape
    axes: tuple[Axis, ...]

    @classmethod
    def whole(cls, input_shape: Shape, output_shape: Shape) -> FanOut:
        """Return paths from every neuron to every neuron."""
        lengths = zip(image_shape(input_shape), image_shape(output_shape), strict=True)
        return cls(input_shape, output_shape, tuple(Axis.whole(*pair) for pair in lengths))

    @classmethod
    def of_pairs(cls, input_shape: Shape, output_shape: Shape, pre: np.ndarray, post: np.ndarray) -> FanOut:
        """Return which neurons are joined, from all pairs (flat, in torch's order); by axis if that says the same."""
        before, behind = image_shape(input_shape), image_shape(output_shape)
        places = zip(np.unravel_index(pre, before), np.unravel_index(post, behind), before, behind, strict=True)
        axes = tuple(Axis.pairs(*pair) for pair in places)
        if math.prod(axis.joined.nnz for axis in axes) == len(pre):
            return cls(input_shape, output_shape, axes)
        n_pre, n_post = math.prod(input_shape), math.prod(output_shape)
        one = Axis.whole(1, 1)
        return cls((n_pre,), (n_post,), (Axis.pairs(pre, post, n_pre, n_post), one, one))

    def then(self, following: FanOut) -> FanOut | None:
        """Return these paths and those that follow as one, or None if the axes of both have nothing in common."""
        first, second = self, following
        if image_shape(first.output_shape) != image_shape(second.input_shape):
            if second.is_whole:
                second = FanOut.whole(first.output_shape, second.output_shape)
            elif first.is_whole:
                first = FanOut.whole(first.input_shape, second.input_shape)
            else:
                return None
        axes = tuple(a.then(b) for a, b in zip(first.axes, second.axes, strict=True))
        return FanOut(first.input_shape, second.output_shape, axes)

    @property
    def is_whole(self) -> bool:
        return all(axis.is_whole for axis in self.axes)

    @property
    def counts(self) -> np.ndarray:
        """Number of postsynaptic neurons that each presynaptic neuron reaches, flat in torch's order."""
        return reduce(np.multiply.outer, (axis.counts for axis in self.axes)).ravel()

    @property
    def matrix(self) -> sparse.csr_matrix:
        """One where neurons are joined, (n_post, n_pre), in torch's order."""
        return reduce(sparse.kron, (axis.matrix for axis in self.axes)).tocsr()


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """Return a shape as (channels, rows, columns); the features of a flat layer are channels."""
    channels, rows, *columns = (*shape, 1, 1)
    return channels, rows, math.prod(columns)


def _ones(row: Sequence[int] | np.ndarray, column: Sequence[int] | np.ndarray, shape: Shape) -> sparse.csr_matrix:
    """Return a sparse matrix that is one at some places, each of which may be given more than once."""
    matrix = sparse.csr_matrix((np.ones(len(row), dtype=np.int64), (row, column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
