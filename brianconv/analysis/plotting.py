"""Pictures of a recording: raster, membrane traces, accuracy by step, rates against activations.

Each function draws into a figure and returns it; nothing is shown or written. Colours are those of Okabe and Ito
(2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.errors import DataError
from brianconv.graph import INPUT
from brianconv.positions import Position, checked_positions, torch_index
from brianconv.recording import Potentials, Recording
from brianconv.spiking import SpikingNetwork

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
THINNEST_BAND = 30  # a layer of few neurons is drawn as high as one of so many
STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "font.size": 10,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "figure.dpi": 100,
}


def plot_raster(recording: Recording, images: Sequence[int] = (0,), neurons: int = 60, seed: int = 0) -> Figure:
    """Draw the recorded spikes of each layer, with boundaries between layers and between images.

    Parameters
    ----------
    recording : Recording
        Made with ``record_spikes``.
    images : sequence of int
        Images to draw, one after another.
    neurons : int
        Neurons drawn of a layer; chosen at random from those that fire, and shown in the order of their index.
    seed : int
        Of the choice of neurons.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> recording = simulate(convert(model, images), images, 20, record_spikes=["input", "layer_0"])
    >>> figure = plot_raster(recording, images=[0, 1])
    >>> figure.axes[0].get_xlabel()
    'time (ms)'
    """
    if not recording.spikes:
        raise DataError("no spikes were recorded: simulate with record_spikes=[...]")
    _check_images(recording, images)
    dt_ms = recording.dt_ms
    starts = np.concatenate([[0], np.cumsum([recording.steps[k] for k in images])]) * dt_ms
    random = np.random.default_rng(seed)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.9 * len(recording.spikes)), layout="constrained")
        base, ticks = 0.0, []
        for index, name in enumerate(recording.spikes):
            times, rows, height = _raster_rows(recording, name, images, starts, neurons, random)
            band = np.clip(height, THINNEST_BAND, neurons)
            y, size = base + rows * band / height, (2.2 * band / height) ** 2
            axes.scatter(times, y, s=size, marker="|", linewidths=0.9, color=CYCLE[index % len(CYCLE)])
            ticks.append((base + band / 2, f"{name}\n{height} of {int(np.prod(recording.shapes[name]))}"))
            base += band
            axes.axhline(base, color="0.7", linewidth=0.8)
        for start in starts[1:-1]:
            axes.axvline(start, color="0.4", linewidth=0.8, linestyle="--")
        for k, start in zip(images, starts, strict=False):
            axes.text(start, 0, f" image {k}", va="bottom", ha="left", fontsize=9, color="0.3")
        axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks])
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="time (ms)", ylabel="layer (neurons shown)", xlim=(0, starts[-1] + dt_ms), ylim=(base, 0))
    return figure


def _raster_rows(
    recording: Recording,
    name: str,
    images: Sequence[int],
    starts: np.ndarray,
    most: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return spike times, the row of each spike, and the number of rows."""
    spikes = recording.spikes_of(name)
    parts = [(start, spikes.of_image(k)) for k, start in zip(images, starts, strict=False)]
    times = np.concatenate([start + part.step * recording.dt_ms for start, part in parts])
    indices = np.concatenate([part.torch_index for _, part in parts])
    firing, n_neurons = np.unique(indices), int(np.prod(recording.shapes[name]))
    if n_neurons <= most:
        return times, indices + 0.5, n_neurons
    chosen = np.sort(random.choice(firing, size=min(most, firing.size), replace=False))
    shown = np.isin(indices, chosen)
    return times[shown], np.searchsorted(chosen, indices[shown]) + 0.5, max(chosen.size, 1)


def plot_potentials(
    recording: Recording,
    spiking: SpikingNetwork,
    layer: str,
    neurons: Sequence[Position | int] | None = None,
    image: int = 0,
) -> Figure:
    """Draw membrane traces of one layer, sampled before the reset, with threshold, v_init and spikes.

    Parameters
    ----------
    recording : Recording
        Made with ``record_potentials``; gives threshold and pre-charge of its run.
    spiking : SpikingNetwork
        Tells how the neurons are reset.
    layer : str
    neurons : sequence of positions, optional
        Each (channel, row, column), or (feature,); the first three recorded ones otherwise, those that fire before
        those that do not.
    image : int

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images)
    >>> recording = simulate(spiking, images, 20, record_potentials=["layer_0"], record_spikes=["layer_0"])
    >>> figure = plot_potentials(recording, spiking, "layer_0", neurons=[(0,), (2,)])
    >>> len(figure.axes)
    2
    """
    positions = recording.positions(layer)
    _check_images(recording, [image])
    values_of, firing = recording.potentials[layer], recording.spikes_of(layer).of_image(image).torch_index
    columns = _columns(values_of, neurons, layer, recording.shapes[layer], firing)
    values = _values(recording, spiking, layer)
    start = _start(spiking, layer, values)
    units = spiking.units if spiking.is_biological(layer) else None
    if units and start is not None:
        start = units.v_rest + units.swing * start
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            len(columns), 1, figsize=(7.0, 0.9 + 1.1 * len(columns)), sharex=True, squeeze=False, layout="constrained"
        )
        for axes, column in zip(all_axes[:, 0], columns, strict=True):
            spike_steps = recording.spike_steps(layer, positions[column], image)
            fired = np.isin(np.arange(1, recording.n_steps + 1), spike_steps)
            threshold = _threshold(spiking, layer, values, fired)
            drop = _drop(spiking, layer, threshold)
            if units:
                drop = None if drop is None else units.swing * drop
                threshold = units.v_rest + units.swing * threshold
            _trace(axes, values_of.values[image, :, column], fired, drop, start, recording.dt_ms)
            edges = np.arange(recording.n_steps + 1) * recording.dt_ms
            axes.stairs(threshold, edges, baseline=None, color=RED, linewidth=1.0, linestyle="--", label="threshold")
            axes.set_ylabel(f"{_named(layer, positions[column])}\nv ({'mV' if units else 'normalised'})")
        all_axes[-1, 0].set_xlabel(f"time (ms), image {image}; v before the reset")
        handles, labels = all_axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _values(recording: Recording, spiking: SpikingNetwork, layer: str) -> dict[str, float]:
    """Values of the parameters of a layer in the run of a recording, with what the code's schedule makes of them."""
    of_run = replace(spiking, parameters=recording.parameters).shared_values
    return {name: by_population[layer] for name, by_population in of_run.items() if layer in by_population}


def _start(spiking: SpikingNetwork, layer: str, values: Mapping[str, float]) -> float | None:
    """Return the potential at the start of an image, if it is a pre-charge of the code's own."""
    statements = {line.strip() for line in spiking.neurons[layer].on_image.splitlines()}
    if "v = v_init * v_threshold" in statements:
        return values["v_init"] * values["v_threshold"]
    return values["v_init"] if "v = v_init" in statements else None


def _threshold(spiking: SpikingNetwork, layer: str, values: Mapping[str, float], fired: np.ndarray) -> np.ndarray:
    path = spiking.coding.threshold_path
    silent = (
        path is None
        or (layer != INPUT and spiking.graph.layer(layer).is_pooling)
        or (layer == spiking.output and not spiking.coding.readout.fires)
    )
    return np.full(len(fired), np.nan) if silent or path is None else path(values, fired)


def _drop(spiking: SpikingNetwork, layer: str, threshold: np.ndarray) -> np.ndarray | None:
    """What a spike takes from the potential in each step; None if the reset is not the code's own."""
    reset = spiking.neurons[layer].reset
    if reset != spiking.coding.neuron.reset:
        return None
    return threshold if "v -=" in reset else np.zeros_like(threshold)


def _named(layer: str, position: Position) -> str:
    return f"{layer} {position}" if len(position) > 1 else f"{layer} ({position[0]})"


def _columns(
    potentials: Potentials, neurons: Sequence[Position | int] | None, layer: str, shape: Position, firing: np.ndarray
) -> list[int]:
    recorded = potentials.torch_index
    if neurons is None:
        silent = ~np.isin(recorded, firing)
        return sorted(np.argsort(silent, kind="stable")[:3].tolist())
    chosen = checked_positions(shape, neurons, layer)
    columns = [np.flatnonzero(recorded == torch_index(shape, position)) for position in chosen]
    for position, column in zip(chosen, columns, strict=True):
        if not column.size:
            raise DataError(f"the potential of neuron {_named(layer, position)} was not recorded")
    return [int(column[0]) for column in columns]


def _trace(
    axes: Axes, v: np.ndarray, fired: np.ndarray, drop: np.ndarray | None, v_init: float | None, dt_ms: float
) -> None:
    """Draw one neuron; the fall after a spike is drawn by `drop`, or left out if the reset is another one."""
    times = np.arange(1, len(v) + 1) * dt_ms
    after = np.full(len(v), np.nan) if drop is None else v - drop
    # a sample, and where it is a spike, the potential after the reset at the same time
    path_t, path_v = np.repeat(times, 2), np.stack([v, after], axis=1).ravel()
    shown = np.stack([np.ones(len(v), dtype=bool), fired], axis=1).ravel()
    start = np.nan if v_init is None else v_init
    axes.plot(np.append(0.0, path_t[shown]), np.append(start, path_v[shown]), color=BLUE, linewidth=1.2, label="v")
    if v_init is not None:
        axes.axhline(v_init, color=GREEN, linewidth=1.0, linestyle=":", label="v_init")
    axes.plot(times[fired], v[fired], marker="v", linestyle="none", markersize=4, color="black", label="spike")
    axes.set_xlim(0, times[-1])


def plot_accuracy(
    curves: Mapping[str, np.ndarray], ann_accuracy: float | None = None, dt_ms: float | None = None
) -> Figure:
    """Draw accuracy by step, one curve a name, with the accuracy of the network before conversion as a line.

    Parameters
    ----------
    curves : mapping of str to array, shape (n_steps,)
        As `Recording.accuracy_by_step` returns them.
    ann_accuracy : float, optional
    dt_ms : float, optional
        Draw against time in ms instead of steps.

    Examples
    --------
    >>> curve = np.array([0.1, 0.5, 0.9])
    >>> figure = plot_accuracy({"rate": curve}, ann_accuracy=0.95)
    >>> len(figure.axes)
    1
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
        for name, curve in curves.items():
            steps = np.arange(1, len(curve) + 1)
            axes.plot(steps * (dt_ms or 1), 100 * np.asarray(curve), label=name)
        if ann_accuracy is not None:
            label = f"ANN ({100 * ann_accuracy:.2f} %)"
            axes.axhline(100 * ann_accuracy, color="0.3", linestyle="--", linewidth=1, label=label)
        axes.set(xlabel="time (ms)" if dt_ms else "steps", ylabel="accuracy (%)", ylim=(0, 102))
        axes.set_xlim(left=0)
        axes.legend(loc="lower right")
    return figure


def plot_correlation(
    recording: Recording,
    spiking: SpikingNetwork,
    images: np.ndarray,
    layers: Sequence[str] | None = None,
    n_steps: int | None = None,
    most: int = 5000,
) -> Figure:
    """Draw firing rates against normalised activations, one panel a layer; perfect conversion lies on the diagonal.

    Parameters
    ----------
    recording : Recording
        Made with ``record_spikes``, from the same images.
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    layers : sequence of str, optional
        All recorded layers but the input otherwise.
    n_steps : int, optional
        Rates over so many first steps; all otherwise.
    most : int
        Points drawn a panel, evenly chosen.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images)
    >>> recording = simulate(spiking, images, 20, record_spikes=spiking.populations)
    >>> figure = plot_correlation(recording, spiking, images)
    >>> len(figure.axes) > 0
    True
    """
    layers = list(layers or [name for name in recording.spikes if name != INPUT])
    if not layers:
        raise DataError("no spikes were recorded: simulate with record_spikes=[...]")
    if len(images) != recording.n_images:
        raise DataError(f"there are {len(images)} images for a recording of {recording.n_images}")
    n_steps = n_steps or recording.n_steps
    batches = list(spiking.normalized.ann.activations(images))
    with plt.rc_context(STYLE):
        figure, all_axes = plt.subplots(
            1, len(layers), figsize=(2.6 * len(layers) + 0.6, 3.2), squeeze=False, layout="constrained"
        )
        for axes, name in zip(all_axes[0], layers, strict=True):
            activation = np.concatenate([values[name] for values in batches]).ravel()
            _correlation_panel(axes, activation, _rates(recording, name, n_steps), most)
            axes.set_title(name, fontsize=10)
        all_axes[0, 0].set_ylabel(f"firing rate (spikes/step, {n_steps} steps)")
        figure.supxlabel("normalised activation (thresholds/step)", fontsize=10)
    return figure


def _rates(recording: Recording, name: str, n_steps: int) -> np.ndarray:
    spikes, n_neurons = recording.spikes_of(name), int(np.prod(recording.shapes[name]))
    counted = spikes.step <= n_steps
    flat = spikes.image[counted] * n_neurons + spikes.torch_index[counted]
    return np.bincount(flat, minlength=recording.n_images * n_neurons) / n_steps


def _correlation_panel(axes: Axes, activation: np.ndarray, rate: np.ndarray, most: int) -> None:
    shown = np.unique(np.linspace(0, rate.size - 1, min(most, rate.size)).astype(int))
    high = max(1.0, float(activation[shown].max()))
    low = min(0.0, float(activation[shown].min()))
    axes.plot([low, 0, 1, high], [0, 0, 1, 1], color=RED, linewidth=1, label="clip(activation, 0, 1)")
    axes.plot(activation[shown], rate[shown], ".", markersize=2, color=BLUE, alpha=0.5, rasterized=True)
    with np.errstate(invalid="ignore"):
        r = np.corrcoef(np.clip(activation, 0, 1), rate)[0, 1]
    axes.text(0.04, 0.96, f"r = {r:.3f}", transform=axes.transAxes, va="top")
    axes.set(xlim=(low - 0.03, high + 0.03), ylim=(-0.03, 1.05))


def _check_images(recording: Recording, images: Sequence[int]) -> None:
    wrong = [k for k in images if not 0 <= k < recording.n_images]
    if wrong or len(images) == 0:
        raise DataError(
            f"image {wrong[0] if wrong else 'none'} was not simulated; choose from 0 to {recording.n_images - 1}"
        )
