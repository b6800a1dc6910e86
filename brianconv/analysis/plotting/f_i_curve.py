"""The f-I curve of a layer's neurons, and how its firing rate follows the activation for which it stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import Quantity, ms
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brianconv.analysis.plotting.colours import BLUE, ORANGE, PAGE_INCHES, SKY
from brianconv.analysis.plotting.panels import panels
from brianconv.coding.times import Time
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.images import image_array
from brianconv.population_models import CurrentMapping
from brianconv.spiking import SpikingNetwork

N_POINTS = 101
HIGHEST = 1.2  # activation


def plot_f_i_curve(
    spiking: SpikingNetwork,
    layer: str,
    images: np.ndarray | None = None,
    *,
    duration: Time = 500 * ms,
    dt: Quantity = 1 * ms,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Draw the firing rate of a layer's neurons over their input current, and over the activation that it stands for.

    Parameters
    ----------
    spiking : SpikingNetwork
    layer : str
        With any neurons; those of `biology.with_neurons` have their own currents.
    images : array, shape (n_images, channels, rows, columns), optional
        Images, of whose activations a histogram is drawn.
    duration : Quantity or int
        For which the neurons are driven.
    dt : Quantity
        Length of a step.
    ax : sequence of two Axes, optional

    Raises
    ------
    UnknownLayerError, ParameterError
        If there is no such layer, or it is the input.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> figure = plot_f_i_curve(spiking, "layer_0", duration=100)
    >>> figure.axes[1].get_xlabel()
    'activation'
    """
    from brianconv.biology.f_i_curve import f_i_curve  # simulates, and other pictures need not load that

    name = spiking.check_population(layer)
    if name == INPUT or spiking.graph.layer(name).passes_on:
        raise ParameterError(f"population {name!r} has no neurons that are driven by a current")
    mapping = spiking.mappings.get(name, CurrentMapping(1.0, 0.0, 1.0))
    activations = np.linspace(-0.2, HIGHEST, N_POINTS)
    currents = mapping.gain * activations + mapping.offset
    per_ms, per_s = float(ms / dt), 1 / float(dt)
    rates = f_i_curve(spiking.neurons[name], currents, duration, dt)
    with panels(ax, 2, (PAGE_INCHES, 2.6), columns=True) as (figure, (left, right)):
        left.plot(currents * per_ms, rates * per_s, color=BLUE)
        left.set(xlabel="current (thresholds per ms)", ylabel="firing rate (spikes per s)", title=f"f-I curve, {layer}")
        right.plot(activations, np.clip(activations, 0, None), color="0.6", linestyle=":", label="activation")
        right.plot(activations, rates / mapping.peak, color=ORANGE, label="rate / rate of 1")
        right.set(xlabel="activation", ylabel="represented activation", title=spiking.neurons[name].name)
        right.legend(loc="upper left")
        right.set_zorder(1)
        right.patch.set_visible(False)
        if images is not None:
            found = [values[name].ravel() for values in spiking.normalized.ann.activations(image_array(images))]
            shares, edges = np.histogram(np.concatenate(found), bins=40, range=(-0.2, HIGHEST))
            below = right.twinx()
            below.bar(edges[:-1], shares / shares.sum(), np.diff(edges), align="edge", color=SKY, alpha=0.4)
            below.set(yscale="log", ylabel="share of neurons")
            below.spines["right"].set_visible(True)
    return figure
