"""One-to-one connectivity: every neuron reaches the neuron at its place, with a gain and a shift."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brianconv.connectivity.base import Connectivity, Converter, Edges, Shape, places_fan_out
from brianconv.connectivity.fan_out import FanOut
from brianconv.errors import ShapeError


@dataclass(frozen=True, eq=False)
class OneToOne(Connectivity):
    """Every neuron reaches the neuron at its place: y = weight * x + bias.

    Attributes
    ----------
    weight : array, broadcasts to `shape`
    shape : tuple of int
    bias : array, broadcasts to `shape`
        None for no bias.

    Examples
    --------
    >>> skip = OneToOne(np.full((1, 2, 2), 0.5), (1, 2, 2))
    >>> skip.output_shape, skip.n_edges
    ((1, 2, 2), 4)
    """

    weighted = True

    weight: np.ndarray
    shape: Shape
    bias: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, value in (("weight", self.weight), ("bias", 0.0 if self.bias is None else self.bias)):
            try:
                np.broadcast_to(value, self.shape)
            except ValueError as error:
                raise ShapeError(f"a {name} of shape {np.shape(value)} does not fit the layer {self.shape}") from error

    @property
    def input_shape(self) -> Shape:
        return self.shape

    @property
    def output_shape(self) -> Shape:
        return self.shape

    @property
    def n_edges(self) -> int:
        return int(np.prod(self.shape))

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x * self.weight if self.bias is None else x * self.weight + self.bias

    def edges(self) -> Edges:
        same = np.arange(self.n_edges, dtype=np.int32)
        return same, same, np.broadcast_to(self.weight, self.shape).ravel().astype(np.float64)

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> OneToOne:
        """Return the map between activations divided by their scales, which broadcast to the shape."""
        bias = None if self.bias is None else np.asarray(self.bias / output_scale)
        return replace(self, weight=np.asarray(self.weight * input_scale / output_scale), bias=bias)

    def accepts_scale(self, scale: np.ndarray) -> bool:
        """Return True: each neuron has its own weight."""
        return True

    def linear(self) -> OneToOne:
        """Return the map without its bias."""
        return replace(self, bias=None)

    def fan_out(self) -> FanOut:
        """Return a fan-out in which each neuron reaches the one at its place."""
        return places_fan_out(self, 0)

    def torch_function(self) -> Any:
        """Return the product with the weight."""
        return lambda x, w, b=None: x * w if b is None else x * w + b

    def n_multiplications(self, padding: bool) -> int:
        """Return 0: gains are folded into the weights around them."""
        return 0


# gains and shifts are made by arithmetic and batch normalisation; see conversion/operations.py
MODULES: dict[str, Converter] = {}
FUNCTIONS: dict[str, Converter] = {}
