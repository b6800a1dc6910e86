"""Reshape: a new shape for the same values, in torch's row-major order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brianconv.connectivity.base import Connectivity, Converter, Edges, Shape, places_fan_out
from brianconv.connectivity.fan_out import FanOut


@dataclass(frozen=True)
class Reshape(Connectivity):
    """A new shape for the same values, in torch's row-major order.

    Examples
    --------
    >>> Reshape((2, 4, 4), (32,)).output_shape
    (32,)
    """

    rearranges = True
    takes_scales = False

    input_shape: Shape
    output_shape: Shape

    @property
    def n_edges(self) -> int:
        return int(np.prod(self.input_shape))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), *self.output_shape)

    def edges(self) -> Edges:
        same = np.arange(self.n_edges, dtype=np.int32)
        return same, same, np.ones(self.n_edges)

    def scale_through(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the input as a scale of the output."""
        if scale.size == 1:
            return scale
        return np.broadcast_to(scale, self.input_shape).reshape(self.output_shape)

    def scale_back(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the output as a scale of the input."""
        return Reshape(self.output_shape, self.input_shape).scale_through(scale)

    def fan_out(self) -> FanOut:
        """Return a fan-out in which each neuron reaches the one with the same flat index."""
        size = (self.n_edges,)
        return places_fan_out(Reshape(size, size), 0)

    def torch_function(self) -> Any:
        """Return the new shape of a batch."""
        shape = self.output_shape
        return lambda x, w=None, b=None: x.reshape(len(x), *shape)

    def n_multiplications(self, padding: bool) -> int:
        """Return 0."""
        return 0


# views, flattening and squeezing are made in conversion/operations.py
MODULES: dict[str, Converter] = {}
FUNCTIONS: dict[str, Converter] = {}
