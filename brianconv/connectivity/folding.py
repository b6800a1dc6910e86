"""Merge neighbours in a chain of connectivities, where that leaves the map unchanged.

Gains and shifts, such as those of batch normalisation, become part of weights and biases; a range of channels becomes a
range of the next weights. What remains is a chain in which as few connectivities as possible carry weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity, Shape, Weighted
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.selection import Selection

Chain = tuple[Connectivity, ...]


def fused(connectivities: Iterable[Connectivity]) -> Chain:
    """Return a chain that is the same map, with neighbours merged."""
    chain: Chain = ()
    for connectivity in connectivities:
        chain = appended(chain, connectivity)
    return chain


def appended(chain: Chain, following: Connectivity) -> Chain:
    """Return a chain followed by a connectivity, which is merged with its last member if possible."""
    if not chain:
        return (following,)
    joined = _joined(chain[:-1], chain[-1], following)
    return (*chain, following) if joined is None else joined


def channelwise(values: np.ndarray, shape: Shape) -> bool:
    """Return whether values, which broadcast against a layer's shape, are one number or one per channel."""
    return np.size(values) == 1 or (values.ndim == len(shape) and all(n == 1 for n in values.shape[1:]))


def by_channel(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return `channelwise` values as one number per channel, shape (channels,)."""
    return np.broadcast_to(np.ravel(values), shape[:1])


def _joined(head: Chain, last: Connectivity, following: Connectivity) -> Chain | None:
    """Return head, last and following as a chain in which the last two are one, or have changed places; else None."""
    if isinstance(last, Reshape) and isinstance(following, Reshape):
        whole = Reshape(last.input_shape, following.output_shape)
        return head if whole.input_shape == whole.output_shape else appended(head, whole)
    if isinstance(following, Selection):
        return _with_selection(head, last, following)
    if isinstance(last, Selection):
        return _behind_selection(head, last, following)
    if isinstance(following, OneToOne):
        return _with_gain(head, last, following)
    if isinstance(last, OneToOne):
        return _behind_gain(head, last, following)
    if isinstance(last, ChannelPadding):
        return _behind_padding(head, last, following)
    return None


def _with_gain(head: Chain, last: Connectivity, gain: OneToOne) -> Chain | None:
    """Merge a connectivity with the gain and shift that follow it."""
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
    if isinstance(last, Weighted):
        return (*head, last.followed_by(by_channel(gain.weight, gain.shape), by_channel(bias, gain.shape)))
    if isinstance(last, AveragePooling) and _ends_in_weights(head) and _keeps(last, gain):
        return appended(appended(head, replace(gain, shape=last.input_shape)), last)
    if isinstance(last, ChannelPadding) and gain.bias is None:
        weight = last.scale_back(gain.weight)
        return (*appended(head, OneToOne(weight, last.input_shape)), last)
    return None


def _behind_gain(head: Chain, gain: OneToOne, following: Connectivity) -> Chain | None:
    """Merge a gain and shift with the connectivity that follows them."""
    if isinstance(following, Reshape):
        return (*appended(head, following), _reshaped(gain, following.output_shape))
    if isinstance(following, Dense):
        weight, bias = following.weight * gain.weight, following.bias
        if gain.bias is not None:
            bias = bias + following.weight @ np.broadcast_to(gain.bias, gain.shape)
        return appended(head, Dense(weight, bias))
    if not channelwise(gain.weight, gain.shape):
        return None
    if isinstance(following, AveragePooling) and _keeps(following, gain):
        return (*appended(head, following), replace(gain, shape=following.output_shape))
    if isinstance(following, Weighted) and gain.bias is None:
        return appended(head, following.scaled(gain.weight, np.ones(())))
    return None


def _with_selection(head: Chain, last: Connectivity, selection: Selection) -> Chain | None:
    """Merge a connectivity with the selection that follows it."""
    if isinstance(last, (Selection, Reshape, ChannelPadding)):
        whole = as_selection(last).then(selection)
        return head if whole.is_identity else appended(head, whole)
    if isinstance(last, OneToOne):
        weight, bias = (
            None if values is None else selection.apply(np.broadcast_to(values, last.shape)[None])[0]
            for values in (last.weight, last.bias)
        )
        kept = last.weight if np.size(last.weight) == 1 and (selection.index >= 0).all() else weight
        assert kept is not None
        return (*appended(head, selection), OneToOne(kept, selection.output_shape, bias))
    if isinstance(last, Weighted) and selection.channels is not None:
        chosen = last.to_channels(selection.channels)
        return None if chosen is None else (*head, chosen)
    return None


def _behind_selection(head: Chain, selection: Selection, following: Connectivity) -> Chain | None:
    """Merge a selection with the connectivity that follows it."""
    if isinstance(following, Reshape):
        return _with_selection(head, selection, as_selection(following))
    if isinstance(following, OneToOne):
        weight, bias = (
            None if values is None else selection.scale_back(np.asarray(values))
            for values in (following.weight, following.bias)
        )
        shifts_nothing = following.bias is None or (bias is not None and (selection.index >= 0).all())
        if weight is None or not shifts_nothing:
            return None
        return (*appended(head, OneToOne(weight, selection.input_shape, bias)), selection)
    if isinstance(following, Dense):
        size = (int(np.prod(selection.input_shape)),)
        narrowed = following.from_channels(selection.index, size)
        return appended(appended(head, Reshape(selection.input_shape, size)), narrowed)
    if selection.channels is None:
        return None
    if isinstance(following, AveragePooling) and following.is_uniform:
        pooling = replace(following, input_shape=selection.input_shape, weight=np.ravel(following.weight)[0])
        return (*appended(head, pooling), Selection.of_channels(pooling.output_shape, selection.channels))
    if isinstance(following, Weighted):
        gathered = following.from_channels(selection.channels, selection.input_shape)
        return None if gathered is None else appended(head, gathered)
    return None


def as_selection(part: Selection | Reshape | ChannelPadding) -> Selection:
    """Return a map that only moves values as a selection."""
    if isinstance(part, Selection):
        return part
    if isinstance(part, Reshape):
        return Selection(part.input_shape, part.output_shape, np.arange(part.n_edges))
    channels = np.arange(part.n_channels) - part.first
    channels[(channels < 0) | (channels >= part.input_shape[0])] = -1
    return Selection.of_channels(part.input_shape, channels)


def _behind_padding(head: Chain, padding: ChannelPadding, following: Connectivity) -> Chain | None:
    """Narrow the connectivity that follows a range of channels to that range."""
    channels = padding.range
    if isinstance(following, ChannelPadding):
        return (*head, ChannelPadding(padding.input_shape, following.n_channels, following.first + padding.first))
    if isinstance(following, AveragePooling):
        part = following.on_channels(channels, padding.input_shape)
        return (*appended(head, part), replace(padding, input_shape=part.output_shape))
    if isinstance(following, Weighted):
        narrowed = following.on_channels(channels, padding.input_shape)
        return None if narrowed is None else appended(head, narrowed)
    if isinstance(following, Reshape):
        return _reshaped_padding(head, padding, following)
    return None


def _reshaped_padding(head: Chain, padding: ChannelPadding, reshape: Reshape) -> Chain | None:
    """Reshape before channels are placed, if they are whole channels afterwards too."""
    old, new = (int(np.prod(shape[1:])) for shape in (padding.input_shape, reshape.output_shape))
    first, count = padding.first * old, padding.input_shape[0] * old
    if first % new or count % new:
        return None
    inner = (count // new, *reshape.output_shape[1:])
    if inner != padding.input_shape:
        head = appended(head, Reshape(padding.input_shape, inner))
    return (*head, ChannelPadding(inner, reshape.output_shape[0], first // new))


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


def _keeps(pooling: AveragePooling, gain: OneToOne) -> bool:
    """Whether a shift may be moved across a pooling: not if padded zeros count in the average."""
    return gain.bias is None or (channelwise(gain.bias, gain.shape) and not np.any(pooling.padding))


def _ends_in_weights(chain: Chain) -> bool:
    while chain and isinstance(chain[-1], AveragePooling):
        chain = chain[:-1]
    return bool(chain) and isinstance(chain[-1], Weighted)
