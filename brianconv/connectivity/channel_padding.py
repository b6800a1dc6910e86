"""Channel padding: a range of channels of a larger tensor, as the parts of a concatenation are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from brianconv.connectivity.base import Connectivity, Converter, Edges, Shape, places_fan_out
from brianconv.connectivity.fan_out import FanOut
from brianconv.errors import ShapeError


@dataclass(frozen=True)
class ChannelPadding(Connectivity):
    """Zero padding along the channels: the input is copied to a range of channels, the others are zero.

    Attributes
    ----------
    input_shape : (channels, ...)
    n_channels : int
        Channels of the output.
    first : int
        Channel of the output that is the input's first one.

    Examples
    --------
    >>> padding = ChannelPadding((2, 4, 4), n_channels=6, first=1)
    >>> padding.output_shape
    (6, 4, 4)
    """

    takes_scales = False

    input_shape: Shape
    n_channels: int
    first: int

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

    def fan_out(self) -> FanOut:
        """Return a fan-out in which each neuron reaches the one at its place in the range."""
        return places_fan_out(self, self.first)

    def torch_function(self) -> Any:
        """Return ``functional.pad`` along the channels."""
        from torch.nn import functional

        first, beyond = self.first, self.n_channels - self.range.stop
        return lambda x, w=None, b=None: functional.pad(x, (*(0,) * (2 * x.ndim - 4), first, beyond))

    def n_multiplications(self, padding: bool) -> int:
        """Return 0."""
        return 0


# concatenation and padding are converted in conversion/operations.py
MODULES: dict[str, Converter] = {}
FUNCTIONS: dict[str, Converter] = {}
