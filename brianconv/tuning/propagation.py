"""The connections of a network as torch operations on whole batches of steps or images.

Weights are converted once, which `reference.py` does in every step; there the connections stand a second time, so that
one can be tested against the other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from brianconv.conversion.geometry import Convolution, Dense, Geometry, MaxPooling, OneToOne, TransposedConvolution
from brianconv.conversion.graph import Connection, Layer

Map = Callable[[Tensor], Tensor]


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
            connection: [_torch_map(geometry, dtype) for geometry in connection.chain]
            for connection in layer.connections
        }

    def values(self, connection: Connection, sent: Tensor) -> Tensor:
        """Return what the values `sent`, shape (n, n_pre), add at the neurons behind a connection, (n, n_post)."""
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
        for geometry, apply in zip(connection.chain, self.chains[connection], strict=True):
            x = _leading(geometry, x) if isinstance(geometry, MaxPooling) else apply(x)
        return x.reshape(len(x), -1)


def _leading(pooling: MaxPooling, x: Tensor) -> Tensor:
    """Pass the inputs that lead, shape (n_steps, channels, rows, columns)."""
    sums, leaders = functional.max_pool2d(
        x.cumsum(0), pooling.kernel_size, pooling.stride, pooling.padding, return_indices=True
    )
    return x.flatten(2).gather(2, leaders.flatten(2)).reshape(sums.shape)


def _torch_map(geometry: Geometry, dtype: torch.dtype) -> Map:
    if isinstance(geometry, MaxPooling):
        kernel_size, stride, rim = geometry.kernel_size, geometry.stride, geometry.padding
        return lambda x: functional.max_pool2d(x, kernel_size, stride, rim)
    if not isinstance(geometry, (Dense, Convolution, TransposedConvolution, OneToOne)):
        shape = geometry.output_shape
        return lambda x: x.reshape(len(x), *shape)
    weight = torch.as_tensor(geometry.weight, dtype=dtype)
    if isinstance(geometry, Dense):
        return lambda x: functional.linear(x, weight)
    if isinstance(geometry, OneToOne):
        return lambda x: x * weight
    if isinstance(geometry, TransposedConvolution):
        return _transposed(geometry, weight)
    return _convolution(geometry, weight)


def _convolution(geometry: Convolution, weight: Tensor) -> Map:
    (top, bottom), (left, right) = geometry.padding
    stride, dilation, groups = geometry.stride, geometry.dilation, geometry.groups
    if top == bottom and left == right:
        return lambda x: functional.conv2d(x, weight, None, stride, (top, left), dilation, groups)
    return lambda x: functional.conv2d(
        functional.pad(x, (left, right, top, bottom)), weight, None, stride, 0, dilation, groups
    )


def _transposed(geometry: TransposedConvolution, weight: Tensor) -> Map:
    stride, rim, extra = geometry.stride, geometry.padding, geometry.output_padding
    groups, dilation = geometry.groups, geometry.dilation
    return lambda x: functional.conv_transpose2d(x, weight, None, stride, rim, extra, groups, dilation)
