"""The membrane of a neuron over time: potential, spikes, and the threshold as it is evaluated in each step."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from brianconv.coding.equations import Code
from brianconv.coding.scheme import NeuronModel
from brianconv.errors import DataError
from brianconv.graph import INPUT
from brianconv.positions import Position, torch_index
from brianconv.recording import Potentials, Recording
from brianconv.spiking import SpikingNetwork

FUNCTIONS = {name: getattr(np, name) for name in ("exp", "log", "sqrt", "abs", "floor", "ceil", "clip")}


class MembraneTrace:
    """The membrane of one neuron while one image is shown.

    Parameters
    ----------
    recording : Recording
        With the neuron's potential and the spikes of its layer.
    spiking : SpikingNetwork or None
        Without it, threshold, start and drop are unknown.
    layer : str
    position : tuple of int
    image : int

    Attributes
    ----------
    dt_ms : float
    v : array, shape (n_steps,)
        After integration and before the reset.
    fired : array of bool, shape (n_steps,)
    threshold : array, shape (n_steps,)
        As it is evaluated in each step; NaN where it is not known or the neuron cannot fire.
    start : float or None
        Potential at the start of the image, if it is the coding scheme's own pre-charge.
    drop : array, shape (n_steps,), or None
        What a spike takes from the potential; None if the reset is not the coding scheme's own.
    variables : mapping of str to array, shape (n_steps,)
        Other variables that were recorded.

    Raises
    ------
    DataError
        If the potential was not recorded.
    """

    def __init__(
        self, recording: Recording, spiking: SpikingNetwork | None, layer: str, position: Position, image: int
    ) -> None:
        potentials = recording.potentials[layer]
        column = _column(potentials, recording.shapes[layer], position, layer)
        n_steps = int(recording.steps[image])
        self.dt_ms = recording.dt_ms
        self.v = potentials.values[image, :n_steps, column]
        self.fired = np.isin(np.arange(1, n_steps + 1), recording.spike_steps(layer, position, image))
        self.variables = {name: values[image, :n_steps, column] for name, values in potentials.variables.items()}
        self.threshold = np.full(n_steps, np.nan)
        self.start: float | None = None
        self.drop: np.ndarray | None = None
        if spiking is not None:
            values = _values(recording, spiking, layer)
            self.threshold = _threshold(spiking, layer, values | self.variables, self.fired)
            self.start = _start(spiking, layer, values)
            self.drop = _drop(spiking, layer, self.threshold)
        if units := units_of(spiking, layer):
            self.threshold = units.v_rest + units.swing * self.threshold
            self.start = None if self.start is None else units.v_rest + units.swing * self.start
            self.drop = None if self.drop is None else units.swing * self.drop


def units_of(spiking: SpikingNetwork | None, layer: str) -> Any:
    """Return the millivolts of a layer that has them; None otherwise."""
    return spiking.units if spiking is not None and spiking.is_biological(layer) else None


def _values(recording: Recording, spiking: SpikingNetwork, layer: str) -> dict[str, float]:
    """Values of the parameters of a layer in the run of a recording, with what the schedule derives from them."""
    of_run = replace(spiking, parameters=recording.parameters).shared_values
    return {name: by_population[layer] for name, by_population in of_run.items() if layer in by_population}


def _start(spiking: SpikingNetwork, layer: str, values: Mapping[str, float]) -> float | None:
    """Return the potential at the start of an image, if it is the coding scheme's own pre-charge."""
    statements = {line.strip() for line in spiking.neurons[layer].on_image.splitlines()}
    if "v = v_init * v_threshold" in statements:
        return values["v_init"] * values["v_threshold"]
    return values["v_init"] if "v = v_init" in statements else None


def _threshold(spiking: SpikingNetwork, layer: str, values: Mapping[str, Any], fired: np.ndarray) -> np.ndarray:
    """Return the threshold of each step, NaN where the neuron cannot fire or its threshold is not known."""
    nothing = np.full(len(fired), np.nan)
    if (layer != INPUT and spiking.graph.layer(layer).passes_on) or (
        layer == spiking.output and not spiking.coding.readout.fires
    ):
        return nothing
    model, path = spiking.neurons[layer], spiking.coding.threshold_path
    of_coding = spiking.coding.encoding.neuron if layer == INPUT else spiking.coding.neuron
    if model.threshold == of_coding.threshold:
        return nothing if path is None else path(values, fired)
    return evaluated_threshold(model, values, len(fired))


def evaluated_threshold(model: NeuronModel, values: Mapping[str, Any], n_steps: int) -> np.ndarray:
    """Return what the condition of a neuron compares v with in each step; NaN if values for that are missing.

    Parameters
    ----------
    model : NeuronModel
        With a threshold such as ``v > 30``, or ``v >= theta * step``.
    values : mapping of str to float or array, shape (n_steps,)
        Of the variables that are known.
    n_steps : int
    """
    code = Code(model.threshold)
    compared = [
        node.comparators[0]
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "v"
        and isinstance(node.ops[0], (ast.Gt, ast.GtE))
    ]
    if len(compared) != 1:
        return np.full(n_steps, np.nan)
    known = {
        **_units(code),
        **FUNCTIONS,
        **_plain(model.namespace),
        **values,
        "step": np.arange(1.0, n_steps + 1),
        "tolerance": 0.0,
    }
    try:
        found = eval(compile(ast.Expression(compared[0]), "<threshold>", "eval"), {"__builtins__": {}}, known)
        return np.broadcast_to(np.asarray(found, dtype=float), (n_steps,)).copy()
    except (NameError, TypeError, ValueError):
        return np.full(n_steps, np.nan)


def _units(code: Code) -> dict[str, float]:
    """Return the units that an expression mentions, in base units of SI as recorded variables are."""
    from brian2.core.namespace import DEFAULT_UNITS

    return {node.id: float(DEFAULT_UNITS[node.id]) for node in code.variables() if node.id in DEFAULT_UNITS}


def _plain(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers and quantities as plain arrays, in base units of SI."""
    return {name: value if callable(value) else np.asarray(value) for name, value in namespace.items()}


def _drop(spiking: SpikingNetwork, layer: str, threshold: np.ndarray) -> np.ndarray | None:
    """What a spike takes from the potential in each step; None if the reset is not the coding scheme's own."""
    reset = spiking.neurons[layer].reset
    if reset != spiking.coding.neuron.reset or np.isnan(threshold).all():
        return None
    return threshold if "v -=" in reset else np.zeros_like(threshold)


def neuron_label(layer: str, position: Position) -> str:
    """Return a neuron as it is named in pictures, such as "conv2 (3, 5, 5)"."""
    return f"{layer} {position}" if len(position) > 1 else f"{layer} ({position[0]})"


def _column(potentials: Potentials, shape: Position, position: Position, layer: str) -> int:
    found = np.flatnonzero(potentials.torch_index == torch_index(shape, position))
    if not found.size:
        raise DataError(f"the potential of neuron {neuron_label(layer, position)} was not recorded")
    return int(found[0])
