"""The connections of a network as torch operations on whole batches of steps or images.

Weights are converted once. The torch reference of `verify` has an implementation of its own, which tests compare with
this one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from brianconv.connectivity.base import Connectivity
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.errors import ParameterError
from brianconv.graph import Layer
from brianconv.spiking import SpikingNetwork

Map = Callable[[Tensor], Tensor]


def check_unchanged_synapses(spiking: SpikingNetwork) -> None:
    """Raise ParameterError if a user has changed what the spikes of a connection do."""
    for layer in spiking.graph.layers:
        if layer.relays:
            raise ParameterError(f"{layer.name!r} relays spikes: tune the network first, and divide its signs then")
    for name, changed in spiking.synapses.items():
        raise ParameterError(
            f"connection {name!r} has changed synapses ({changed.name}), for which nothing is tuned: tune the network "
            "first, and change its connections then"
        )


class Propagation:
    """Weighted sums that arrive at a layer, without its bias.

    Parameters
    ----------
    layer : Layer
    dtype : torch.dtype
        Of weights and sums.
    """

    def __init__(self, layer: Layer, dtype: torch.dtype) -> None:
        self.chains = {
            connection: [_torch_map(connectivity, dtype) for connectivity in connection.chain]
            for connection in layer.connections
        }

    def values(self, connection: Connection, sent: Tensor) -> Tensor:
        """Return what the values `sent`, shape (n, n_pre), add at the targets of a connection, (n, n_post)."""
        x = sent.reshape(len(sent), *connection.input_shape)
        for apply in self.chains[connection]:
            x = apply(x)
        return x.reshape(len(x), -1)

    def spikes(self, connection: Connection, sent: Tensor) -> Tensor:
        """Return the same for spikes of one image in all its steps, shape (n_steps, n_pre).

        Maximum pooling passes, in each step, the spike of the input that has sent most up to and with this step (Kim
        et al. 2018); the first one in row-major order if there are several.
        """
        x = sent.reshape(len(sent), *connection.input_shape)
        for connectivity, apply in zip(connection.chain, self.chains[connection], strict=True):
            x = _leading(connectivity, x) if isinstance(connectivity, MaxPooling) else apply(x)
        return x.reshape(len(x), -1)


def _leading(pooling: MaxPooling, x: Tensor) -> Tensor:
    """Pass the inputs that lead, shape (n_steps, channels, rows, columns)."""
    x = x.reshape(len(x), *pooling.image_shape)
    sums, leaders = functional.max_pool2d(
        x.cumsum(0), pooling.kernel_size, pooling.stride, pooling.padding, ceil_mode=pooling.ceil_mode,
        return_indices=True,
    )  # fmt: skip
    return x.flatten(2).gather(2, leaders.flatten(2)).reshape(sums.shape)


def _torch_map(connectivity: Connectivity, dtype: torch.dtype) -> Map:
    apply = connectivity.torch_function()
    if not connectivity.weighted:
        return lambda x: apply(x, None, None)
    weight = torch.as_tensor(connectivity.weight, dtype=dtype)  # type: ignore[attr-defined]
    return lambda x: apply(x, weight, None)
