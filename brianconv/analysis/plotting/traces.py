"""Membrane traces: potential before the reset, threshold as it is evaluated, initial potential and spikes."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.style import (
    CYCLE,
    GREEN,
    PAGE_INCHES,
    RED,
    Recordings,
    check_images,
    named,
    panels,
    window_ms,
)
from brianconv.coding.equations import Code
from brianconv.coding.scheme import NeuronModel
from brianconv.errors import DataError
from brianconv.graph import INPUT
from brianconv.positions import Position, checked_positions, torch_index
from brianconv.recording import Potentials, Recording
from brianconv.spiking import SpikingNetwork

FUNCTIONS = {name: getattr(np, name) for name in ("exp", "log", "sqrt", "abs", "floor", "ceil", "clip")}


def plot_potentials(
    recording: Recordings,
    layer: str,
    neurons: Sequence[Position | int] | None = None,
    image: int = 0,
    *,
    spiking: SpikingNetwork | None = None,
    time: tuple[Any, Any] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw membrane traces of one layer, sampled before the reset, with threshold, v_init and spikes.

    The threshold that is drawn is the one that is evaluated, for changed neurons too; where it depends on variables
    that were not recorded, none is drawn.

    Parameters
    ----------
    recording : Recording or mapping of str to Recording
        Made with ``record_potentials``; several are drawn into the same axes, in colours of their own.
    layer : str
    neurons : sequence of positions, optional
        Each (channel, row, column), or (feature,); the first three recorded ones otherwise, those that fire before
        those that do not.
    image : int
    spiking : SpikingNetwork, optional
        The network of recordings that were loaded from files, which do not hold it: without it, neither thresholds nor
        v_init are drawn.
    time : (first, last), optional
        Part to draw: two times such as ``(10*ms, 20*ms)``, or two numbers of steps.
    ax : Axes, or one for each neuron; optional

    Raises
    ------
    DataError, UnknownLayerError
        If potentials of an image, a layer or a neuron were not recorded.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images)
    >>> recording = simulate(spiking, images, 20, record_potentials=["layer_0"])
    >>> figure = plot_potentials(recording, "layer_0", neurons=[(0,), (2,)], time=(5, 15))
    >>> len(figure.axes)
    2
    """
    recordings = named(recording)
    first = next(iter(recordings.values()))
    for single in recordings.values():
        single.positions(layer)
        check_images(single, [image])
    layer = first.named(layer)
    firing = first.spikes_of(layer).of_image(image).torch_index
    shown = _chosen(first, neurons, layer, firing)
    size = (PAGE_INCHES, 0.6 + 1.0 * len(shown))
    with panels(ax, len(shown), size, sharex=True) as (figure, all_axes):
        for axes, position in zip(all_axes, shown, strict=True):
            for index, (name, single) in enumerate(recordings.items()):
                network = spiking or single.spiking
                _trace(axes, _Trace(single, network, layer, position, image), name, CYCLE[index], time)
            unit = "mV" if _units(spiking or first.spiking, layer) else "normalised"
            axes.set_ylabel(f"{_label(layer, position)}\nv ({unit})")
        all_axes[-1].set_xlabel(f"time (ms), image {image}; v before the reset")
        if ax is None:
            handles, labels = all_axes[0].get_legend_handles_labels()
            unique = dict(zip(labels, handles, strict=True))
            figure.legend(list(unique.values()), list(unique), loc="outside upper center", ncols=len(unique))
    return figure


class _Trace:
    """What is drawn of one neuron of one recording."""

    def __init__(
        self, recording: Recording, spiking: SpikingNetwork | None, layer: str, position: Position, image: int
    ) -> None:
        potentials = recording.potentials[layer]
        column = _column(potentials, recording.shapes[layer], position, layer)
        n_steps = int(recording.steps[image])
        self.dt_ms = recording.dt_ms
        self.v = potentials.values[image, :n_steps, column]
        self.fired = np.isin(np.arange(1, n_steps + 1), recording.spike_steps(layer, position, image))
        self.threshold = np.full(n_steps, np.nan)
        self.start: float | None = None
        self.drop: np.ndarray | None = None
        if spiking is not None:
            values = _values(recording, spiking, layer)
            self.threshold = _threshold(spiking, layer, values, self.fired)
            self.start = _start(spiking, layer, values)
            self.drop = _drop(spiking, layer, self.threshold)
        if units := _units(spiking, layer):
            self.threshold = units.v_rest + units.swing * self.threshold
            self.start = None if self.start is None else units.v_rest + units.swing * self.start
            self.drop = None if self.drop is None else units.swing * self.drop


def _trace(axes: Axes, trace: _Trace, name: str, color: Any, time: tuple[Any, Any] | None) -> None:
    times = np.arange(1, len(trace.v) + 1) * trace.dt_ms
    # a sample and, where it is a spike whose reset is known, the potential after the reset at the same time
    after = np.full(len(trace.v), np.nan) if trace.drop is None else trace.v - trace.drop
    path_t, path_v = np.repeat(times, 2), np.stack([trace.v, after], axis=1).ravel()
    falls = trace.fired & ~np.isnan(after)
    shown = np.stack([np.ones(len(trace.v), dtype=bool), falls], axis=1).ravel()
    start = [] if trace.start is None else [trace.start]
    suffix = f", {name}" if name else ""
    x = np.array([0.0] * len(start) + path_t[shown].tolist())
    y = np.array(start + path_v[shown].tolist())
    first, last = window_ms(time, trace.dt_ms, len(trace.v) * trace.dt_ms)
    near = (x >= first - trace.dt_ms) & (x <= last + trace.dt_ms)  # so that the axis fits what is seen
    axes.plot(x[near], y[near], color=color, label=name or "v")
    if trace.start is not None:
        style: dict[str, Any] = {"color": GREEN if not name else color, "linewidth": 0.8, "linestyle": ":"}
        axes.axhline(trace.start, label=f"v_init{suffix}", **style)
    axes.plot(
        times[trace.fired], trace.v[trace.fired], marker="v", linestyle="none", markersize=3.5,
        color=color if name else "black", label="" if name else "spike",
    )  # fmt: skip
    edges = np.arange(len(trace.v) + 1) * trace.dt_ms
    if not np.isnan(trace.threshold).all():
        style = {"color": RED if not name else color, "linewidth": 0.9, "linestyle": "--"}
        axes.stairs(trace.threshold, edges, baseline=None, label=f"threshold{suffix}", **style)
    axes.set_xlim(first, last)


def _units(spiking: SpikingNetwork | None, layer: str) -> Any:
    return spiking.units if spiking is not None and spiking.is_biological(layer) else None


def _values(recording: Recording, spiking: SpikingNetwork, layer: str) -> dict[str, float]:
    """Values of the parameters of a layer in the run of a recording, with what the schedule makes of them."""
    of_run = replace(spiking, parameters=recording.parameters).shared_values
    return {name: by_population[layer] for name, by_population in of_run.items() if layer in by_population}


def _start(spiking: SpikingNetwork, layer: str, values: Mapping[str, float]) -> float | None:
    """Return the potential at the start of an image, if it is a pre-charge of the coding scheme's own."""
    statements = {line.strip() for line in spiking.neurons[layer].on_image.splitlines()}
    if "v = v_init * v_threshold" in statements:
        return values["v_init"] * values["v_threshold"]
    return values["v_init"] if "v = v_init" in statements else None


def _threshold(spiking: SpikingNetwork, layer: str, values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    """Return the threshold of each step, NaN where the neuron cannot fire or its threshold is not known."""
    nothing = np.full(len(fired), np.nan)
    if (layer != INPUT and spiking.graph.layer(layer).is_pooling) or (
        layer == spiking.output and not spiking.coding.readout.fires
    ):
        return nothing
    model, path = spiking.neurons[layer], spiking.coding.threshold_path
    of_coding = spiking.coding.encoding.neuron if layer == INPUT else spiking.coding.neuron
    if model.threshold == of_coding.threshold:
        return nothing if path is None else path(values, fired)
    return evaluated_threshold(model, values, len(fired))


def evaluated_threshold(model: NeuronModel, values: Mapping[str, float], n_steps: int) -> np.ndarray:
    """Return what the condition of a neuron compares v with in each step; NaN if values for that are missing.

    Parameters
    ----------
    model : NeuronModel
        With a threshold such as ``v > 30``, or ``v >= theta * step``.
    values : mapping of str to float
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
    known = {**FUNCTIONS, **model.namespace, **values, "step": np.arange(1.0, n_steps + 1), "tolerance": 0.0}
    try:
        found = eval(compile(ast.Expression(compared[0]), "<threshold>", "eval"), {"__builtins__": {}}, known)
        return np.broadcast_to(np.asarray(found, dtype=float), (n_steps,)).copy()
    except (NameError, TypeError, ValueError):
        return np.full(n_steps, np.nan)


def _drop(spiking: SpikingNetwork, layer: str, threshold: np.ndarray) -> np.ndarray | None:
    """What a spike takes from the potential in each step; None if the reset is not the coding scheme's own."""
    reset = spiking.neurons[layer].reset
    if reset != spiking.coding.neuron.reset or np.isnan(threshold).all():
        return None
    return threshold if "v -=" in reset else np.zeros_like(threshold)


def _label(layer: str, position: Position) -> str:
    return f"{layer} {position}" if len(position) > 1 else f"{layer} ({position[0]})"


def _chosen(
    recording: Recording, neurons: Sequence[Position | int] | None, layer: str, firing: np.ndarray
) -> list[Position]:
    if neurons is not None:
        return checked_positions(recording.shapes[layer], neurons, layer)
    positions = recording.positions(layer)
    silent = ~np.isin(recording.potentials[layer].torch_index, firing)
    return [positions[k] for k in np.argsort(silent, kind="stable")[:3]]


def _column(potentials: Potentials, shape: Position, position: Position, layer: str) -> int:
    found = np.flatnonzero(potentials.torch_index == torch_index(shape, position))
    if not found.size:
        raise DataError(f"the potential of neuron {_label(layer, position)} was not recorded")
    return int(found[0])
