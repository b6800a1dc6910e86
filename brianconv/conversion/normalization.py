"""Data-based normalisation: scale weights so that every activation lies in the range that a neuron can represent.

Source: Diehl et al. (2015), IJCNN; Rueckauer et al. (2017), Front. Neurosci. 11:682 (percentile instead of maximum);
used by Hwang et al. (2021), Front. Neurosci. 15:629000, section "Network Architecture".
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from brianconv.connectivity.folding import appended
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.errors import ConversionNote, ParameterError
from brianconv.graph import INPUT, LayerGraph, NormalizedNetwork
from brianconv.images import check_images

LOWEST_WINNER = 0.1  # of the highest score: a first spike within 10 steps, and within the range of a kernel


@dataclass(frozen=True)
class Normalization:
    """How weights are scaled; use `Percentile`, `Maximum` or `Unscaled`.

    Examples
    --------
    >>> isinstance(Percentile(99.9), Normalization)
    True
    """

    name: ClassVar[str]


@dataclass(frozen=True)
class Percentile(Normalization):
    """Scale each layer by a percentile of its activations (Rueckauer et al., 2017).

    Attributes
    ----------
    percentile : float
        In (0, 100].
    per_channel : bool
        One scale per channel (per neuron in dense layers) instead of one per layer.

    Examples
    --------
    >>> Percentile(99.99, per_channel=True)
    Percentile(percentile=99.99, per_channel=True)
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images, normalization=Percentile(80))
    >>> bool(next(spiking.graph.activations(images))["layer_0"].max() > 1)
    True
    """

    name: ClassVar[str] = "percentile"
    percentile: float = 99.9
    per_channel: bool = False

    def __post_init__(self) -> None:
        number = isinstance(self.percentile, (int, float)) and not isinstance(self.percentile, bool)
        if not number or not 0 < self.percentile <= 100:
            raise ParameterError(f"percentile is {self.percentile!r}; it must be above 0 and at most 100")
        _check_flag(self.per_channel)


@dataclass(frozen=True)
class Maximum(Normalization):
    """Scale each layer by the largest of its activations (Diehl et al., 2015).

    Attributes
    ----------
    per_channel : bool
        One scale per channel (per neuron in dense layers) instead of one per layer.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images, normalization=Maximum())
    >>> round(float(next(spiking.graph.activations(images))["layer_0"].max()), 6)
    1.0
    """

    name: ClassVar[str] = "max"
    per_channel: bool = False

    def __post_init__(self) -> None:
        _check_flag(self.per_channel)


@dataclass(frozen=True)
class Unscaled(Normalization):
    """Take weights as they are.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, input_shape=(4,), normalization=Unscaled())
    >>> bool(np.all(spiking.graph.layer("layer_0").bias == model[0].bias.detach().numpy()))
    True
    """

    name: ClassVar[str] = "none"


NORMALIZATIONS: dict[str, type[Normalization]] = {kind.name: kind for kind in (Percentile, Maximum, Unscaled)}


def _check_flag(per_channel: object) -> None:
    if not isinstance(per_channel, bool):
        raise ParameterError(f"per_channel is {per_channel!r}; it must be True or False")


def as_normalization(given: str | Normalization) -> Normalization:
    """Return a normalisation by its name; raise ParameterError if the name is unknown."""
    if isinstance(given, Normalization):
        return given
    if not isinstance(given, str) or given not in NORMALIZATIONS:
        raise ParameterError(f"normalization {given!r} is unknown; choose one of {', '.join(NORMALIZATIONS)}")
    return NORMALIZATIONS[given]()


def normalize(
    graph: LayerGraph,
    images: np.ndarray | None,
    normalization: str | Normalization = "percentile",
    bounded: bool = True,
    fires: bool = False,
) -> NormalizedNetwork:
    """Scale weights and biases from the activations of calibration images.

    A layer's scale is the maximum, or a percentile, of its rectified activation over all images; then
    ``w <- w scale[l-1] / scale[l]`` and ``b <- b / scale[l]``. The output always has one scale, so that the
    order of its scores is preserved.

    Parameters
    ----------
    graph : LayerGraph
    images : array, shape (n_images, *graph.input_shape), or None
        Calibration images in [0, 1], from the training set. May be None for `Unscaled`.
    normalization : str or Normalization
    bounded : bool
        Whether images must lie in [0, 1].
    fires : bool
        Whether classes are read from output spikes, which cannot tell negative scores apart: a constant is then added
        to all outputs where a calibration image needs it (`output_shift`).

    Raises
    ------
    ParameterError, DataError, ShapeError
        For an unknown method, no calibration images, or images that do not fit.
    """
    scaling = as_normalization(normalization)
    if isinstance(scaling, Unscaled):
        scales = {name: np.ones(()) for name in graph.names}
        if images is not None and fires and _is_classifier(graph):
            graph = _warned_of_negative_winners(graph, graph.forward(np.asarray(images)))
        return NormalizedNetwork(graph, scales, "none", graph)
    check_images(images, graph.input_shape, "calibration images", bounded)
    quantile = scaling.percentile if isinstance(scaling, Percentile) else 100.0
    per_channel: bool = scaling.per_channel  # type: ignore[attr-defined]
    collected = _collected(graph, np.asarray(images), quantile)
    shift = 0.0
    if fires and _is_classifier(graph):
        shift = output_shift(collected[graph.output.name])
        graph = _raised(graph, collected[graph.output.name], shift)
        collected[graph.output.name] = collected[graph.output.name] + np.float32(shift)
    scales = _scales(graph, collected, quantile, per_channel)
    scaled = graph.map_connections(
        lambda layer, connection: (
            connection if layer.is_pooling else connection.scaled(scales[connection.source], scales[layer.name])
        )
    )
    scaled = replace(
        scaled,
        layers=tuple(
            layer if layer.ceiling is None else replace(layer, ceiling=layer.ceiling / scales[layer.name])
            for layer in scaled.layers
        ),
    )
    label = f"{quantile:g}th percentile" if isinstance(scaling, Percentile) else "max"
    label = f"{label} per {'channel' if per_channel else 'layer'}"
    return NormalizedNetwork(scaled, scales, label, scaled, output_shift=shift)


def output_shift(scores: np.ndarray) -> float:
    """Return what to add to all scores so that the winner of every image is well above 0; 0 if all are already.

    Parameters
    ----------
    scores : array, shape (n_images, n_classes)
        Of calibration images, without a ReLU.

    Returns
    -------
    float
        The lowest winner is then LOWEST_WINNER times the highest one. Decisions and softmax stay the same.
    """
    winners = scores.max(axis=1)
    lowest, highest = float(winners.min()), float(winners.max())
    return (LOWEST_WINNER * highest - lowest) / (1 - LOWEST_WINNER) if lowest <= 0 else 0.0


def _is_classifier(graph: LayerGraph) -> bool:
    return not graph.output.rectified and len(graph.output.shape) == 1


def _warned_of_negative_winners(graph: LayerGraph, scores: np.ndarray) -> LayerGraph:
    count = int((scores.max(axis=1) <= 0).sum())
    if not count:
        return graph
    note = (
        f"the highest score of {count} of {len(scores)} calibration images is not above 0, so that no output fires for "
        "them; normalization='none' takes weights as they are: add a constant to the biases of the last layer"
    )
    warnings.warn(note, ConversionNote, stacklevel=4)
    return replace(graph, notes=(*graph.notes, note))


def _raised(graph: LayerGraph, scores: np.ndarray, shift: float) -> LayerGraph:
    """Add a constant to all outputs, and say so."""
    if not shift:
        return graph
    count = int((scores.max(axis=1) <= 0).sum())
    note = (
        f"{shift:.4g} is added to all outputs: the highest score of {count} of {len(scores)} calibration images is not "
        "above 0, and no spike would set it apart from the others; decisions and softmax stay the same"
    )
    warnings.warn(note, ConversionNote, stacklevel=4)
    first, *others = graph.output.connections
    constant = OneToOne(np.ones(()), first.output_shape, np.array(shift))
    raised = replace(graph.output, connections=(replace(first, chain=appended(first.chain, constant)), *others))
    return replace(graph, layers=(*graph.layers[:-1], raised), notes=(*graph.notes, note))


def _collected(graph: LayerGraph, images: np.ndarray, quantile: float) -> dict[str, np.ndarray]:
    """Return the activations of each layer for all images, or only their maxima where these are enough."""
    collected: dict[str, list[np.ndarray]] = {layer.name: [] for layer in graph.layers if not layer.is_pooling}
    for values in graph.activations(images):
        for name, rows in collected.items():
            activation = values[name].astype(np.float32)
            only_maximum = quantile == 100 and name != graph.output.name
            rows.append(activation.max(axis=0, keepdims=True) if only_maximum else activation)
    return {name: np.concatenate(rows) for name, rows in collected.items()}


def _scales(
    graph: LayerGraph, collected: dict[str, np.ndarray], quantile: float, per_channel: bool
) -> dict[str, np.ndarray]:
    scales: dict[str, np.ndarray] = {INPUT: np.ones(())}
    for layer in graph.layers:
        if layer.is_pooling:
            scales[layer.name] = scales[layer.connections[0].source]
            continue
        signed = collected.pop(layer.name)
        activation = np.maximum(signed, 0.0)
        if layer is graph.output and not activation.any():
            activation = np.abs(signed)  # an output that accumulates has negative scores too
        by_channel = per_channel and layer is not graph.output
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
