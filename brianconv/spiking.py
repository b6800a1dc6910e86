"""A spiking network before it is built: normalised weights, a neural code, and one neuron model a population.

`convert` makes one from a trained torch module. It holds strings and numbers only; simulation/ makes Brian2 objects
from it, reference.py simulates it in torch.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from brianconv.coding import find_scheme, resolve_parameters
from brianconv.coding.scheme import TOLERANCE, CodingScheme, NeuronModel
from brianconv.conversion.graph import INPUT, LayerGraph
from brianconv.conversion.normalization import NormalizedNetwork, check_images, normalize
from brianconv.errors import ParameterError, ShapeError, UnknownLayerError

if TYPE_CHECKING:
    from torch import nn

NEVER = "False"
STEP_EQUATION = "step : integer (linked)\n"
OUTPUT_EQUATIONS = """
delay                         : integer (shared, constant)
skip                          : integer (shared, constant)
"""
INPUT_EQUATIONS = """
pixel                         : 1
"""
HOLD = "v = int(step > skip) * v + int(step <= skip) * v_init"


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A network of spiking neurons, ready to be built.

    Attributes
    ----------
    normalized : NormalizedNetwork
        Scaled weights and the scale of each population.
    scheme : CodingScheme
    parameters : mapping
        ``parameters[name][population]`` is the value of each of the code's parameters.
    neurons : mapping of str to NeuronModel
        The model of each population, the input first; change it with `change_neurons`.
    synaptic_delay : mapping of str to int
        Delay in steps of the connections that end at a layer.
    """

    normalized: NormalizedNetwork
    scheme: CodingScheme
    parameters: Mapping[str, Mapping[str, float]]
    neurons: Mapping[str, NeuronModel]
    synaptic_delay: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in self.graph.shapes.items())
        return f"<SpikingNetwork, {self.scheme.name} coding: {shapes}>"

    @property
    def graph(self) -> LayerGraph:
        return self.normalized.graph

    @property
    def populations(self) -> list[str]:
        """Names of all populations, the input first, the output last."""
        return self.graph.names

    @property
    def output(self) -> str:
        return self.graph.output.name

    @cached_property
    def n_classes(self) -> int:
        return self.graph.output.n_neurons

    def change_neurons(self, layers: str | Sequence[str] | None = None, **changes: Any) -> SpikingNetwork:
        """Return a copy in which the neuron model of some layers is changed.

        Parameters
        ----------
        layers : str, sequence of str or None
            Populations to change; None for all but the input.
        **changes
            Fields of NeuronModel: equations, method, threshold, reset, on_image, on_pre, refractory, namespace.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer or a field does not exist.
        """
        names = [layers] if isinstance(layers, str) else list(self.populations[1:] if layers is None else layers)
        for name in names:
            self.check_population(name)
        unknown = [key for key in changes if key not in NeuronModel.__dataclass_fields__]
        if unknown:
            fields = ", ".join(NeuronModel.__dataclass_fields__)
            raise ParameterError(f"a neuron model has no {unknown[0]!r}; it has {fields}")
        changed = {name: replace(self.neurons[name], **changes) for name in names}
        return replace(self, neurons={**self.neurons, **changed})

    def with_parameters(self, **given: object) -> SpikingNetwork:
        """Return a copy with other values of the code's parameters, such as ``v_init=0.4``."""
        resolved = resolve_parameters(self.scheme, given, self.populations)
        chosen = {name: resolved[name] if name in given else self.parameters[name] for name in resolved}
        return replace(self, parameters=chosen)

    def check_population(self, name: str) -> None:
        """Raise UnknownLayerError unless there is a population of that name."""
        if name not in self.neurons:
            raise UnknownLayerError(f"there is no layer {name!r}; the layers are {', '.join(self.populations)}")

    def model(self, population: str) -> NeuronModel:
        """Return the complete model of a population, with what makes it the input or the output."""
        model = self.neurons[population]
        if population == INPUT:
            return _extended(model, INPUT_EQUATIONS, "", self.scheme.encoding.on_image)
        if population == self.output:
            readout = self.scheme.readout
            if not readout.fires:
                model = replace(model, threshold=NEVER, reset="")
            equations = OUTPUT_EQUATIONS + readout.equations
            if not re.search(r"^\s*step\s*:", model.equations, re.MULTILINE):
                equations = STEP_EQUATION + equations
            return _extended(model, equations, readout.on_spike, readout.on_image)
        return model

    @cached_property
    def depth(self) -> dict[str, int]:
        """Number of layers in front of each population; that of the input is 0."""
        depth = {INPUT: 0}
        for layer in self.graph.layers:
            depth[layer.name] = 1 + max(depth[connection.source] for connection in layer.connections)
        return depth

    @property
    def default_steps(self) -> int:
        """Length of an image in steps unless the user says otherwise."""
        steps = self.scheme.default_steps
        return steps if isinstance(steps, int) else steps(self.parameters, self.depth)

    @property
    def shared_values(self) -> dict[str, Mapping[str, float]]:
        """Values of the code's parameters and of what its schedule makes of them, by population."""
        schedule = self.scheme.schedule
        return {**self.parameters, **(schedule(self.parameters, self.depth) if schedule else {})}

    def describe(self, layer: str | None = None) -> str:
        """Return what the neurons of each layer do within a step, in the order in which it happens, as text."""
        if layer is not None:
            self.check_population(layer)
        names = [layer] if layer else self.populations
        notes = [] if layer else [f"note: {note}" for note in self.graph.notes]
        return "\n\n".join([*(self._describe(name) for name in names), *notes])

    def _describe(self, name: str) -> str:
        model, shape = self.model(name), self.graph.shapes[name]
        values = {p: by_population[name] for p, by_population in self.shared_values.items()} | dict(model.namespace)
        lines = [
            f"{name}: {' x '.join(map(str, shape))} = {int(np.prod(shape))} neurons ({model.name})",
            *_section("first step of an image", model.on_image),
            *_section(f"integrate ({model.method})", model.equations),
            *_section("hold until the readout begins", HOLD if name == self.output else ""),
            *_section("threshold", model.threshold if model.threshold != NEVER else "none: it does not fire"),
            *_section("refractory", model.refractory or ""),
            *[line for c in self._outgoing(name) for line in c],
            *_section("reset", model.reset),
            *_section("evaluate", self.scheme.readout.evaluate if name == self.output else ""),
            "  with " + ", ".join(f"{key} = {value}" for key, value in values.items()),
        ]
        return "\n".join(lines)

    def _outgoing(self, name: str) -> list[list[str]]:
        described = []
        for layer in self.graph.layers:
            for connection in layer.connections:
                if connection.source == name:
                    delay = self.synaptic_delay.get(layer.name, 0)
                    title = f"spikes to {layer.name}, {connection.n_synapses:,} synapses, delay {delay} steps"
                    described.append(_section(title, self.neurons[name].on_pre))
        return described


def _extended(model: NeuronModel, equations: str, on_spike: str, on_image: str) -> NeuronModel:
    return replace(
        model,
        equations=_joined(model.equations, equations),
        reset=_joined(model.reset, on_spike),
        on_image=_joined(model.on_image, on_image),
    )


def _joined(*parts: str) -> str:
    return "\n".join(text for part in parts if (text := textwrap.dedent(part).strip()))


def _section(title: str, code: str) -> list[str]:
    body = textwrap.dedent(code).strip()
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    return [f"  {title}", *(f"      {line}" for line in lines)] if lines else []


def convert(
    model: nn.Module,
    calibration_images: np.ndarray | None = None,
    *,
    coding: str | CodingScheme = "rate",
    normalization: str = "percentile",
    percentile: float = 99.9,
    per: str = "layer",
    synaptic_delay: int | Mapping[str, int] = 0,
    input_shape: tuple[int, ...] | None = None,
    **parameters: object,
) -> SpikingNetwork:
    """Convert a trained torch network into a spiking network.

    Parameters
    ----------
    model : torch.nn.Module
        Trained; it is not changed.
    calibration_images : array, shape (n_images, channels, rows, columns), or None
        Some hundred training images in [0, 1] from which activations are normalised. May be None with
        ``normalization="none"``; then `input_shape` is needed.
    coding : str or CodingScheme
        Name of a neural code, or one of your own.
    normalization : {"percentile", "max", "none"}
    percentile : float
        In (0, 100], for ``normalization="percentile"``.
    per : {"layer", "channel"}
        One scale a layer or one a channel.
    synaptic_delay : int or mapping of layer name to int
        Delay in steps of the synapses that end at a layer; 0 means that a spike crosses all layers within a step.
    input_shape : tuple of int, optional
        Shape of one image; taken from the calibration images otherwise.
    **parameters
        Parameters of the code, such as ``v_init=0.4``, ``v_init=[0.5, 0.4, ...]`` or ``v_init={"conv1": 0.3}``.

    Returns
    -------
    SpikingNetwork

    Raises
    ------
    UnsupportedLayerError
        If a module or operation has no spiking equivalent.
    ShapeError, DataError, ParameterError
        If shapes, images, weights or parameters are wrong; before anything is built.
    """
    from brianconv.conversion.from_torch import extract_graph

    scheme = find_scheme(coding)
    if calibration_images is not None:
        calibration_images = np.asarray(calibration_images)
        shape = tuple(calibration_images.shape[1:])
        if input_shape is not None and tuple(input_shape) != shape:
            raise ShapeError(f"input_shape is {tuple(input_shape)}, but calibration images have shape {shape}")
        input_shape = shape
        check_images(calibration_images, shape, "calibration images")
    if not input_shape:
        raise ParameterError("pass calibration_images, or input_shape together with normalization='none'")
    graph = extract_graph(model, tuple(input_shape))
    normalized = normalize(graph, calibration_images, normalization, percentile, per)
    return from_normalized(normalized, scheme, synaptic_delay, **parameters)


def from_normalized(
    normalized: NormalizedNetwork,
    scheme: CodingScheme,
    synaptic_delay: int | Mapping[str, int] = 0,
    **parameters: object,
) -> SpikingNetwork:
    """Give a normalised network the neurons of a code; see `convert` for the parameters."""
    names = normalized.graph.names
    neurons = dict.fromkeys(names, scheme.neuron) | {INPUT: scheme.encoding.neuron}
    resolved = resolve_parameters(scheme, parameters, names)
    return SpikingNetwork(normalized, scheme, resolved, neurons, _delays(synaptic_delay, names[1:]))


def _delays(given: int | Mapping[str, int], layers: list[str]) -> dict[str, int]:
    delays = dict.fromkeys(layers, 0)
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in delays]
        if unknown:
            raise UnknownLayerError(f"a delay is given for {unknown[0]!r}; the layers are {', '.join(layers)}")
        delays |= given
    else:
        delays = dict.fromkeys(layers, given)
    for name, steps in delays.items():
        if not isinstance(steps, (int, np.integer)) or steps < 0:
            raise ParameterError(f"the synaptic delay of {name!r} is {steps!r}; it is a number of steps, 0 or more")
    return delays


def tolerance(dtype: str) -> float:
    """Return the relative tolerance of thresholds at a floating-point precision."""
    if dtype not in TOLERANCE:
        raise ParameterError(f"dtype {dtype!r} is unknown; choose one of {', '.join(TOLERANCE)}")
    return TOLERANCE[dtype]
