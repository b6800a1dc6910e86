"""Firing rates against activations, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import BLUE, RED
from brianconv.analysis.plotting.panels import n_neurons, panels
from brianconv.errors import DataError
from brianconv.graph import INPUT
from brianconv.recording import Recording
from brianconv.spiking import SpikingNetwork


def plot_correlation(
    recording: Recording,
    spiking: SpikingNetwork,
    images: np.ndarray,
    layers: Sequence[str] | None = None,
    n_steps: int | None = None,
    most: int = 5000,
    *,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draw firing rates against normalised activations, one panel per layer; perfect conversion lies on the diagonal.

    Parameters
    ----------
    recording : Recording
        Made with ``record_spikes``, from the same images.
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    layers : sequence of str, optional
        By default, all recorded layers but the input.
    n_steps : int, optional
        Rates over this many first steps; all by default.
    most : int
        Points drawn per panel, evenly chosen.
    ax : sequence of Axes, one for each layer; optional

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
    with panels(ax, len(layers), (1.75 * len(layers) + 0.4, 2.2), columns=True) as (figure, all_axes):
        for axes, name in zip(all_axes, layers, strict=True):
            activation = np.concatenate([values[name] for values in batches]).ravel()
            _correlation_panel(axes, activation, _rates(recording, name, n_steps), most)
            axes.set_title(name)
        all_axes[0].set_ylabel(f"firing rate (spikes/step, {n_steps} steps)")
        if ax is None:
            figure.supxlabel("normalised activation (thresholds/step)", fontsize=8)
    return figure


def _rates(recording: Recording, name: str, n_steps: int) -> np.ndarray:
    spikes, count = recording.spikes_of(name), n_neurons(recording, name)
    counted = spikes.step <= n_steps
    flat = spikes.image[counted] * count + spikes.torch_index[counted]
    return np.bincount(flat, minlength=recording.n_images * count) / n_steps


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
