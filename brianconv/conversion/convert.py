"""From a trained torch network to a spiking network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import second

from brianconv.coding import coding_and_options
from brianconv.coding.membrane import Membrane
from brianconv.coding.neuron_models import RELAY
from brianconv.coding.parameters import resolve_parameters
from brianconv.coding.scheme import Coding, CodingScheme
from brianconv.coding.times import Time, is_time
from brianconv.conversion.measured_thresholds import with_measured_thresholds
from brianconv.conversion.normalization import Normalization, as_normalization, normalize
from brianconv.conversion.quantization import quantize_weights
from brianconv.errors import DataError, ParameterError, ShapeError, UnknownLayerError, UnsupportedLayerError
from brianconv.graph import INPUT, LayerGraph, NormalizedNetwork
from brianconv.images import check_images, image_array
from brianconv.spiking import SpikingNetwork

if TYPE_CHECKING:
    from torch import nn

LONGEST_DELAY = 1000  # steps: spikes in transit are stored for every neuron and step


def convert(
    model: nn.Module,
    calibration_images: Any = None,
    *,
    coding: str | Coding | CodingScheme = "rate",
    normalization: str | Normalization | None = None,
    membrane: Membrane | Mapping[str, Membrane] | None = None,
    synaptic_delay: Time | Mapping[str, Time] = 0,
    weight_bits: int | None = None,
    input_shape: tuple[int, ...] | None = None,
    output: str | int | None = None,
    **parameters: object,
) -> SpikingNetwork:
    """Convert a trained torch network into a spiking network.

    Parameters
    ----------
    model : torch.nn.Module
        Trained; it is not changed.
    calibration_images : array, tensor, list of tensors, DataLoader or None
        Some hundred training images in [0, 1], shape (n_images, channels, rows, columns), from which activations are
        normalised. May be None with ``normalization="none"``; then `input_shape` is needed.
    coding : str, Coding or CodingScheme
        A neural coding scheme: its name, such as ``"phase"``; the same with parameters, such as
        ``Phase(n_phases=6)``; or one of your own.
    normalization : {"percentile", "max", "none"} or Normalization, optional
        How weights are scaled, by name or as an object such as ``Percentile(99.99, per_channel=True)``; the coding
        scheme's own otherwise.
    membrane : Membrane or mapping of layer name to Membrane, optional
        Leak, refractory period and noise of all layers, or of some; see `SpikingNetwork.with_membrane`.
    synaptic_delay : int, Quantity, or mapping of layer name to either
        Delay of the synapses that end at a layer, as a time such as ``2*ms`` or in steps; 0 means that a spike crosses
        all layers within a step.
    weight_bits : int, optional
        Round the weights of each connection to this many bits, sign included.
    input_shape : tuple of int, optional
        Shape of one image; taken from the calibration images otherwise.
    output : str or int, optional
        Which tensor to take, of a network that returns a dictionary or a tuple of them.
    **parameters
        Fields of the coding scheme if it is given by name: parameters, such as ``v_init=0.4``,
        ``v_init=[0.5, 0.4, ...]`` or ``v_init={"conv1": 0.3}``, and ``encoding``, ``readout``, ``threshold_factor``.

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    UnsupportedLayerError
        If a module or operation has no spiking equivalent.
    ShapeError, DataError, ParameterError
        If shapes, images, weights or parameters are wrong; before anything is built.

    Examples
    --------
    >>> _ = torch.manual_seed(5)
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    >>> images = np.random.default_rng(0).random((5, 1, 8, 8))
    >>> spiking = convert(model, images, coding=Rate(v_init=0.4), normalization=Percentile(99.9))
    >>> spiking.populations
    ['input', 'layer_0', 'layer_3']
    >>> spiking.graph.n_neurons
    138
    """
    from brianconv.conversion.layers import extract_graph

    scheme, options = coding_and_options(coding, parameters)
    threshold_factor = options.pop("threshold_factor", None)
    scaling = as_normalization(scheme.normalization if normalization is None else normalization)
    if input_shape is not None:
        input_shape = _checked_shape(input_shape)
    images = None
    if calibration_images is not None:
        images = image_array(calibration_images, "calibration images")
        shape = tuple(images.shape[1:])
        if input_shape is not None and input_shape != shape:
            raise ShapeError(f"input_shape is {input_shape}, but calibration images have shape {shape}")
        input_shape = shape
        check_images(images, shape, "calibration images", scheme.encoding.bounded)
        _check_contrast(images)
    if not input_shape:
        raise ParameterError("pass calibration_images, or input_shape together with normalization='none'")
    graph = extract_graph(model, tuple(input_shape), scheme.saturates, output)
    _check_delay(scheme, synaptic_delay)
    normalized = normalize(graph, images, scaling, scheme.encoding.bounded, scheme.readout.fires)
    if weight_bits is not None:
        normalized = replace(normalized, graph=quantize_weights(normalized.graph, weight_bits))
    normalized, options = _with_measured_thresholds(normalized, images, scheme, threshold_factor, options)
    options = _with_pixel_range(scheme, images, options)
    spiking = from_normalized(normalized, scheme, synaptic_delay, **options)
    if membrane is None:
        return spiking
    by_layer = membrane if isinstance(membrane, Mapping) else {None: membrane}
    for name, one in by_layer.items():
        if not isinstance(one, Membrane):
            raise ParameterError(f"membrane is {one!r}; it is a Membrane, such as Membrane(tau_m=20*ms)")
        spiking = spiking.with_membrane(name, **{f.name: getattr(one, f.name) for f in fields(one)})
    return spiking


def _with_measured_thresholds(
    normalized: NormalizedNetwork,
    images: np.ndarray | None,
    scheme: CodingScheme,
    factor: object,
    options: dict[str, Any],
) -> tuple[NormalizedNetwork, dict[str, Any]]:
    """Measure the thresholds that are not given, if the coding scheme measures any."""
    given = normalized.graph.by_population(options.get("v_threshold"))
    if factor is not None and given is not None:
        raise ParameterError(
            "threshold_factor scales thresholds that are measured, but v_threshold is given: leave one out"
        )
    if factor is not None and scheme.measured_threshold is None:
        raise ParameterError(f"coding {scheme.name!r} measures no thresholds: set v_threshold instead of a factor")
    if factor is not None and (not isinstance(factor, (int, float)) or not factor > 0):
        raise ParameterError(f"threshold_factor is {factor!r}; it must be above 0")
    partly = isinstance(given, Mapping) and not set(_with_thresholds(normalized.graph, scheme)) <= set(given)
    if scheme.measured_threshold is None or (given is not None and not partly):
        return normalized, options
    if images is None:
        raise ParameterError(
            f"coding {scheme.name!r} measures the threshold of each layer: pass calibration_images, or v_threshold"
        )
    used = scheme.measured_threshold if factor is None else float(factor)  # type: ignore[arg-type]
    scaled, thresholds, score_unit = with_measured_thresholds(normalized.graph, images, used)
    normalized = replace(normalized, graph=scaled, score_unit=score_unit)
    return normalized, {**options, "v_threshold": {**thresholds, **(given or {})}}


def _with_pixel_range(scheme: CodingScheme, images: np.ndarray | None, options: dict[str, Any]) -> dict[str, Any]:
    """Take the range of pixels from the calibration images, unless it is given or the input does not need it."""
    if "pixel_low" in scheme.all_parameters and images is not None:
        options = {"pixel_low": float(images.min()), "pixel_high": float(images.max()), **options}
    low, high = options.get("pixel_low", 0.0), options.get("pixel_high", 1.0)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and not low < high:
        raise ParameterError(f"pixel_low is {low:g} and pixel_high {high:g}; the highest pixel is above the lowest")
    return options


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    whole = isinstance(shape, Sequence) and all(isinstance(n, (int, np.integer)) and n > 0 for n in shape)
    if not whole or any(isinstance(n, bool) for n in shape):
        raise ShapeError(f"input_shape is {shape!r}; it is a tuple of whole numbers above 0, such as (1, 28, 28)")
    return tuple(int(n) for n in shape)


def _check_contrast(images: np.ndarray) -> None:
    """Refuse calibration images whose pixels are all equal, such as 8-bit images after an integer division."""
    if images[0].size > 1 and images.min() == images.max():
        raise DataError(
            f"every pixel of the {len(images)} calibration images is {images.flat[0]:g}, so that no activation can be "
            "measured: pass examples of the data, floating-point pixels in [0, 1]"
        )


def _check_delay(scheme: CodingScheme, synaptic_delay: Any) -> None:
    delays = synaptic_delay.values() if isinstance(synaptic_delay, Mapping) else [synaptic_delay]
    if scheme.no_delay and any(np.asarray(delay).any() for delay in delays):
        raise ParameterError(f"coding {scheme.name!r} takes no synaptic_delay: {scheme.no_delay}")


def _with_thresholds(graph: LayerGraph, scheme: CodingScheme) -> list[str]:
    """Return the layers whose threshold matters: all but those that pool, and an output that only accumulates."""
    accumulates = not scheme.readout.fires and "v_threshold" not in scheme.readout.evaluate
    firing = graph.layers[:-1] if accumulates else graph.layers
    return [layer.name for layer in firing if not layer.is_pooling]


def from_normalized(
    normalized: NormalizedNetwork,
    scheme: CodingScheme,
    /,
    synaptic_delay: Time | Mapping[str, Time] = 0,
    **parameters: object,
) -> SpikingNetwork:
    """Give a normalised network the neurons of a coding scheme; see `convert` for the parameters."""
    graph, names = normalized.graph, normalized.graph.names
    pooling = [layer.name for layer in graph.layers if layer.is_pooling]
    if pooling and scheme.no_max_pooling:
        raise UnsupportedLayerError(
            f"layer {pooling[0]!r} (maximum pooling) has no equivalent in coding {scheme.name!r}: "
            f"{scheme.no_max_pooling}"
        )
    if graph.output.name in pooling:
        raise UnsupportedLayerError(f"the network ends with maximum pooling, {pooling[-1]!r}: nothing reads it out")
    neurons = dict.fromkeys(names, scheme.neuron) | dict.fromkeys(pooling, RELAY) | {INPUT: scheme.encoding.neuron}
    neurons[graph.output.name] = scheme.readout.neuron or scheme.neuron
    given = {key: graph.by_population(value) for key, value in parameters.items()}
    resolved = resolve_parameters(scheme, given, names)
    return SpikingNetwork(normalized, scheme, resolved, neurons, _delays(synaptic_delay, graph))


def _delays(given: Any, graph: LayerGraph) -> dict[str, Time]:
    layers = graph.names[1:]
    delays: dict[str, Any] = dict.fromkeys(layers, 0)
    if isinstance(given, Mapping):
        named = graph.by_population(given)
        if INPUT in named:
            raise UnknownLayerError(f"a delay is given for {INPUT!r}; the layers are {', '.join(layers)}")
        delays |= named
    else:
        delays = dict.fromkeys(layers, given)
    for name, delay in delays.items():
        proper = isinstance(delay, (int, np.integer)) and 0 <= delay <= LONGEST_DELAY
        if not proper and not (is_time(delay) and delay >= 0 * second):
            raise ParameterError(
                f"the synaptic delay of {name!r} is {delay!r}; it is a time such as 2*ms or a number of steps, 0 or "
                f"more, up to {LONGEST_DELAY}"
            )
    return delays
