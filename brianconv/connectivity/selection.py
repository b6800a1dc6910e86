"""A fixed rearrangement: every output is one of the inputs, or 0.

Slices, permuted axes, channel shuffles, pixel shuffles, nearest upsampling, reflection and replication padding, and the
parts of a stack or of a concatenation along rows or columns are of this kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from brianconv.connectivity.base import Connectivity, Converter, Edges, Shape
from brianconv.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Selection(Connectivity):
    """Every output is one of the inputs, or 0.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
    index : array of int, shape (n_outputs,)
        The flat index of the input that an output takes, in torch's order; -1 where it is 0.

    Examples
    --------
    >>> mirrored = Selection((1, 1, 3), (1, 1, 3), np.array([2, 1, 0]))
    >>> mirrored.apply(np.array([[[[1.0, 2.0, 3.0]]]])).ravel().tolist()
    [3.0, 2.0, 1.0]
    """

    takes_scales = False

    input_shape: Shape
    output_shape: Shape
    index: np.ndarray

    def __post_init__(self) -> None:
        n_inputs, index = math.prod(self.input_shape), np.asarray(self.index)
        if index.shape != (math.prod(self.output_shape),) or index.dtype.kind not in "iu":
            raise ShapeError(f"the index has shape {index.shape} for an output of shape {self.output_shape}")
        if index.size and not (index.min() >= -1 and index.max() < n_inputs):
            raise ShapeError(f"the index lies in [{index.min()}, {index.max()}], for {n_inputs} inputs")
        object.__setattr__(self, "index", index.astype(np.int32))

    @classmethod
    def of_channels(cls, input_shape: Shape, channels: np.ndarray) -> Selection:
        """Return the map that takes whole channels (or features); -1 for one that is 0."""
        size = math.prod(input_shape[1:])
        places = np.asarray(channels)[:, None] * size + np.arange(size)
        index = np.where(np.asarray(channels)[:, None] < 0, -1, places)
        return cls(input_shape, (len(channels), *input_shape[1:]), index.ravel())

    @cached_property
    def channels(self) -> np.ndarray | None:
        """The input channel that each output channel copies; None if one takes less or more than that."""
        if self.input_shape[1:] != self.output_shape[1:]:
            return None
        size = math.prod(self.input_shape[1:])
        by_channel = self.index.reshape(-1, size)
        channels = np.where(by_channel[:, 0] < 0, -1, by_channel[:, 0] // size)
        expected = Selection.of_channels(self.input_shape, channels).index
        return channels if np.array_equal(expected, self.index) else None

    @property
    def is_identity(self) -> bool:
        """Whether nothing is changed at all."""
        return self.input_shape == self.output_shape and np.array_equal(self.index, np.arange(len(self.index)))

    @property
    def n_edges(self) -> int:
        return int(np.count_nonzero(self.index >= 0))

    def apply(self, x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1)
        taken = np.where(self.index < 0, np.zeros((), dtype=x.dtype), flat[:, self.index])
        return taken.reshape(len(x), *self.output_shape)

    def edges(self) -> Edges:
        (post,) = np.nonzero(self.index >= 0)
        return self.index[post], post.astype(np.int32), np.ones(len(post))

    def then(self, following: Selection) -> Selection:
        """Return this map combined with one that follows it."""
        index = np.where(following.index < 0, -1, self.index[following.index])
        return Selection(self.input_shape, following.output_shape, index)

    def with_shapes(self, input_shape: Shape, output_shape: Shape) -> Selection:
        """Return the same map between the same numbers of neurons in other shapes."""
        return Selection(input_shape, output_shape, self.index)

    def scale_through(self, scale: np.ndarray) -> np.ndarray:
        """Return a scale of the input as a scale of the output, one where there is nothing."""
        if scale.size == 1:
            return scale
        full = np.broadcast_to(scale, self.input_shape).ravel()
        taken = np.where(self.index < 0, 1.0, full[self.index]).reshape(self.output_shape)
        if self.channels is not None and scale.shape[1:] == (1,) * (len(self.input_shape) - 1):
            return taken[(slice(None), *[slice(0, 1)] * (len(self.output_shape) - 1))]
        return taken

    def scale_back(self, scale: np.ndarray) -> np.ndarray | None:
        """Return a scale of the output as one of the input; None if an input goes where scales differ."""
        if scale.size == 1:
            return scale
        wanted = np.broadcast_to(scale, self.output_shape).ravel()
        (post,) = np.nonzero(self.index >= 0)
        found = np.ones(math.prod(self.input_shape))
        found[self.index[post]] = wanted[post]
        if not np.array_equal(found[self.index[post]], wanted[post]):
            return None
        found = found.reshape(self.input_shape)
        if self.channels is not None and scale.shape[1:] == (1,) * (len(self.output_shape) - 1):
            return found[(slice(None), *[slice(0, 1)] * (len(self.input_shape) - 1))]
        return found

    def torch_function(self) -> Any:
        """Return the chosen values of a batch."""
        import torch

        shape, nothing = self.output_shape, torch.from_numpy(self.index < 0)
        index = torch.from_numpy(np.maximum(self.index, 0).astype(np.int64))

        def select(x: Any, w: Any = None, b: Any = None) -> Any:
            taken = x.reshape(len(x), -1)[:, index.to(x.device)]
            return taken.masked_fill(nothing.to(x.device), 0.0).reshape(len(x), *shape)

        return select

    def n_multiplications(self, padding: bool) -> int:
        """Return 0."""
        return 0


# what becomes a selection is found in conversion/rearrangements.py
MODULES: dict[str, Converter] = {}
FUNCTIONS: dict[str, Converter] = {}
