"""The layer graph: a trained network as NumPy arrays, without torch.

A *layer* is what becomes a population of neurons: an affine map followed by a rectification, or the output. What lies
between two layers (pooling, flattening, one or more weight matrices) is a *connection*: a chain of connectivities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from brianconv.connectivity.base import Shape
from brianconv.connectivity.connection import Connection
from brianconv.errors import DataError, ShapeError, UnknownLayerError

INPUT = "input"
BATCH = 64


@dataclass(frozen=True, eq=False)
class Layer:
    """A future population: the sum of its connections, rectified unless it is the output.

    Attributes
    ----------
    name : str
        A Python identifier made from the module path, e.g. ``features_0``.
    connections : tuple of Connection
    rectified : bool
        Whether a ReLU follows.
    modules : tuple of str
        Paths of the torch modules that went into it.
    ceiling : array, one number or one per channel, or None
        The largest activation, of a clipped ReLU such as ReLU6.
    relays : bool
        Whether its neurons only pass on the spikes of another population, one to one (see dales_law.py).
    """

    name: str
    connections: tuple[Connection, ...]
    rectified: bool
    modules: tuple[str, ...]
    ceiling: np.ndarray | None = None
    relays: bool = False

    @property
    def shape(self) -> Shape:
        return self.connections[0].output_shape

    @property
    def n_neurons(self) -> int:
        return int(np.prod(self.shape))

    def activation(self, total: np.ndarray) -> np.ndarray:
        """Return the activation for the sum of what arrives, shape (n_images, *shape)."""
        positive = np.maximum(total, 0.0) if self.rectified else total
        return positive if self.ceiling is None else np.minimum(positive, self.ceiling)

    @property
    def is_pooling(self) -> bool:
        """Whether the layer passes on the largest value of each window (maximum pooling)."""
        return self.connections[0].chain[-1].gates

    @property
    def passes_on(self) -> bool:
        """Whether the layer has no neurons of its own: it pools, or relays."""
        return self.relays or self.is_pooling

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
        Parts of the torch network that were left out.
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

    def resolve(self, name: str) -> str:
        """Return the name of a population given as here (``stem_conv``) or as in torch (``stem.conv``).

        Raises
        ------
        UnknownLayerError
            If there is none, or several were made of the torch module.
        """
        if isinstance(name, str) and name in self.shapes:
            return name
        made_of = [layer.name for layer in self.layers if name in layer.modules]
        if len(made_of) != 1:
            found = f"there is no layer {name!r}" if not made_of else f"{name!r} became {' and '.join(made_of)}"
            raise UnknownLayerError(f"{found}; the layers are {', '.join(self.names)}")
        return made_of[0]

    def by_population(self, value: Any) -> Any:
        """Return a mapping of names with every name resolved; any other value as it is."""
        return {self.resolve(name): v for name, v in value.items()} if isinstance(value, Mapping) else value

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

    @cached_property
    def depth(self) -> dict[str, int]:
        """Number of layers in front of each population; that of the input is 0."""
        depth = {INPUT: 0}
        for layer in self.layers:
            own = 0 if layer.passes_on else 1  # which passes spikes on at once
            depth[layer.name] = own + max(depth[connection.source] for connection in layer.connections)
        return depth

    def activations(self, images: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """Yield the activations of every population, input included, in batches of images."""
        for start in range(0, len(images), BATCH):
            values = {INPUT: np.asarray(images[start : start + BATCH], dtype=np.float64)}
            for layer in self.layers:
                total = sum(c.apply(values[c.source]) for c in layer.connections)
                values[layer.name] = layer.activation(np.asarray(total))
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


@dataclass(frozen=True, eq=False)
class NormalizedNetwork:
    """A layer graph whose activations are divided by their scales.

    Attributes
    ----------
    graph : LayerGraph
        With scaled weights and biases.
    activation_scale : mapping of str to array
        For each population the number(s) by which its activation was divided; broadcasts against its shape.
    method : str
        How the scales were found, for the reader.
    ann : LayerGraph
        The network before conversion, with activations divided by their scales: `graph` without what was changed for
        spikes afterwards, such as weights of a few bits.
    score_unit : float
        What an output potential of 1 corresponds to in activations of `ann`.
    output_shift : float
        Constant that was added to all outputs, in units of the network before conversion; see `output_shift`.
    """

    graph: LayerGraph
    activation_scale: Mapping[str, np.ndarray]
    method: str
    ann: LayerGraph
    score_unit: float = 1.0
    output_shift: float = 0.0

    @property
    def output_scale(self) -> float:
        """What a normalised output of 1 corresponds to in the units of the network before conversion."""
        return float(np.max(self.activation_scale[self.graph.output.name]))

    def ann_scores(self, images: np.ndarray) -> np.ndarray:
        """Return the output of the network before conversion divided by its scale, (n_images, *output_shape)."""
        return self.ann.forward(images) - self.output_shift / self.output_scale
