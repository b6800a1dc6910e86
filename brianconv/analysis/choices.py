"""Neurons that are worth looking at."""

from __future__ import annotations

import numpy as np

from brianconv.graph import INPUT
from brianconv.positions import Position, position_of_torch_index
from brianconv.spiking import SpikingNetwork

SHARES = (0.75, 0.4, 0.1)  # positions in the ranking of neurons with an activation above 0


def lively_neurons(spiking: SpikingNetwork, image: np.ndarray, count: int) -> dict[str, list[Position]]:
    """Return neurons of the last hidden layer whose activations are high, middling and low, but not 0.

    Parameters
    ----------
    spiking : SpikingNetwork
    image : array, shape (1, channels, rows, columns)
    count : int
        1 to 3.

    Returns
    -------
    dict of str to list of positions
        One layer and its neurons, in the form of ``record_potentials``.
    """
    hidden = [layer.name for layer in spiking.graph.layers[:-1] if not layer.passes_on]
    layer = hidden[-1] if hidden else spiking.output
    activation = image.ravel() if layer == INPUT else next(spiking.graph.activations(image))[layer].ravel()
    order = np.argsort(activation, kind="stable")
    positive = order[activation[order] > 0]
    among = positive if len(positive) else order
    chosen = dict.fromkeys(int(among[int(share * len(among))]) for share in SHARES[:count])
    return {layer: [position_of_torch_index(spiking.graph.shapes[layer], k) for k in chosen]}


def most_active_neurons(spiking: SpikingNetwork, images: np.ndarray, count: int) -> dict[str, list[Position]]:
    """Return the neurons of each layer with the highest mean activations, in the form of ``record_potentials``.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    count : int
        Neurons of all layers together, at most; each layer gets the same share, or all its neurons if these are fewer.
    """
    batches = list(spiking.graph.activations(images))
    left, chosen = count, {}
    by_size = sorted(spiking.populations, key=lambda name: int(np.prod(spiking.graph.shapes[name])))
    for k, name in enumerate(by_size):
        mean = np.concatenate([batch[name] for batch in batches]).mean(axis=0).ravel()
        share = min(left // (len(by_size) - k), mean.size)
        left -= share
        order = np.argsort(-mean, kind="stable")[:share]
        chosen[name] = [position_of_torch_index(spiking.graph.shapes[name], int(index)) for index in np.sort(order)]
    return {name: chosen[name] for name in spiking.populations if chosen[name]}
