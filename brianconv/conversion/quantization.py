"""Weights of a few bits, as on neuromorphic chips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from brianconv.connectivity.connection import Connection
from brianconv.errors import ParameterError
from brianconv.graph import LayerGraph


def quantize_weights(graph: LayerGraph, bits: int) -> LayerGraph:
    """Return a graph whose weights are whole multiples of a step, one step per weight matrix; biases are unchanged.

    Parameters
    ----------
    graph : LayerGraph
    bits : int
        2 to 32, sign included: weights become -n .. n steps with n = 2^(bits - 1) - 1, the largest weight n steps.

    Raises
    ------
    ParameterError
        If `bits` is out of range.
    """
    if not isinstance(bits, int) or not 2 <= bits <= 32:
        raise ParameterError(f"weight_bits is {bits!r}; it must be a whole number from 2 to 32, sign included")
    return graph.map_connections(lambda _, connection: _quantized(connection, 2 ** (bits - 1) - 1))


def _quantized(connection: Connection, most: int) -> Connection:
    def rounded(connectivity: Any) -> Any:
        largest = np.abs(connectivity.weight).max() if connectivity.weighted else 0.0
        step = largest / most
        return replace(connectivity, weight=np.rint(connectivity.weight / step) * step) if step else connectivity

    return replace(connection, chain=tuple(rounded(connectivity) for connectivity in connection.chain))
