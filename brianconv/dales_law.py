"""Dale's law: networks in which every neuron excites all its targets, or inhibits all of them, with the same spikes.

A trained neuron has weights of both signs. Two neurons that always fire together can share them: one has the positive
weights, the other the negative ones. The sum that arrives anywhere stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from brianconv.connectivity.base import Connectivity
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.errors import ParameterError
from brianconv.graph import INPUT, Layer, LayerGraph

INHIBITORY = "_inhibitory"
WAYS = ("split", "relay")


def with_signs(graph: LayerGraph, way: str) -> LayerGraph:
    """Return a network in which each hidden population sends weights of one sign only.

    Parameters
    ----------
    graph : LayerGraph
    way : {"split", "relay"}
        Every population with weights of both signs gets a second one, ``<name>_inhibitory``: with the same input, or
        driven one to one by the first one, whose spikes it passes on in the same step.

    Raises
    ------
    ParameterError
        If a connection has several parts with negative weights, so that no part of it can be divided, or a name is
        taken.
    """
    needed = [layer.name for layer in graph.layers[:-1] if _inhibits(graph, layer.name)]
    for name in needed:
        if name + INHIBITORY in graph.names:
            raise ParameterError(f"a population is called {name + INHIBITORY!r} already")
    layers: list[Layer] = []
    for layer in graph.layers:
        layers.append(replace(layer, connections=_divided(layer, needed)))
        if layer.name in needed:
            layers.append(_second(layers[-1], way))
    return replace(graph, layers=tuple(layers))


def _inhibits(graph: LayerGraph, name: str) -> bool:
    """Return whether negative weights leave a population; pooling passes on what it receives."""
    return any(
        _is_negative(part)
        for layer in graph.targets(name)
        for connection in layer.connections
        if connection.source == name and not layer.is_pooling
        for part in connection.chain
    )


def _is_negative(part: Connectivity) -> bool:
    weight = getattr(part, "weight", None)
    return part.weighted and weight is not None and bool(np.any(weight < 0))


def _divided(layer: Layer, needed: list[str]) -> tuple[Connection, ...]:
    """Return the connections onto a layer, those of populations with a second one in two parts."""
    found: list[Connection] = []
    for connection in layer.connections:
        if connection.source not in needed or layer.is_pooling:
            found.append(connection)
            continue
        mixed = [k for k, part in enumerate(connection.chain) if _is_negative(part)]
        if len(mixed) > 1:
            kinds = " and ".join(type(connection.chain[k]).__name__ for k in mixed)
            raise ParameterError(
                f"the connection from {connection.source!r} to {layer.name!r} consists of several maps with negative "
                f"weights ({kinds}), which cannot be divided by sign: put a ReLU between them, or merge them"
            )
        if not mixed:
            found.append(connection)
            continue
        (k,) = mixed
        positive, negative = (_part(connection.chain[k], sign) for sign in (1, -1))
        before, after = connection.chain[:k], connection.chain[k + 1 :]
        silent = tuple(part.linear() for part in after)
        found.append(replace(connection, chain=(*before, positive, *after)))
        found.append(Connection(connection.source + INHIBITORY, (*before, negative, *silent)))
    return tuple(found)


def _part(connectivity: Any, sign: int) -> Any:
    """Return a connectivity with its positive weights and its bias, or with its negative weights only."""
    weight = np.maximum(connectivity.weight, 0) if sign > 0 else np.minimum(connectivity.weight, 0)
    part = connectivity if sign > 0 else connectivity.linear()
    return replace(part, weight=weight)


def _second(layer: Layer, way: str) -> Layer:
    name = layer.name + INHIBITORY
    if way == "split":
        return replace(layer, name=name, modules=())
    same = Connection(layer.name, (OneToOne(np.ones(()), layer.shape),))
    return Layer(name, (same,), layer.rectified, (), relays=True)


def first_of(name: str, before: Sequence[str]) -> str:
    """Return the population whose negative weights another one has, or the name itself if it was there before."""
    return name if name in before else name.removesuffix(INHIBITORY)


def signs(graph: LayerGraph) -> dict[str, set[int]]:
    """Return the signs of all weights that leave each population but the input."""
    found: dict[str, set[int]] = {name: set() for name in graph.names if name != INPUT}
    for layer in graph.layers:
        for connection in layer.connections:
            if connection.source != INPUT and not layer.is_pooling:
                found[connection.source] |= set(np.unique(np.sign(connection.edges()[2])).astype(int)) - {0}
    return found
