"""The layer graph: a trained network as NumPy arrays, without torch.

A *layer* is what becomes a population of neurons: an affine map followed by a rectification, or the output. What lies
between two layers (pooling, flattening, one or more weight matrices) is a *connection*: a chain of geometries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from scipy import sparse

from brianconv.conversion.channels import Placement
from brianconv.conversion.geometry import (
    Dense,
    Edges,
    Geometry,
    MaxPooling,
    OneToOne,
    Reshape,
    Shape,
    channels_last,
)
from brianconv.conversion.paths import Paths, paths
from brianconv.errors import DataError, MemoryLimitError, ShapeError, UnknownLayerError

INPUT = "input"
BATCH = 64
MOST_PRODUCTS = 1_000_000_000  # of entries of sparse matrices: about half a minute


@dataclass(frozen=True, eq=False)
class Connection:
    """The affine map from one layer to another, as a chain of geometries.

    Attributes
    ----------
    source : str
        Name of the presynaptic layer.
    chain : tuple of Geometry
        Applied from left to right.
    """

    source: str
    chain: tuple[Geometry, ...]

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
        for geometry in self.chain:
            x = geometry.apply(x)
        return x

    @cached_property
    def bias(self) -> np.ndarray:
        """What reaches each postsynaptic neuron when the source is silent, shape `output_shape`."""
        return self.apply(np.zeros((1, *self.input_shape)))[0]

    @cached_property
    def _mixing(self) -> tuple[Geometry, ...]:
        return tuple(geometry for geometry in self.chain if not isinstance(geometry, Reshape)) or self.chain[:1]

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
        for geometry in self._mixing[1:]:
            matrix = _matrix(geometry)
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
        parts = paths(self._mixing)
        counts = parts[-1].fan_out if len(parts) == 1 else self._counted(parts)
        return counts[channels_last(self.input_shape)]

    def _counted(self, parts: Sequence[Paths]) -> np.ndarray:
        """Number of neurons that each input reaches through several parts, between which a reshape mixes the axes."""
        for part in parts:
            self._check_products(part.fan_out.sum())
        if all(part.fan_out.max() <= 1 for part in parts[:-1]):  # paths never meet, as after plain pooling
            return reduce(lambda counts, part: part.matrix.T @ counts, reversed(parts[:-1]), parts[-1].fan_out)
        joined = parts[0].matrix
        for part in parts[1:]:
            self._check_products(joined.getnnz(axis=1) @ part.fan_out)
            joined = (part.matrix @ joined).tocsr()
            joined.data[:] = 1
        return joined.getnnz(axis=0).astype(np.int64)

    def _check_products(self, count: int) -> None:
        if count > MOST_PRODUCTS:
            kinds = " and ".join(type(geometry).__name__ for geometry in self._mixing)
            raise MemoryLimitError(
                f"the connection from {self.source!r}, {self.input_shape}, to a layer of shape {self.output_shape} "
                f"consists of {kinds}, and to list its synapses takes {count:,} products; at most {MOST_PRODUCTS:,} "
                "are computed: put a ReLU between them, which makes each a layer of its own, or take a smaller network"
            )

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Connection:
        """Return the connection between activations that are divided by their scales.

        A scale is one number, or an array that broadcasts against the shape of its layer. The first weighted geometry
        takes the input's scale, the last one the output's; where one scale a channel has become one a neuron (a
        reshape in front of a convolution), one-to-one weights take it.
        """
        one, chain = np.ones(()), list(self.chain)
        first, last = self._carriers
        before, after = _ahead(chain[:first], input_scale), _back(chain[last + 1 :], output_scale)
        if before is None or not _takes(chain[first], before):
            chain.insert(0, OneToOne(input_scale, self.input_shape))
            last += 1
        else:
            chain[first] = chain[first].scaled(before, one)
        # biases between the carriers are in units of the unscaled activations, and the last carrier divides them
        if after is None or not _takes(chain[last], after):
            chain.append(OneToOne(1 / output_scale, self.output_shape))
        else:
            chain[last] = chain[last].scaled(one, after)
        return replace(self, chain=tuple(chain))

    @property
    def _carriers(self) -> tuple[int, int]:
        """Places of the geometries that take the scales of the input and of the output."""
        weighted = [k for k, geometry in enumerate(self.chain) if geometry.weighted]
        free = [k for k, geometry in enumerate(self.chain) if not isinstance(geometry, (Reshape, Placement))]
        return (weighted[0], weighted[-1]) if weighted else (free[-1], free[-1])


def _ahead(chain: Sequence[Geometry], scale: np.ndarray) -> np.ndarray | None:
    """Return a scale of a chain's input as one of its output, or None if pooling mixes neurons that differ in it."""
    for geometry in chain:
        if isinstance(geometry, (Reshape, Placement)):
            scale = geometry.scale_through(scale)
        elif not _takes(geometry, scale):
            return None
    return scale


def _back(chain: Sequence[Geometry], scale: np.ndarray) -> np.ndarray | None:
    """Return a scale of a chain's output as one of its input, or None if pooling mixes neurons that differ in it."""
    for geometry in reversed(chain):
        if isinstance(geometry, (Reshape, Placement)):
            scale = geometry.scale_back(scale)
        elif not _takes(geometry, scale):
            return None
    return scale


def _takes(geometry: Geometry, scale: np.ndarray) -> bool:
    """Whether a geometry can be scaled so: convolutions and pooling take one number, or one a channel."""
    return isinstance(geometry, (Dense, OneToOne)) or scale.size == 1 or scale.shape[1:] == (1, 1)


def _place(shape: Shape) -> np.ndarray:
    """Index in the population of each flat (channel, row, column) index."""
    place = np.empty(int(np.prod(shape)), dtype=np.int32)
    place[channels_last(shape)] = np.arange(place.size, dtype=np.int32)
    return place


def _matrix(geometry: Geometry) -> sparse.csr_matrix:
    """The geometry as a sparse matrix whose imaginary part is one wherever there is an edge."""
    i, j, w = geometry.edges()
    size = (int(np.prod(geometry.output_shape)), int(np.prod(geometry.input_shape)))
    return sparse.csr_matrix((w + 1j, (j, i)), shape=size)


@dataclass(frozen=True, eq=False)
class Layer:
    """A population to be: the sum of its connections, rectified unless it is the output.

    Attributes
    ----------
    name : str
        A Python identifier made from the module path, e.g. ``features_0``.
    connections : tuple of Connection
    rectified : bool
        Whether a ReLU follows.
    modules : tuple of str
        Paths of the torch modules that went into it.
    """

    name: str
    connections: tuple[Connection, ...]
    rectified: bool
    modules: tuple[str, ...]

    @property
    def shape(self) -> Shape:
        return self.connections[0].output_shape

    @property
    def n_neurons(self) -> int:
        return int(np.prod(self.shape))

    @property
    def is_pooling(self) -> bool:
        """Whether the layer passes on the largest value of each window (maximum pooling)."""
        return isinstance(self.connections[0].chain[-1], MaxPooling)

    @property
    def bias(self) -> np.ndarray:
        return np.sum([connection.bias for connection in self.connections], axis=0)


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """A trained network in NumPy.

    Attributes
    ----------
    input_shape : tuple of int
    layers : tuple of Layer
        In the order in which they are evaluated; the last one is the output.
    notes : tuple of str
        What of the torch network was left out.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise DataError("the network has no layer with weights: there is nothing to convert")
        shapes = {INPUT: self.input_shape}
        for layer in self.layers:
            for connection in layer.connections:
                _check_connection(layer, connection, shapes)
            shapes[layer.name] = layer.shape

    @property
    def output(self) -> Layer:
        return self.layers[-1]

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every population by name, the input first."""
        return {INPUT: self.input_shape} | {layer.name: layer.shape for layer in self.layers}

    @property
    def names(self) -> list[str]:
        return list(self.shapes)

    def layer(self, name: str) -> Layer:
        """Return a layer by name; raise UnknownLayerError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UnknownLayerError(f"there is no layer {name!r}; the layers are {', '.join(self.names[1:])}")

    def targets(self, name: str) -> list[Layer]:
        """Return all layers that take input from a population."""
        return [layer for layer in self.layers if any(c.source == name for c in layer.connections)]

    def outgoing(self, name: str) -> list[Connection]:
        """Return all connections that start at a population."""
        return [c for layer in self.layers for c in layer.connections if c.source == name]

    @property
    def pixel_sources(self) -> list[str]:
        """The input, and every maximum pooling that only passes on what the input sends."""
        names = [INPUT]
        for layer in self.layers:
            if layer.is_pooling and layer.connections[0].source in names:
                names.append(layer.name)
        return names

    @cached_property
    def n_synapses(self) -> int:
        return sum(c.n_synapses for layer in self.layers for c in layer.connections)

    @property
    def n_neurons(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def activations(self, images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """Yield the activations of every population, input included, in batches of images."""
        for start in range(0, len(images), BATCH):
            values = {INPUT: np.asarray(images[start : start + BATCH], dtype=np.float64)}
            for layer in self.layers:
                total = sum(c.apply(values[c.source]) for c in layer.connections)
                values[layer.name] = np.maximum(total, 0.0) if layer.rectified else np.asarray(total)
            yield values

    def forward(self, images: np.ndarray) -> np.ndarray:
        """Return the output for images of shape (n_images, *input_shape), as the torch module would."""
        if images.shape[1:] != self.input_shape:
            raise ShapeError(f"images have shape {images.shape[1:]}, the network takes {self.input_shape}")
        return np.concatenate([values[self.output.name] for values in self.activations(images)])

    def map_connections(self, change: Callable[[Layer, Connection], Connection]) -> LayerGraph:
        """Return a copy in which `change(layer, connection)` replaces every connection."""
        layers = [
            replace(layer, connections=tuple(change(layer, c) for c in layer.connections)) for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))


def _check_connection(layer: Layer, connection: Connection, shapes: Mapping[str, Shape]) -> None:
    if connection.source not in shapes:
        raise ShapeError(f"layer {layer.name!r} takes input from {connection.source!r}, which does not precede it")
    if connection.input_shape != shapes[connection.source]:
        raise ShapeError(
            f"layer {layer.name!r} takes input of shape {connection.input_shape}, "
            f"but {connection.source!r} has shape {shapes[connection.source]}"
        )
    if connection.output_shape != layer.shape:
        raise ShapeError(
            f"the connections of layer {layer.name!r} end in shapes {connection.output_shape} and {layer.shape}"
        )
