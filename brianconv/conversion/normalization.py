"""Data-based normalisation: scale weights so that every activation lies in the range that a neuron can fire.

Source: Diehl et al. (2015), IJCNN; Rueckauer et al. (2017), Front. Neurosci. 11:682 (percentile instead of maximum);
used by Hwang et al. (2021), Front. Neurosci. 15:629000, section "Network Architecture".
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brianconv.conversion.graph import INPUT, LayerGraph
from brianconv.errors import DataError, ParameterError, ShapeError

METHODS = ("percentile", "max", "none")
GRANULARITIES = ("layer", "channel")


@dataclass(frozen=True, eq=False)
class NormalizedNetwork:
    """A layer graph whose activations are divided by their scales.

    Attributes
    ----------
    graph : LayerGraph
        With scaled weights and biases.
    activation_scale : mapping of str to array
        For each population the number(s) by which its activation was divided; broadcasts against its shape.
    method : str
        How the scales were found, for the reader.
    ann : LayerGraph
        The network before conversion, with activations divided by their scales: `graph` without what was changed for
        spikes afterwards, such as weights of a few bits.
    score_unit : float
        What a potential of 1 of the output is in activations of `ann`.
    """

    graph: LayerGraph
    activation_scale: Mapping[str, np.ndarray]
    method: str
    ann: LayerGraph
    score_unit: float = 1.0


def normalize(
    graph: LayerGraph,
    images: np.ndarray | None,
    method: str = "percentile",
    percentile: float = 99.9,
    per: str = "layer",
    bounded: bool = True,
) -> NormalizedNetwork:
    """Scale weights and biases from the activations of calibration images.

    A layer's scale is the maximum, or a percentile, of its rectified activation over all images; then
    ``w <- w scale[l-1] / scale[l]`` and ``b <- b / scale[l]``. The output always has one scale, so that the
    order of its scores stays.

    Parameters
    ----------
    graph : LayerGraph
    images : array, shape (n_images, *graph.input_shape), or None
        Calibration images in [0, 1], from the training set. May be None for method "none".
    method : {"percentile", "max", "none"}
    percentile : float
        In (0, 100]; used by method "percentile".
    per : {"layer", "channel"}
        One scale a layer, or one a channel (a neuron in dense layers).
    bounded : bool
        Whether images must lie in [0, 1].

    Raises
    ------
    ParameterError, DataError, ShapeError
        For an unknown method, no calibration images, or images that do not fit.
    """
    _check(method, percentile, per)
    if method == "none":
        scales = {name: np.ones(()) for name in graph.names}
        return NormalizedNetwork(graph, scales, "none", graph)
    check_images(images, graph.input_shape, "calibration images", bounded)
    quantile = 100.0 if method == "max" else percentile
    scales = _measure(graph, np.asarray(images), quantile, per)
    scaled = graph.map_connections(
        lambda layer, connection: (
            connection if layer.is_pooling else connection.scaled(scales[connection.source], scales[layer.name])
        )
    )
    label = "max" if method == "max" else f"{percentile:g}th percentile"
    return NormalizedNetwork(scaled, scales, f"{label} per {per}", scaled)


def check_images(images: np.ndarray | None, input_shape: tuple[int, ...], what: str, bounded: bool = True) -> None:
    """Raise DataError or ShapeError unless `images` is a non-empty stack of images of the right shape.

    They must be finite, and lie in [0, 1] if `bounded`.
    """
    if images is None or len(images) == 0:
        raise DataError(f"there are no {what}: pass an array of shape (n_images, {_dimensions(input_shape)})")
    images = np.asarray(images)
    if images.shape[1:] != input_shape:
        raise ShapeError(f"{what} have shape {images.shape}; the network takes (n_images, {_dimensions(input_shape)})")
    if not np.all(np.isfinite(images)):
        raise DataError(f"{what} contain NaN or infinity")
    low, high = float(images.min()), float(images.max())
    if bounded and (low < 0 or high > 1):
        raise DataError(
            f"{what} lie in [{low:g}, {high:g}]; they must lie in [0, 1]: divide 8-bit pixels by 255, or let a network "
            "of standardised images read them without bounds (encoding='analog', with rate and burst coding)"
        )


def _dimensions(shape: tuple[int, ...]) -> str:
    return ", ".join(str(n) for n in shape)


def _check(method: str, percentile: float, per: str) -> None:
    if method not in METHODS:
        raise ParameterError(f"normalization {method!r} is unknown; choose one of {', '.join(METHODS)}")
    if per not in GRANULARITIES:
        raise ParameterError(f"normalization per {per!r} is unknown; choose one of {', '.join(GRANULARITIES)}")
    if not isinstance(percentile, (int, float)) or not 0 < percentile <= 100:
        raise ParameterError(f"percentile is {percentile!r}; it must be above 0 and at most 100")


def _measure(graph: LayerGraph, images: np.ndarray, quantile: float, per: str) -> dict[str, np.ndarray]:
    collected: dict[str, list[np.ndarray]] = {layer.name: [] for layer in graph.layers if not layer.is_pooling}
    for values in graph.activations(images):
        for name, rows in collected.items():
            rectified = np.maximum(values[name], 0.0).astype(np.float32)
            rows.append(rectified.max(axis=0, keepdims=True) if quantile == 100 else rectified)
    scales = {INPUT: np.ones(())}
    for layer in graph.layers:
        if layer.is_pooling:
            scales[layer.name] = scales[layer.connections[0].source]
            continue
        activation = np.concatenate(collected.pop(layer.name))
        by_channel = per == "channel" and layer is not graph.output
        scales[layer.name] = _scale(layer.name, activation, quantile, by_channel)
    return scales


def _scale(name: str, activation: np.ndarray, quantile: float, by_channel: bool) -> np.ndarray:
    whole = np.float64(np.percentile(activation, quantile))
    if whole <= 0:
        warnings.warn(
            f"layer {name!r} is silent on the calibration images (activation scale 0); it is left unscaled",
            stacklevel=4,
        )
        whole = np.float64(1.0)
    if not by_channel:
        return np.asarray(whole)
    axes = tuple(k for k in range(activation.ndim) if k != 1)
    scale = np.percentile(activation, quantile, axis=axes, keepdims=True)[0]
    return np.where(scale > 0, scale, whole)  # a silent channel takes the scale of its layer
