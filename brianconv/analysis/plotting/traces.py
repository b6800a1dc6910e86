"""Membrane traces: potential before the reset, threshold as it is evaluated, initial potential and spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import CYCLE, GREEN, PAGE_INCHES, RED
from brianconv.analysis.plotting.panels import Recordings, check_images, named, panels, window_ms
from brianconv.analysis.traces import MembraneTrace, neuron_label, units_of
from brianconv.coding.equations import equations_of
from brianconv.errors import DataError
from brianconv.positions import Position, checked_positions
from brianconv.recording import Recording
from brianconv.spiking import SpikingNetwork


def plot_potentials(
    recording: Recordings,
    layer: str,
    neurons: Sequence[Position | int] | None = None,
    image: int = 0,
    *,
    variables: Sequence[str] = (),
    spiking: SpikingNetwork | None = None,
    time: tuple[Any, Any] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw membrane traces of one layer, sampled before the reset, with threshold, v_init and spikes.

    The threshold that is drawn is the one that is evaluated, for changed neurons too; where it depends on variables
    that were not recorded (``record_variables``), none is drawn.

    Parameters
    ----------
    recording : Recording or mapping of str to Recording
        Made with ``record_potentials``; several are drawn into the same axes, in colours of their own.
    layer : str
    neurons : sequence of positions, optional
        Each (channel, row, column), or (feature,); by default the first three recorded ones, those that fire before
        those that do not.
    image : int
    variables : sequence of str
        Other variables that were recorded, each drawn below the potential of its neuron.
    spiking : SpikingNetwork, optional
        The network of recordings that were loaded from files, which lack it: without it, neither thresholds nor
        v_init are drawn.
    time : (first, last), optional
        Part to draw: two times such as ``(10*ms, 20*ms)``, or two numbers of steps.
    ax : Axes, or one for each potential and variable of each neuron; optional

    Raises
    ------
    DataError, UnknownLayerError
        If potentials of an image, a layer or a neuron, or a variable, were not recorded.

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
    _check_variables(recordings, layer, variables)
    firing = first.spikes_of(layer).of_image(image).torch_index
    shown = _chosen(first, neurons, layer, firing)
    rows = [(position, variable) for position in shown for variable in ("v", *variables)]
    size = (PAGE_INCHES, 0.6 + 1.0 * len(rows))
    with panels(ax, len(rows), size, sharex=True) as (figure, all_axes):
        for axes, (position, variable) in zip(all_axes, rows, strict=True):
            for index, (name, single) in enumerate(recordings.items()):
                network = spiking or single.spiking
                trace = MembraneTrace(single, network, layer, position, image)
                if variable == "v":
                    _trace(axes, trace, name, CYCLE[index], time)
                else:
                    _variable(axes, trace, variable, name, CYCLE[index], time)
            unit = "mV" if units_of(spiking or first.spiking, layer) else "normalised"
            what = f"v ({unit})" if variable == "v" else _with_unit(spiking or first.spiking, layer, variable)
            axes.set_ylabel(f"{neuron_label(layer, position)}\n{what}" if variable == "v" else what)
        all_axes[-1].set_xlabel(f"time (ms), image {image}; v before the reset")
        if ax is None:
            handles, labels = all_axes[0].get_legend_handles_labels()
            unique = dict(zip(labels, handles, strict=True))
            figure.legend(list(unique.values()), list(unique), loc="outside upper center", ncols=len(unique))
    return figure


def _trace(axes: Axes, trace: MembraneTrace, name: str, color: Any, time: tuple[Any, Any] | None) -> None:
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


def _variable(
    axes: Axes, trace: MembraneTrace, variable: str, name: str, color: Any, time: tuple[Any, Any] | None
) -> None:
    times = np.arange(1, len(trace.v) + 1) * trace.dt_ms
    axes.plot(times, trace.variables[variable], color=color, label=name or "_")
    axes.set_xlim(*window_ms(time, trace.dt_ms, len(trace.v) * trace.dt_ms))


def _with_unit(spiking: SpikingNetwork | None, layer: str, variable: str) -> str:
    """Return the name of a variable with its unit, if that is known and not 1."""
    unit = "1" if spiking is None else equations_of(spiking.model(layer).equations)[variable].unit
    return variable if unit in ("1", "boolean", "integer") else f"{variable} ({unit})"


def _check_variables(recordings: dict[str, Recording], layer: str, variables: Sequence[str]) -> None:
    for recording in recordings.values():
        recorded = recording.potentials[layer].variables
        if isinstance(variables, str) or (missing := [name for name in variables if name not in recorded]):
            wanted = [variables] if isinstance(variables, str) else missing
            raise DataError(
                f"variables are {variables!r}, a list of what was recorded; of {layer!r}, that is {list(recorded)}: "
                f"simulate with record_variables={{{layer!r}: {wanted}}}"
            )


def _chosen(
    recording: Recording, neurons: Sequence[Position | int] | None, layer: str, firing: np.ndarray
) -> list[Position]:
    if neurons is not None:
        return checked_positions(recording.shapes[layer], neurons, layer)
    positions = recording.positions(layer)
    silent = ~np.isin(recording.potentials[layer].torch_index, firing)
    return [positions[k] for k in np.argsort(silent, kind="stable")[:3]]
