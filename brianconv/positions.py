"""Names of neurons: a position (channel, row, column), and the two flat orders in which arrays hold them.

A position is how a user names a neuron and how results name it. *Torch's index* counts channel by channel, as
``tensor.flatten()`` does; the *group's index* counts place by place (channels last), as Brian2's groups are laid out.
For a layer of features, (feature,) or the number itself, both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brianconv.errors import ParameterError

Position = tuple[int, ...]


def torch_index(shape: Position, position: Position | int) -> int:
    """Return the index of a neuron in torch's flat order.

    Parameters
    ----------
    shape : tuple of int
        Of the layer: (channels, rows, columns), or (features,).
    position : tuple of int
        (channel, row, column), or (feature,) or the feature itself.

    Raises
    ------
    ParameterError
        If there is no neuron at that position.

    Examples
    --------
    >>> torch_index((2, 4, 4), (1, 0, 3))
    19
    """
    return int(np.ravel_multi_index(checked_position(shape, position), shape))


def group_index(shape: Position, position: Position | int) -> int:
    """Return the index of a neuron in its Brian2 group, for monitors and state variables; see `torch_index`.

    Examples
    --------
    >>> group_index((2, 4, 4), (1, 0, 3))
    7
    """
    first, *rest = checked_position(shape, position)
    return int(np.ravel_multi_index((*rest, first), (*shape[1:], shape[0])))


def position_of_torch_index(shape: Position, index: int) -> Position:
    """Return the position of a neuron from its index in torch's flat order.

    Examples
    --------
    >>> position_of_torch_index((2, 4, 4), 19)
    (1, 0, 3)
    """
    return tuple(int(n) for n in np.unravel_index(_checked_index(shape, index), shape))


def position_of_group_index(shape: Position, index: int) -> Position:
    """Return the position of a neuron from its index in its Brian2 group.

    Examples
    --------
    >>> position_of_group_index((2, 4, 4), 7)
    (1, 0, 3)
    """
    *rest, last = (int(n) for n in np.unravel_index(_checked_index(shape, index), (*shape[1:], shape[0])))
    return (last, *rest)


def checked_position(shape: Position, position: Any, layer: str = "") -> Position:
    """Return a position as a tuple; raise ParameterError unless it names one neuron of a layer of that shape."""
    where = f" of {layer!r}" if layer else ""
    if isinstance(position, (int, np.integer)) and not isinstance(position, bool):
        if len(shape) > 1:
            raise ParameterError(
                f"neuron {position}{where} could be one of two, as groups and torch count in different orders: name it "
                f"by its position, (channel, row, column) below {shape}; position_of_torch_index and "
                "position_of_group_index of brianconv return it"
            )
        position = (position,)
    proper = isinstance(position, (tuple, list, np.ndarray)) and len(position) == len(shape)
    pairs = zip(position, shape, strict=True) if proper else ()
    if not proper or not all(isinstance(n, (int, np.integer)) and 0 <= n < size for n, size in pairs):
        axes = "(channel, row, column)" if len(shape) == 3 else "(feature,)" if len(shape) == 1 else "a tuple"
        raise ParameterError(f"there is no neuron {position!r}{where}; a position is {axes}, each below {shape}")
    return tuple(int(n) for n in position)


def checked_positions(shape: Position, positions: Any, layer: str) -> list[Position]:
    """Return some positions of a layer, each as a tuple; raise ParameterError unless there are any and all exist."""
    if not isinstance(positions, (Sequence, np.ndarray)) or isinstance(positions, str) or len(positions) == 0:
        raise ParameterError(f"neurons of {layer!r} are a list of positions such as [(0, 2, 3)], got {positions!r}")
    return [checked_position(shape, position, layer) for position in positions]


def _checked_index(shape: Position, index: int) -> int:
    n_neurons = int(np.prod(shape))
    if not isinstance(index, (int, np.integer)) or not 0 <= index < n_neurons:
        raise ParameterError(
            f"index {index!r} is not that of a neuron: a layer of shape {shape} has 0 to {n_neurons - 1}"
        )
    return int(index)
