"""A range of channels: where the parts of a concatenation lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brianconv.conversion.geometry import Edges, Shape
from brianconv.errors import ShapeError


@dataclass(frozen=True)
class Placement:
    """Some channels among more: the input is copied to a range of channels, the others are zero.

    Attributes
    ----------
    input_shape : (channels, ...)
    n_channels : int
        Channels of the output.
    first : int
        Channel of the output that is the input's first one.
    """

    input_shape: Shape
    n_channels: int
    first: int

    weighted = False

    def __post_init__(self) -> None:
        if self.first < 0 or self.first + self.input_shape[0] > self.n_channels:
            raise ShapeError(f"{self.input_shape[0]} channels from {self.first} on do not fit {self.n_channels}")

    @property
    def output_shape(self) -> Shape:
        return (self.n_channels, *self.input_shape[1:])

    @property
    def range(self) -> slice:
        """The channels of the output that are copied."""
        return slice(self.first, self.first + self.input_shape[0])

    @property
    def n_edges(self) -> int:
        return int(np.prod(self.input_shape))

    def apply(self, x: np.ndarray) -> np.ndarray:
        y = np.zeros((len(x), *self.output_shape), dtype=x.dtype)
        y[:, self.range] = x
        return y

    def edges(self) -> Edges:
        i = np.arange(self.n_edges, dtype=np.int32)
        return i, i + np.int32(self.first * np.prod(self.input_shape[1:], dtype=int)), np.ones(self.n_edges)

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Placement:
        raise ShapeError("a range of channels carries no weights and cannot be scaled")

    def scale_through(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the input as a scale of the output, one where there is nothing."""
        if scale.size == 1:
            return scale
        placed = np.ones((self.n_channels, *scale.shape[1:]))
        placed[self.range] = scale
        return placed

    def scale_back(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the output as a scale of the input."""
        return scale if scale.size == 1 else scale[self.range]
