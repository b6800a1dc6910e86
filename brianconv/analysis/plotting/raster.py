"""Rasters: which neurons fired when, layer below layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import CYCLE, PAGE_INCHES
from brianconv.analysis.plotting.panels import Recordings, check_images, n_neurons, named, panels, window_ms
from brianconv.errors import DataError, ParameterError
from brianconv.recording import Recording, Spikes

MOST_MARKS = 2000  # neurons of a layer; more are drawn as a density
DENSITY_ROWS = 60
SORTS = ("first_spike", "rate")
Sort = str | Callable[[np.ndarray, Spikes], Any] | None


def plot_raster(
    recording: Recordings,
    images: Sequence[int] = (0,),
    neurons: int | None = 60,
    seed: int = 0,
    *,
    layers: Sequence[str] | None = None,
    time: tuple[Any, Any] | None = None,
    sort: Sort = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw the recorded spikes of each layer in bands of equal height.

    Parameters
    ----------
    recording : Recording or mapping of str to Recording
        Made with ``record_spikes``; several are drawn one below the other under their names.
    images : sequence of int
        Images to draw, one after another.
    neurons : int or None
        Neurons drawn per layer, chosen at random from those that fire; None for all. Above 2,000, the density of
        spikes is drawn instead of each spike.
    seed : int
        Of the choice of neurons.
    layers : sequence of str, optional
        By default, all recorded layers.
    time : (first, last), optional
        Part to draw: two times such as ``(10*ms, 20*ms)``, or two numbers of steps.
    sort : {"first_spike", "rate"} or callable, optional
        Order of the neurons from top to bottom: by their first spike, by their number of spikes (most first), or by
        the keys that a function of the neurons (torch's flat indices, shape (n,)) and the `Spikes` of these images
        returns. By default, by their index.
    ax : Axes, or one for each recording; optional

    Raises
    ------
    DataError, UnknownLayerError
        If spikes of an image or a layer were not recorded.
    ParameterError
        For an unknown order, an impossible time, or too few axes.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> recording = simulate(convert(model, images), images, 20, record_spikes=["input", "layer_0"])
    >>> figure = plot_raster(recording, images=[0, 1], sort="first_spike")
    >>> figure.axes[0].get_xlabel()
    'time (ms)'
    """
    if isinstance(sort, str) and sort not in SORTS:
        raise ParameterError(f"sort is {sort!r}; it is one of {', '.join(SORTS)}, a function, or None")
    recordings = named(recording)
    chosen = {name: _layers(single, layers) for name, single in recordings.items()}
    for single in recordings.values():
        check_images(single, images)
    height = sum(0.45 + 0.55 * len(of) for of in chosen.values()) + 0.3
    ratios = [max(len(of), 1) for of in chosen.values()]
    with panels(ax, len(recordings), (PAGE_INCHES, height), height_ratios=ratios) as (figure, all_axes):
        for axes, (name, single) in zip(all_axes, recordings.items(), strict=True):
            _draw(axes, single, chosen[name], images, neurons, np.random.default_rng(seed), time, sort)
            axes.set_title(name, loc="left")
    return figure


def _layers(recording: Recording, layers: Sequence[str] | None) -> list[str]:
    if not recording.spikes:
        raise DataError("no spikes were recorded: simulate with record_spikes=[...]")
    if layers is None:
        return list(recording.spikes)
    for name in layers:
        recording.spikes_of(name)
    return [recording.named(name) for name in layers]


@dataclass(frozen=True)
class _Band:
    """Spikes of a layer that are drawn: when, and in which of its rows, counted from the top."""

    times: np.ndarray
    rows: np.ndarray
    n_rows: int
    n_fired: int


def _draw(
    axes: Axes, recording: Recording, layers: Sequence[str], images: Sequence[int], neurons: int | None,
    random: np.random.Generator, time: tuple[Any, Any] | None, sort: Sort,
) -> None:  # fmt: skip
    starts = np.concatenate([[0], np.cumsum([recording.steps[k] for k in images])]) * recording.dt_ms
    first, last = window_ms(time, recording.dt_ms, float(starts[-1]) + recording.dt_ms)
    ticks = []
    for index, layer in enumerate(layers):
        band = _band(recording, layer, images, starts, neurons, random, sort)
        inside = (band.times >= first) & (band.times <= last)
        times, y = band.times[inside], index + (band.rows[inside] + 0.5) / band.n_rows
        color = CYCLE[index % len(CYCLE)]
        if band.n_rows > MOST_MARKS:
            _draw_density(axes, times, y - index, index, (first, last), recording.dt_ms)
        else:
            size = np.clip(40.0 / band.n_rows, 0.8, 14.0) ** 2
            many = len(times) > MOST_MARKS
            axes.scatter(times, y, s=size, marker="|", linewidths=0.7, color=color, rasterized=many)
        if not len(times):
            axes.text((first + last) / 2, index + 0.5, "no spikes", ha="center", va="center", color="0.5")
        ticks.append((index + 0.5, _label(recording, layer, band)))
        axes.axhline(index + 1, color="0.7", linewidth=0.6)
    for start in starts[1:-1]:
        axes.axvline(start, color="0.4", linewidth=0.6, linestyle="--")
    for k, start in zip(images, starts, strict=False):
        if first <= start < last and len(images) > 1:
            axes.text(start, 0, f" image {k}", va="bottom", ha="left", color="0.3")
    axes.set_yticks([y for y, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="time (ms)", xlim=(first, last), ylim=(len(layers), 0))


def _label(recording: Recording, layer: str, band: _Band) -> str:
    """Say how many neurons fired and how many of them are shown."""
    total = n_neurons(recording, layer)
    if not band.n_fired:
        silent = layer == recording.layers[-1] and not recording.spike_counts[:, -1].any()
        return f"{layer}\n{'does not fire' if silent else f'none of {total:,} fired'}"
    fired = f"{band.n_fired:,} of {total:,} fired"
    return f"{layer}\n{fired}" if band.n_rows >= band.n_fired else f"{layer}\n{band.n_rows:,} shown, {fired}"


def _band(
    recording: Recording, layer: str, images: Sequence[int], starts: np.ndarray, most: int | None,
    random: np.random.Generator, sort: Sort,
) -> _Band:  # fmt: skip
    spikes = recording.spikes_of(layer)
    parts = [(start, spikes.of_image(k)) for k, start in zip(images, starts, strict=False)]
    times = np.concatenate([start + part.step * recording.dt_ms for start, part in parts])
    indices = np.concatenate([part.torch_index for _, part in parts])
    firing, total = np.unique(indices), n_neurons(recording, layer)
    if total <= (most or total) and sort is None:
        return _Band(times, indices, total, firing.size)
    chosen = firing
    if most is not None and firing.size > most:
        chosen = np.sort(random.choice(firing, size=most, replace=False))
    shown = np.isin(indices, chosen)
    steps = np.concatenate([part.step for _, part in parts])
    of_images = Spikes(np.repeat(images, [len(part.step) for _, part in parts]), steps, indices)
    order = np.argsort(_keys(chosen, indices, times, of_images, sort), kind="stable")
    rank = np.empty(chosen.size, dtype=int)
    rank[order] = np.arange(chosen.size)
    return _Band(times[shown], rank[np.searchsorted(chosen, indices[shown])], max(chosen.size, 1), firing.size)


def _keys(chosen: np.ndarray, indices: np.ndarray, times: np.ndarray, spikes: Spikes, sort: Sort) -> np.ndarray:
    if sort is None:
        return chosen
    if sort == "rate":
        return -np.bincount(indices, minlength=int(chosen.max(initial=0)) + 1)[chosen]
    if sort == "first_spike":
        earliest = np.full(int(indices.max(initial=0)) + 1, np.inf)
        np.minimum.at(earliest, indices, times)
        return earliest[chosen]
    assert callable(sort)
    keys = np.asarray(sort(chosen, spikes))
    if keys.shape != chosen.shape:
        raise ParameterError(f"sort returned keys of shape {keys.shape} for {chosen.size} neurons; return one each")
    return keys


def _draw_density(
    axes: Axes, times: np.ndarray, y: np.ndarray, index: int, window: tuple[float, float], dt_ms: float
) -> None:
    """Draw spikes per bin as an image within the band of a layer."""
    n_columns = int(np.clip(np.ceil((window[1] - window[0]) / dt_ms), 1, 400))
    counts, _, _ = np.histogram2d(y, times, bins=(DENSITY_ROWS, n_columns), range=((0, 1), window))
    axes.imshow(
        np.ma.masked_equal(counts, 0), extent=(*window, index + 1, index), aspect="auto", cmap="cividis_r",
        interpolation="nearest",
    )  # fmt: skip
