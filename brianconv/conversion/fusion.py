"""Make neighbours in a chain of geometries one, where that is the same map.

Gains and shifts, such as those of batch normalisation, become part of weights and biases; a range of channels becomes a
range of the next weights. What remains is a chain in which as few geometries as possible carry weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeGuard

import numpy as np

from brianconv.conversion.channels import Placement
from brianconv.conversion.geometry import Convolution, Dense, Geometry, OneToOne, Reshape, Shape, TransposedConvolution

Chain = tuple[Geometry, ...]
Weights = Dense | Convolution | TransposedConvolution
ONE = np.ones(())


def fused(geometries: Iterable[Geometry]) -> Chain:
    """Return a chain that is the same map, with neighbours made one."""
    chain: Chain = ()
    for geometry in geometries:
        chain = appended(chain, geometry)
    return chain


def appended(chain: Chain, geometry: Geometry) -> Chain:
    """Return a chain followed by a geometry, which is made one with its last geometry if it can be."""
    if not chain:
        return (geometry,)
    joined = _joined(chain[:-1], chain[-1], geometry)
    return (*chain, geometry) if joined is None else joined


def linear_part(geometry: Geometry) -> Geometry:
    """Return a geometry without its bias."""
    if isinstance(geometry, OneToOne):
        return replace(geometry, bias=None)
    if isinstance(geometry, Weights):
        return replace(geometry, bias=np.zeros_like(geometry.bias))
    return geometry


def channelwise(values: np.ndarray, shape: Shape) -> bool:
    """Return whether values, which broadcast against a layer's shape, are one number or one a channel."""
    return np.size(values) == 1 or (values.ndim == len(shape) and all(n == 1 for n in values.shape[1:]))


def by_channel(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return `channelwise` values as one number a channel, shape (channels,)."""
    return np.broadcast_to(np.ravel(values), shape[:1])


def is_pooling(geometry: Geometry) -> TypeGuard[Convolution]:
    """Return whether a geometry averages each channel with weights that it did not learn."""
    return isinstance(geometry, Convolution) and geometry.pooling


def is_trained(geometry: Geometry) -> TypeGuard[Weights]:
    """Return whether a geometry is a dense or (transposed) convolution with trained weights."""
    return isinstance(geometry, Weights) and geometry.weighted


def _joined(head: Chain, last: Geometry, geometry: Geometry) -> Chain | None:
    """Return head, last and geometry as a chain in which the last two are one, or have changed places; else None."""
    if isinstance(last, Reshape) and isinstance(geometry, Reshape):
        whole = Reshape(last.input_shape, geometry.output_shape)
        return head if whole.input_shape == whole.output_shape else appended(head, whole)
    if isinstance(geometry, OneToOne):
        return _with_gain(head, last, geometry)
    if isinstance(last, OneToOne):
        return _behind_gain(head, last, geometry)
    if isinstance(last, Placement):
        return _behind_placement(head, last, geometry)
    return None


def _with_gain(head: Chain, last: Geometry, gain: OneToOne) -> Chain | None:
    """Join a geometry with the gain and shift behind it."""
    if isinstance(last, OneToOne):
        bias = None if last.bias is None else np.asarray(last.bias * gain.weight)
        if gain.bias is not None:
            bias = gain.bias if bias is None else np.asarray(bias + gain.bias)
        return (*head, OneToOne(np.asarray(last.weight * gain.weight), gain.shape, bias))
    if isinstance(last, Reshape):
        if not head or not isinstance(head[-1], Dense):
            return None
        return appended(appended(head, _reshaped(gain, last.input_shape)), last)
    bias = np.zeros(()) if gain.bias is None else gain.bias
    if not channelwise(gain.weight, gain.shape) or not channelwise(bias, gain.shape):
        return None
    if is_trained(last):
        return (*head, _followed(last, by_channel(gain.weight, gain.shape), by_channel(bias, gain.shape)))
    if is_pooling(last) and _ends_in_weights(head) and _keeps(last, gain):
        return appended(appended(head, replace(gain, shape=last.input_shape)), last)
    if isinstance(last, Placement) and gain.bias is None:
        weight = last.scale_back(gain.weight)
        return (*appended(head, OneToOne(weight, last.input_shape)), last)
    return None


def _behind_gain(head: Chain, gain: OneToOne, geometry: Geometry) -> Chain | None:
    """Join a gain and shift with the geometry behind it."""
    if isinstance(geometry, Reshape):
        return (*appended(head, geometry), _reshaped(gain, geometry.output_shape))
    if isinstance(geometry, Dense):
        weight, bias = geometry.weight * gain.weight, geometry.bias
        if gain.bias is not None:
            bias = bias + geometry.weight @ np.broadcast_to(gain.bias, gain.shape)
        return appended(head, Dense(weight, bias))
    if not channelwise(gain.weight, gain.shape):
        return None
    if is_pooling(geometry) and _keeps(geometry, gain):
        return (*appended(head, geometry), replace(gain, shape=geometry.output_shape))
    if is_trained(geometry) and gain.bias is None:
        return appended(head, geometry.scaled(gain.weight, ONE))
    return None


def _behind_placement(head: Chain, placement: Placement, geometry: Geometry) -> Chain | None:
    """Narrow the geometry behind a range of channels to that range."""
    channels = placement.range
    if isinstance(geometry, Placement):
        return (*head, Placement(placement.input_shape, geometry.n_channels, geometry.first + placement.first))
    if isinstance(geometry, Dense):
        return appended(head, replace(geometry, weight=geometry.weight[:, channels]))
    if isinstance(geometry, Convolution) and geometry.pooling:
        part = replace(
            geometry,
            weight=geometry.weight[channels],
            bias=geometry.bias[channels],
            input_shape=placement.input_shape,
            groups=placement.input_shape[0],
        )
        return (*appended(head, part), replace(placement, input_shape=part.output_shape))
    if isinstance(geometry, Convolution) and geometry.groups == 1:
        weight = geometry.weight[:, channels]
        return appended(head, replace(geometry, weight=weight, input_shape=placement.input_shape))
    if isinstance(geometry, TransposedConvolution) and geometry.groups == 1:
        weight = geometry.weight[channels]
        return appended(head, replace(geometry, weight=weight, input_shape=placement.input_shape))
    if isinstance(geometry, Reshape):
        return _reshaped_placement(head, placement, geometry)
    return None


def _reshaped_placement(head: Chain, placement: Placement, reshape: Reshape) -> Chain | None:
    """Reshape before channels are placed, if they are whole channels afterwards too."""
    old, new = (int(np.prod(shape[1:])) for shape in (placement.input_shape, reshape.output_shape))
    first, count = placement.first * old, placement.input_shape[0] * old
    if first % new or count % new:
        return None
    inner = (count // new, *reshape.output_shape[1:])
    if inner != placement.input_shape:
        head = appended(head, Reshape(placement.input_shape, inner))
    return (*head, Placement(inner, reshape.output_shape[0], first // new))


def _reshaped(gain: OneToOne, shape: Shape) -> OneToOne:
    """Return the same gain and shift of each neuron in another shape."""
    weight, bias = (
        None if values is None else values if values.size == 1 else np.broadcast_to(values, gain.shape).reshape(shape)
        for values in (gain.weight, gain.bias)
    )
    assert weight is not None
    weight, bias = (None if v is None else v.reshape(()) if v.size == 1 else v for v in (weight, bias))
    assert weight is not None
    return OneToOne(weight, shape, bias)


def _keeps(pooling: Convolution, gain: OneToOne) -> bool:
    """Whether a shift may stand before or behind a pooling: not if padded zeros count in the average."""
    return gain.bias is None or (channelwise(gain.bias, gain.shape) and not np.any(pooling.padding))


def _ends_in_weights(chain: Chain) -> bool:
    while chain and is_pooling(chain[-1]):
        chain = chain[:-1]
    return bool(chain) and is_trained(chain[-1])


def _followed(geometry: Weights, gain: np.ndarray, shift: np.ndarray) -> Weights:
    """Return a geometry followed by one gain and one shift a channel."""
    bias = geometry.bias * gain + shift
    if isinstance(geometry, TransposedConvolution):
        n_in, n_out = geometry.weight.shape[:2]
        by_input = np.repeat(gain.reshape(geometry.groups, n_out), n_in // geometry.groups, axis=0)
        return replace(geometry, weight=geometry.weight * by_input[:, :, None, None], bias=bias)
    weight = geometry.weight * gain.reshape(-1, *([1] * (geometry.weight.ndim - 1)))
    return replace(geometry, weight=weight, bias=bias)
