"""A connection between two layers: a chain of connectivities, such as pooling, flattening and a dense layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from scipy import sparse

from brianconv.connectivity.base import Connectivity, Edges, Shape, channels_last
from brianconv.connectivity.fan_out import FanOut
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.errors import MemoryLimitError, ShapeError

MOST_PRODUCTS = 1_000_000_000  # of entries of sparse matrices: about half a minute


@dataclass(frozen=True, eq=False)
class Connection:
    """The affine map from one layer to another, as a chain of connectivities.

    Attributes
    ----------
    source : str
        Name of the presynaptic layer.
    chain : tuple of Connectivity
        Applied from left to right.
    """

    source: str
    chain: tuple[Connectivity, ...]

    def __post_init__(self) -> None:
        for first, second in zip(self.chain, self.chain[1:], strict=False):
            if first.output_shape != second.input_shape:
                raise ShapeError(f"output {first.output_shape} does not fit the next input {second.input_shape}")

    @property
    def input_shape(self) -> Shape:
        return self.chain[0].input_shape

    @property
    def output_shape(self) -> Shape:
        return self.chain[-1].output_shape

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Apply the map to activations of shape (n_images, *input_shape)."""
        for connectivity in self.chain:
            x = connectivity.apply(x)
        return x

    @cached_property
    def bias(self) -> np.ndarray:
        """What reaches each postsynaptic neuron when the source is silent, shape `output_shape`."""
        return self.apply(np.zeros((1, *self.input_shape)))[0]

    @cached_property
    def _mixing(self) -> tuple[Connectivity, ...]:
        return tuple(part for part in self.chain if not part.rearranges) or self.chain[:1]

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return int(self.fan_out.sum())

    @property
    def _composed(self) -> sparse.csr_matrix:
        """The chain as one sparse matrix, (n_post, n_pre), in torch's order.

        The imaginary part counts paths: it keeps a synapse whose weights happen to add up to zero.
        """
        self._check_products(self.n_synapses)
        product = _matrix(self._mixing[0])
        for connectivity in self._mixing[1:]:
            matrix = _matrix(connectivity)
            self._check_products(product.getnnz(axis=1) @ matrix.getnnz(axis=0))
            product = matrix.real @ product.real + 1j * (matrix.imag @ product.imag)
        return product.tocsr()

    def edges(self) -> Edges:
        """Return (i, j, w): presynaptic neuron, postsynaptic neuron (both as laid out in populations) and weight."""
        if len(self._mixing) == 1:
            i, j, w = self._mixing[0].edges()
        else:
            matrix = self._composed.tocoo()
            i, j, w = matrix.col, matrix.row, matrix.data.real
        return _place(self.input_shape)[i], _place(self.output_shape)[j], np.ascontiguousarray(w)

    @cached_property
    def fan_out(self) -> np.ndarray:
        """Number of synapses of each presynaptic neuron as laid out in its population, shape (n_pre,)."""
        parts = _joined_fan_out(self._mixing)
        counts = parts[-1].counts if len(parts) == 1 else self._counted(parts)
        return counts[channels_last(self.input_shape)]

    def _counted(self, parts: Sequence[FanOut]) -> np.ndarray:
        """Number of neurons that each input reaches through several parts, between which a reshape mixes the axes."""
        for part in parts:
            self._check_products(part.counts.sum())
        if all(part.counts.max() <= 1 for part in parts[:-1]):  # paths never meet, as after plain pooling
            return reduce(lambda counts, part: part.matrix.T @ counts, reversed(parts[:-1]), parts[-1].counts)
        joined = parts[0].matrix
        for part in parts[1:]:
            self._check_products(joined.getnnz(axis=1) @ part.counts)
            joined = (part.matrix @ joined).tocsr()
            joined.data[:] = 1
        return joined.getnnz(axis=0).astype(np.int64)

    def _check_products(self, count: int) -> None:
        if count > MOST_PRODUCTS:
            kinds = " and ".join(type(part).__name__ for part in self._mixing)
            raise MemoryLimitError(
                f"the connection from {self.source!r}, {self.input_shape}, to a layer of shape {self.output_shape} "
                f"consists of {kinds}, and listing its synapses takes {count:,} products; at most {MOST_PRODUCTS:,} "
                "are computed: put a ReLU between them, which makes each a layer of its own, or take a smaller network"
            )

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Connection:
        """Return the connection between activations that are divided by their scales.

        A scale is one number, or an array that broadcasts against the shape of its layer. The first weighted part
        takes the input's scale, the last one the output's; where one scale per channel has become one per neuron (a
        reshape in front of a convolution), one-to-one weights take it.
        """
        one, chain = np.ones(()), list(self.chain)
        first, last = self._carriers
        before, after = _ahead(chain[:first], input_scale), _back(chain[last + 1 :], output_scale)
        if before is None or not chain[first].accepts_scale(before):
            chain.insert(0, OneToOne(input_scale, self.input_shape))
            last += 1
        else:
            chain[first] = chain[first].scaled(before, one)
        # biases between the carriers are in units of the unscaled activations, and the last carrier divides them
        if after is None or not chain[last].accepts_scale(after):
            chain.append(OneToOne(1 / output_scale, self.output_shape))
        else:
            chain[last] = chain[last].scaled(one, after)
        return replace(self, chain=tuple(chain))

    @property
    def _carriers(self) -> tuple[int, int]:
        """Places of the connectivities that take the scales of the input and of the output."""
        weighted = [k for k, part in enumerate(self.chain) if part.weighted]
        free = [k for k, part in enumerate(self.chain) if part.takes_scales]
        return (weighted[0], weighted[-1]) if weighted else (free[-1], free[-1])


def _ahead(chain: Sequence[Connectivity], scale: np.ndarray) -> np.ndarray | None:
    """Return a scale of a chain's input as one of its output, or None if pooling mixes neurons that differ in it."""
    passed: np.ndarray | None = scale
    for part in chain:
        passed = None if passed is None else part.scale_through(passed)
    return passed


def _back(chain: Sequence[Connectivity], scale: np.ndarray) -> np.ndarray | None:
    """Return a scale of a chain's output as one of its input, or None if pooling mixes neurons that differ in it."""
    passed: np.ndarray | None = scale
    for part in reversed(chain):
        passed = None if passed is None else part.scale_back(passed)
    return passed


def _place(shape: Shape) -> np.ndarray:
    """Index in the population of each flat (channel, row, column) index."""
    place = np.empty(int(np.prod(shape)), dtype=np.int32)
    place[channels_last(shape)] = np.arange(place.size, dtype=np.int32)
    return place


def _matrix(connectivity: Connectivity) -> sparse.csr_matrix:
    """A connectivity as a sparse matrix whose imaginary part is one wherever there is an edge."""
    i, j, w = connectivity.edges()
    size = (int(np.prod(connectivity.output_shape)), int(np.prod(connectivity.input_shape)))
    return sparse.csr_matrix((w + 1j, (j, i)), shape=size)


def _joined_fan_out(chain: Sequence[Connectivity]) -> list[FanOut]:
    """Return the fan-out of a chain, in as few parts as possible, one after the other.

    There is one part, unless rows, columns and channels are mixed by a reshape between parts that are not dense.
    """
    parts: list[FanOut] = []
    for connectivity in chain:
        if connectivity.rearranges and len(chain) > 1:
            continue
        parts.append(connectivity.fan_out())
        while len(parts) > 1 and (joined := parts[-2].then(parts[-1])) is not None:
            parts[-2:] = [joined]
    return parts
