"""A spiking network before it is built: normalised weights, a neural code, and one neuron model a population.

`convert` makes one from a trained torch module. It holds strings and numbers only; simulation/ makes Brian2 objects
from it, reference.py simulates it in torch.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from brianconv.coding import find_scheme, resolve_parameters, section
from brianconv.coding.equations import assigned, state_variables
from brianconv.coding.membrane import Membrane, with_membrane
from brianconv.coding.millivolts import Millivolts, in_volts, statements_in_volts
from brianconv.coding.neuron_models import RELAY
from brianconv.coding.scheme import TOLERANCE, CodingScheme, NeuronModel
from brianconv.conversion.normalization import normalize
from brianconv.conversion.quantization import quantize_weights
from brianconv.errors import DataError, ParameterError, ShapeError, UnknownLayerError, UnsupportedLayerError
from brianconv.graph import INPUT, LayerGraph, NormalizedNetwork
from brianconv.images import check_images, image_array
from brianconv.notebook import html_table

if TYPE_CHECKING:
    from torch import nn

NEVER = "False"
LONGEST_DELAY = 1000  # what is under way is kept for every neuron and step
STEP_EQUATION = "step : integer (linked)\n"
OUTPUT_EQUATIONS = """
delay                         : integer (shared, constant)
skip                          : integer (shared, constant)
"""
INPUT_EQUATIONS = """
pixel                         : 1
"""
START = re.compile(r"^\s*v\s*=\s*(.+?)\s*$", re.MULTILINE)


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
    membranes : mapping of str to Membrane
        Leak, refractory period and noise of populations that have them; see `with_membrane`.
    units : Millivolts or None
        Potentials in volts instead of normalised activations; see `in_millivolts`.
    """

    normalized: NormalizedNetwork
    scheme: CodingScheme
    parameters: Mapping[str, Mapping[str, float]]
    neurons: Mapping[str, NeuronModel]
    synaptic_delay: Mapping[str, int] = field(default_factory=dict)
    membranes: Mapping[str, Membrane] = field(default_factory=dict)
    units: Millivolts | None = None

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in self.graph.shapes.items())
        return f"<SpikingNetwork, {self.scheme.name} coding: {shapes}>"

    def _repr_html_(self) -> str:
        return self.html(f"SpikingNetwork, {self.scheme.name} coding, normalised by {self.normalized.method}")

    def html(self, caption: str) -> str:
        """Return a table of populations, shapes, neurons, synapses and parameters, as notebooks show it."""
        arriving = {layer.name: sum(c.n_synapses for c in layer.connections) for layer in self.graph.layers}
        rows = []
        for name, shape in self.graph.shapes.items():
            model = self.model(name)
            values = {p: by[name] for p, by in self.shared_values.items() if name in by and _has_variable(model, p)}
            shown = ", ".join(f"{key} = {_shown(key, value)}" for key, value in values.items())
            size = " x ".join(map(str, shape))
            rows.append((name, size, f"{int(np.prod(shape)):,}", model.name, f"{arriving.get(name, 0):,}", shown))
        return html_table(caption, ("layer", "shape", "neurons", "model", "synapses onto it", "parameters"), rows)

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
            Populations to change; None for all but the input and those that pool.
        **changes
            Fields of NeuronModel: equations, method, threshold, reset, on_image, carries, on_pre, refractory,
            namespace, initial, keep. Every variable that the equations add starts each image at its initial value: 0,
            or the one in ``initial={"w_a": 0.1}``; ``keep=["w_a"]`` lets it go on from the image before.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer, a field or a variable does not exist.
        """
        names = self._chosen(layers)
        unknown = [key for key in changes if key not in NeuronModel.__dataclass_fields__]
        if unknown:
            fields = ", ".join(NeuronModel.__dataclass_fields__)
            raise ParameterError(f"a neuron model has no {unknown[0]!r}; it has {fields}")
        changed = {name: replace(self.neurons[name], **changes) for name in names}
        spiking = replace(self, neurons={**self.neurons, **changed})
        if {"initial", "keep"} & set(changes):
            for name in names:
                spiking._check_own_values(name)
        return spiking

    def _check_own_values(self, population: str) -> None:
        """Raise ParameterError unless `initial` and `keep` name variables that nothing else sets."""
        model = self.neurons[population]
        if isinstance(model.keep, str) or not isinstance(model.initial, Mapping):
            raise ParameterError("keep is a list of variables such as ['w_a'], initial a mapping such as {'w_a': 0.1}")
        complete = self.model(population)
        free = [name for name in self._states(population) if name not in assigned(complete.on_image)]
        for name in (*model.keep, *model.initial):
            if name not in free:
                reason = (
                    "which the first step of an image sets: change on_image" if _has_variable(complete, name) else ""
                )
                raise ParameterError(
                    f"population {population!r} has no {name!r} to keep or to begin at a value of its own"
                    + (f", {reason}" if reason else f"; it has {', '.join(free) or 'none'}")
                )

    def _states(self, population: str) -> list[str]:
        """Names of the variables of a population that a simulation can change."""
        try:
            return state_variables(self.model(population).equations)
        except Exception as error:  # Brian2 raises several kinds for what it does not understand
            raise ParameterError(f"Brian2 refuses the equations (population {population!r}): {error}") from error

    def own_neuron(self, population: str) -> NeuronModel:
        """Return the neuron model that the code itself gives to a population."""
        if population == INPUT:
            return self.scheme.encoding.neuron
        if self.graph.layer(population).is_pooling:
            return RELAY
        return (population == self.output and self.scheme.readout.neuron) or self.scheme.neuron

    def restored_variables(self, population: str) -> list[str]:
        """Return the variables of a population that get their initial values back at the start of every image.

        Those of a changed neuron model that its `on_image` does not set and that it does not keep. What a code itself
        does not set at the start of an image, such as the bias, is not changed by a simulation.
        """
        own = self.own_neuron(population)
        if self.neurons[population] == own:
            return []
        of_code = replace(self, neurons={**self.neurons, population: own}).model(population)
        set_by_code, set_now = assigned(of_code.on_image), assigned(self.model(population).on_image)
        return [
            name
            for name in self._states(population)
            if name not in set_now
            and name not in self.neurons[population].keep
            and (name in set_by_code or not _has_variable(of_code, name))
        ]

    def _chosen(self, layers: str | Sequence[str] | None) -> list[str]:
        if layers is None:
            return [layer.name for layer in self.graph.layers if not layer.is_pooling]
        if not isinstance(layers, (Sequence, Set)):
            raise ParameterError(f"layers is {layers!r}; it is a name, or a list of names")
        names = [layers] if isinstance(layers, str) else list(layers)
        for name in names:
            self.check_population(name)
        return names

    def with_membrane(self, layers: str | Sequence[str] | None = None, **properties: Any) -> SpikingNetwork:
        """Return a copy in which the membranes of some layers leak, rest after a spike, or are noisy.

        Parameters
        ----------
        layers : str, sequence of str or None
            Populations to change; None for all but the input and those that pool.
        **properties
            Fields of Membrane: tau_m (steps), refractory (steps), noise (normalised activations), noise_seed.

        Raises
        ------
        UnknownLayerError, ParameterError
            If a layer or a property does not exist, or the neurons cannot have it.
        """
        unknown = [key for key in properties if key not in Membrane.__dataclass_fields__]
        if unknown:
            raise ParameterError(f"a membrane has no {unknown[0]!r}; it has {', '.join(Membrane.__dataclass_fields__)}")
        names = self._chosen(layers)
        for name in names:
            if not self.is_biological(name) and self.neurons[name] != self.scheme.neuron:
                raise ParameterError(
                    f"population {name!r} ({self.neurons[name].name}) has no membrane: it "
                    + ("sends pixels" if name == INPUT else "passes spikes on")
                )
        changed = {name: replace(self.membranes.get(name, Membrane()), **properties) for name in names}
        spiking = replace(self, membranes={**self.membranes, **changed})
        for name in names:
            spiking.model(name)  # refuses what cannot be
        return spiking

    def in_millivolts(self, v_rest: float = -70.0, v_threshold: float = -50.0) -> SpikingNetwork:
        """Return the same network with potentials in volts; weights are postsynaptic potentials. The spikes are the
        same.

        Parameters
        ----------
        v_rest, v_threshold : float
            In mV: the potentials that stand for 0 and for an activation of 1, the threshold of rate coding.
        """
        return replace(self, units=Millivolts(v_rest, v_threshold))

    def with_parameters(self, **given: object) -> SpikingNetwork:
        """Return a copy with other values of the code's parameters, such as ``v_init=0.4``."""
        resolved = resolve_parameters(self.scheme, given, self.populations, self.parameters)
        chosen = {name: resolved[name] if name in given else self.parameters[name] for name in resolved}
        return replace(self, parameters=chosen)

    def check_population(self, name: str) -> None:
        """Raise UnknownLayerError unless there is a population of that name."""
        if not isinstance(name, str) or name not in self.neurons:
            raise UnknownLayerError(f"there is no layer {name!r}; the layers are {', '.join(self.populations)}")

    def model(self, population: str) -> NeuronModel:
        """Return the complete model of a population, with what makes it the input or the output."""
        model, readout = self.neurons[population], self.scheme.readout
        if population == self.output and not readout.fires:
            model = replace(model, threshold=NEVER, reset="")
        if population in self.membranes:
            model = with_membrane(model, self.membranes[population])
        if self.units and self.is_biological(population):
            model = in_volts(model)
        if population == INPUT:
            model = _extended(model, INPUT_EQUATIONS, "", self.scheme.encoding.on_image)
        if population == self.output:
            model = _extended(model, OUTPUT_EQUATIONS + readout.equations, readout.on_spike, readout.on_image)
            if not _has_variable(model, "step"):
                model = replace(model, equations=_joined(STEP_EQUATION, model.equations))
        longest = self.longest_delay(population)
        if longest and model.carries != "1":
            model = _with_delay_line(model, longest)
        return model

    def is_biological(self, population: str) -> bool:
        """Whether a population has membranes, unlike pixels and relays."""
        return population != INPUT and self.neurons[population].name != RELAY.name

    def longest_delay(self, population: str) -> int:
        """Return the longest delay, in steps, of the spikes that leave a population."""
        return max((self.synaptic_delay.get(layer.name, 0) for layer in self.graph.targets(population)), default=0)

    def analog_steps(self, n_steps: int) -> dict[str, np.ndarray]:
        """Return in which steps populations send pixels instead of spikes, by population, each (n_steps,) of bool.

        These are the input in the analog steps of its encoding, and maximum pooling while it passes such pixels on.
        """
        lasting, steps = self.scheme.encoding.analog_steps, np.arange(n_steps)
        if lasting == 0:
            return {}
        late = {INPUT: 0}
        for name in self.graph.pixel_sources[1:]:
            source = self.graph.layer(name).connections[0].source
            late[name] = late[source] + self.synaptic_delay.get(name, 0)
        return {
            name: (steps >= d) & (steps < d + (n_steps if lasting is None else lasting)) for name, d in late.items()
        }

    def on_pre(self, population: str, target: str) -> str:
        """Return what a spike of a population does to the neurons of a target layer when it arrives."""
        model, delay = self.neurons[population], self.synaptic_delay.get(target, 0)
        if delay and model.carries != "1":
            return replace(model, carries=f"sent_{delay}", on_pre="").effect
        return model.effect

    def delay_line(self, population: str) -> str:
        """Return the statements that keep what the spikes of a population carry until they arrive; '' if not needed."""
        longest, carries = self.longest_delay(population), self.neurons[population].carries
        if not longest or carries == "1":
            return ""
        shifted = [f"sent_{k} = sent_{k - 1}" for k in range(longest, 0, -1)]
        return "\n".join([*shifted, f"sent_0 = {carries}"])

    @property
    def hold(self) -> str:
        """Statement that keeps the output at its initial potential while it is skipped."""
        start = START.search(self.neurons[self.output].on_image)
        value = start[1] if start else "0"
        if self.units:
            value = statements_in_volts(f"v = {value}").partition("=")[2].strip()
        value = value if value.isidentifier() else f"({value})"
        return f"v = int(step > skip) * v + int(step <= skip) * {value}"

    @property
    def evaluate(self) -> str:
        """Statements that set the score at the end of every step."""
        code = self.scheme.readout.evaluate
        return statements_in_volts(code) if self.units else code

    @cached_property
    def depth(self) -> dict[str, int]:
        """Number of layers in front of each population; that of the input is 0."""
        depth = {INPUT: 0}
        for layer in self.graph.layers:
            own = 0 if layer.is_pooling else 1  # pooling passes spikes on at once
            depth[layer.name] = own + max(depth[connection.source] for connection in layer.connections)
        return depth

    @property
    def default_steps(self) -> int:
        """Length of an image in steps unless the user says otherwise."""
        steps, more = self.scheme.default_steps, self.scheme.readout.more_steps
        needed = steps if isinstance(steps, int) else steps(self.parameters, self.depth)
        return needed + (more({name: by[self.output] for name, by in self.parameters.items()}) if more else 0)

    @property
    def shared_values(self) -> dict[str, Mapping[str, float]]:
        """Values of the code's parameters and of what its schedule makes of them, by population."""
        schedule = self.scheme.schedule
        of_membranes: dict[str, dict[str, float]] = {}
        for population, membrane in self.membranes.items():
            for name, value in membrane.shared_values.items():
                of_membranes.setdefault(name, {})[population] = value
        of_units = self.units.shared_values if self.units else {}
        return {
            **self.parameters,
            **(schedule(self.parameters, self.depth) if schedule else {}),
            **of_membranes,
            **{name: dict.fromkeys(self.populations, value) for name, value in of_units.items()},
        }

    def describe(self, layer: str | None = None) -> str:
        """Return what the neurons of each layer do within a step, in the order in which it happens, as text."""
        if layer is not None:
            self.check_population(layer)
        names = [layer] if layer else self.populations
        notes = [] if layer else [f"note: {note}" for note in self.graph.notes]
        return "\n\n".join([*(self._describe(name) for name in names), *notes])

    def _describe(self, name: str) -> str:
        model, shape = self.model(name), self.graph.shapes[name]
        shared = self.shared_values.items()
        values: dict[str, Any] = {p: by[name] for p, by in shared if name in by and _has_variable(model, p)}
        values |= dict(model.namespace)
        if name != INPUT and _has_variable(model, "drive"):
            values["drive"] = "the neuron's bias" if self.graph.layer(name).bias.any() else "0, as there is no bias"
        lines = [
            f"{name}: {' x '.join(map(str, shape))} = {int(np.prod(shape))} neurons ({model.name})",
            *section("first step of an image", "\n".join([model.on_image, *self._begin(name)])),
            *section("kept from image to image", "\n".join(self.neurons[name].keep)),
            *section(f"integrate ({model.method})", model.equations),
            *section("hold until the readout begins", self.hold if name == self.output else ""),
            *section("threshold", model.threshold if model.threshold != NEVER else "none: it does not fire"),
            *section("refractory", model.refractory or ""),
            *section("keep what spikes carry while they are under way", self.delay_line(name)),
            *[line for c in self._outgoing(name) for line in c],
            *section("reset", model.reset),
            *section("evaluate", self.evaluate if name == self.output else ""),
            *(
                ["  with " + ", ".join(f"{key} = {_shown(key, value)}" for key, value in values.items())]
                if values
                else []
            ),
        ]
        return "\n".join(lines)

    def _begin(self, name: str) -> list[str]:
        """What restored variables begin an image with, as text."""
        initial = self.neurons[name].initial
        return [f"{variable} = {initial.get(variable, 0)}" for variable in self.restored_variables(name)]

    def _outgoing(self, name: str) -> list[list[str]]:
        described = []
        for layer in self.graph.layers:
            for connection in layer.connections:
                if connection.source == name:
                    delay = self.synaptic_delay.get(layer.name, 0)
                    title = f"spikes to {layer.name}, {connection.n_synapses:,} synapses, delay {delay} steps"
                    described.append(section(title, "gate: " * layer.is_pooling + self.on_pre(name, layer.name)))
        return described


def _shown(key: str, value: Any) -> str:
    if key in Millivolts().shared_values:
        return f"{1000 * value:g} mV"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has_variable(model: NeuronModel, name: str) -> bool:
    return bool(re.search(rf"^\s*(?:{name}|d{name}/dt)\s*[:=]", model.equations, re.MULTILINE))


def _with_delay_line(model: NeuronModel, longest: int) -> NeuronModel:
    """Give a model the variables that keep what its spikes carry until the last of them has arrived."""
    variables = "\n".join(f"sent_{k} : 1" for k in range(longest + 1))
    return replace(model, equations=_joined(model.equations, variables))


def _extended(model: NeuronModel, equations: str, on_spike: str, on_image: str) -> NeuronModel:
    return replace(
        model,
        equations=_joined(model.equations, equations),
        reset=_joined(model.reset, on_spike),
        on_image=_joined(model.on_image, on_image),
    )


def _joined(*parts: str) -> str:
    return "\n".join(text for part in parts if (text := textwrap.dedent(part).strip()))


def convert(
    model: nn.Module,
    calibration_images: np.ndarray | None = None,
    *,
    coding: str | CodingScheme = "rate",
    encoding: str | None = None,
    readout: str | None = None,
    normalization: str | None = None,
    percentile: float = 99.9,
    per: str = "layer",
    weight_bits: int | None = None,
    threshold_factor: float | None = None,
    synaptic_delay: int | Mapping[str, int] = 0,
    tau_m: float | None = None,
    refractory: int = 0,
    noise: float = 0.0,
    noise_seed: int = 0,
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
    encoding, readout : str, optional
        Another input encoding or readout of the code, such as ``coding="burst", encoding="phase"``.
    normalization : {"percentile", "max", "none"}, optional
        The code's own otherwise.
    percentile : float
        In (0, 100], for ``normalization="percentile"``.
    per : {"layer", "channel"}
        One scale a layer or one a channel.
    weight_bits : int, optional
        Round the weights of each connection to so many bits, sign included.
    threshold_factor : float, optional
        Factor of the thresholds that "hybrid" and "direct" coding measure; the code's own otherwise.
    synaptic_delay : int or mapping of layer name to int
        Delay in steps of the synapses that end at a layer; 0 means that a spike crosses all layers within a step.
    tau_m, refractory, noise, noise_seed
        Leak, refractory period and noise of the membranes of all layers; see `SpikingNetwork.with_membrane`.
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
    from brianconv.conversion.tracing import extract_graph

    scheme = find_scheme(coding)
    scheme = scheme if encoding is None else scheme.with_encoding(encoding)
    scheme = scheme if readout is None else scheme.with_readout(readout)
    normalization = scheme.normalization if normalization is None else normalization
    if input_shape is not None:
        input_shape = _checked_shape(input_shape)
    if calibration_images is not None:
        calibration_images = image_array(calibration_images, "calibration images")
        shape = tuple(calibration_images.shape[1:])
        if input_shape is not None and input_shape != shape:
            raise ShapeError(f"input_shape is {input_shape}, but calibration images have shape {shape}")
        input_shape = shape
        check_images(calibration_images, shape, "calibration images", scheme.encoding.bounded)
        _check_contrast(calibration_images)
    if not input_shape:
        raise ParameterError("pass calibration_images, or input_shape together with normalization='none'")
    graph = extract_graph(model, tuple(input_shape))
    _check_delay(scheme, synaptic_delay)
    normalized = normalize(
        graph, calibration_images, normalization, percentile, per, scheme.encoding.bounded, scheme.readout.fires
    )
    if weight_bits is not None:
        normalized = replace(normalized, graph=quantize_weights(normalized.graph, weight_bits))
    if threshold_factor is not None and "v_threshold" in parameters:
        raise ParameterError(
            "threshold_factor scales thresholds that are measured, but v_threshold is given: leave one out"
        )
    if threshold_factor is not None:
        scheme = _with_threshold_factor(scheme, threshold_factor)
    given = parameters.get("v_threshold")
    partly = isinstance(given, Mapping) and not set(_with_thresholds(graph, scheme)) <= set(given)
    if scheme.measured_threshold is not None and (given is None or partly):
        measured = _measured_thresholds(normalized.graph, calibration_images, scheme)
        scaled, thresholds, score_unit = measured
        parameters["v_threshold"] = {**thresholds, **(given if isinstance(given, Mapping) else {})}
        normalized = replace(normalized, graph=scaled, score_unit=score_unit)
    if "pixel_low" in scheme.all_parameters and calibration_images is not None:
        extremes = {"pixel_low": float(calibration_images.min()), "pixel_high": float(calibration_images.max())}
        parameters = {**extremes, **parameters}
    low, high = parameters.get("pixel_low", 0.0), parameters.get("pixel_high", 1.0)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and not low < high:
        raise ParameterError(f"pixel_low is {low:g} and pixel_high {high:g}; the highest pixel is above the lowest")
    spiking = from_normalized(normalized, scheme, synaptic_delay, **parameters)
    if tau_m is not None or any(type(value) not in (int, float) or value for value in (refractory, noise)):
        spiking = spiking.with_membrane(tau_m=tau_m, refractory=refractory, noise=noise, noise_seed=noise_seed)
    return spiking


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    whole = isinstance(shape, Sequence) and all(isinstance(n, (int, np.integer)) and n > 0 for n in shape)
    if not whole or any(isinstance(n, bool) for n in shape):
        raise ShapeError(f"input_shape is {shape!r}; it is a tuple of whole numbers above 0, such as (1, 28, 28)")
    return tuple(int(n) for n in shape)


def _check_contrast(images: np.ndarray) -> None:
    """Refuse images that tell nothing, as whole numbers give that were divided without a remainder."""
    if images[0].size > 1 and images.min() == images.max():
        raise DataError(
            f"every pixel of the {len(images)} calibration images is {images.flat[0]:g}, so that no activation can be "
            "measured: pass examples of the data, floating-point pixels in [0, 1]"
        )


def _check_delay(scheme: CodingScheme, synaptic_delay: int | Mapping[str, int]) -> None:
    delays = synaptic_delay.values() if isinstance(synaptic_delay, Mapping) else [synaptic_delay]
    if scheme.no_delay and any(delays):
        raise ParameterError(f"coding {scheme.name!r} takes no synaptic_delay: {scheme.no_delay}")


def _with_thresholds(graph: LayerGraph, scheme: CodingScheme) -> list[str]:
    """Return the layers whose threshold matters: all but those that pool, and an output that only accumulates."""
    accumulates = not scheme.readout.fires and "v_threshold" not in scheme.readout.evaluate
    firing = graph.layers[:-1] if accumulates else graph.layers
    return [layer.name for layer in firing if not layer.is_pooling]


def _with_threshold_factor(scheme: CodingScheme, factor: float) -> CodingScheme:
    if scheme.measured_threshold is None:
        raise ParameterError(f"coding {scheme.name!r} measures no thresholds: set v_threshold instead of a factor")
    if not isinstance(factor, (int, float)) or not factor > 0:
        raise ParameterError(f"threshold_factor is {factor!r}; it is above 0")
    return replace(scheme, measured_threshold=float(factor))


def _measured_thresholds(
    graph: LayerGraph, images: np.ndarray | None, scheme: CodingScheme
) -> tuple[LayerGraph, dict[str, float], float]:
    from brianconv.conversion.thresholds import with_measured_thresholds

    if images is None:
        raise ParameterError(
            f"coding {scheme.name!r} measures the threshold of each layer: pass calibration_images, or v_threshold"
        )
    assert scheme.measured_threshold is not None
    return with_measured_thresholds(graph, images, scheme.measured_threshold)


def from_normalized(
    normalized: NormalizedNetwork,
    scheme: CodingScheme,
    /,
    synaptic_delay: int | Mapping[str, int] = 0,
    **parameters: object,
) -> SpikingNetwork:
    """Give a normalised network the neurons of a code; see `convert` for the parameters."""
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
        if not isinstance(steps, (int, np.integer)) or not 0 <= steps <= LONGEST_DELAY:
            raise ParameterError(
                f"the synaptic delay of {name!r} is {steps!r}; it is a number of steps, 0 or more, up to "
                f"{LONGEST_DELAY}"
            )
    return delays


def tolerance(dtype: str) -> float:
    """Return the relative tolerance of thresholds at a floating-point precision."""
    if dtype not in TOLERANCE:
        raise ParameterError(f"dtype {dtype!r} is unknown; choose one of {', '.join(TOLERANCE)}")
    return TOLERANCE[dtype]
