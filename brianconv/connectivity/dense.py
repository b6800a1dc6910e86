"""Dense connectivity: every neuron reaches every neuron, as in torch's Linear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from brianconv.connectivity.base import (
    Converter,
    Edges,
    Shape,
    TracedTensor,
    Walk,
    Weighted,
    check_bias,
    check_weight,
    chosen,
    gathered,
    weight_array,
)
from brianconv.connectivity.fan_out import FanOut
from brianconv.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Dense(Weighted):
    """Fully connected: y = weight x + bias.

    Attributes
    ----------
    weight : array, shape (n_post, n_pre)
    bias : array, shape (n_post,)

    Examples
    --------
    >>> dense = Dense(np.array([[1.0, 2.0]]), np.zeros(1))
    >>> dense.input_shape, dense.output_shape, dense.n_edges
    ((2,), (1,), 2)
    """

    weight: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        check_weight(self.weight, "n_post, n_pre")
        check_bias(self.bias, len(self.weight))

    @property
    def input_shape(self) -> Shape:
        return (self.weight.shape[1],)

    @property
    def output_shape(self) -> Shape:
        return (self.weight.shape[0],)

    @property
    def n_edges(self) -> int:
        return self.weight.size

    def apply(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight.T + self.bias

    def edges(self) -> Edges:
        n_post, n_pre = self.weight.shape
        i = np.tile(np.arange(n_pre, dtype=np.int32), n_post)
        j = np.repeat(np.arange(n_post, dtype=np.int32), n_pre)
        return i, j, self.weight.ravel()

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> Dense:
        """Return the map between activations divided by their scales, each one number or one per neuron."""
        post = np.broadcast_to(np.ravel(output_scale), self.output_shape)
        pre = np.broadcast_to(np.ravel(input_scale), self.input_shape)
        weight = self.weight if np.all(pre == 1) else self.weight * pre  # large: a copy takes long
        weight = weight if np.all(post == 1) else weight / post[:, None]
        return replace(self, weight=weight, bias=self.bias / post)

    def _times(self, gain: np.ndarray) -> Dense:
        return replace(self, weight=self.weight * gain[:, None])

    def accepts_scale(self, scale: np.ndarray) -> bool:
        """Return True: each weight has its own pair of neurons."""
        return True

    def on_channels(self, channels: slice, input_shape: Shape) -> Dense:
        """Return the map for some features of its input, all others being zero."""
        return replace(self, weight=self.weight[:, channels])

    def from_channels(self, channels: np.ndarray, input_shape: Shape) -> Dense:
        """Return the map for a larger input from which it takes chosen features (-1: zero)."""
        weight = gathered(self.weight, 1, channels, input_shape[0])
        return replace(self, weight=weight)

    def to_channels(self, channels: np.ndarray) -> Dense:
        """Return the map to chosen features of its output (-1: zero)."""
        return replace(self, weight=chosen(self.weight, 0, channels), bias=chosen(self.bias, 0, channels))

    def fan_out(self) -> FanOut:
        """Return a fan-out in which every neuron reaches every neuron."""
        return FanOut.whole(self.input_shape, self.output_shape)

    def torch_function(self) -> Any:
        """Return ``functional.linear``."""
        from torch.nn import functional

        return functional.linear


def convert_linear(walk: Walk, x: TracedTensor, weight: Any, bias: Any = None, *, path: str = "") -> Any:
    """Convert ``functional.linear``."""
    weight = weight_array(weight, path)
    if x.shape != (weight.shape[1],):
        raise ShapeError(f"expects {weight.shape[1]} input features, got an input of shape {x.shape}")
    return x.then(Dense(weight, weight_array(bias, path, len(weight))), path)


MODULES: dict[str, Converter] = {
    "Linear": lambda walk, x, module, path: convert_linear(walk, x, module.weight, module.bias, path=path)
}
FUNCTIONS: dict[str, Converter] = {"linear": convert_linear}
