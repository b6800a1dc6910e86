"""Thresholds measured layer by layer in the spiking network itself.

Source: Datta et al. (2021), section V-A; the percentile of Rathi and Roy (2020), DIET-SNN, arXiv:2008.03658.
"""

from __future__ import annotations

import numpy as np

from brianconv.graph import INPUT, Layer, LayerGraph

PERCENTILE = 99.7


def with_measured_thresholds(
    graph: LayerGraph, images: np.ndarray, factor: float, n_images: int = 128, n_steps: int = 20
) -> tuple[LayerGraph, dict[str, float], float]:
    """Return a graph for spikes of height 1, the threshold of each population, and the unit of the output's potential.

    Weights stay as they are. Biases are scaled like the spikes that arrive with them, and so are weights
    where spikes of several scales meet.

    Parameters
    ----------
    graph : LayerGraph
    images : array, shape (n_images, *graph.input_shape)
    factor : float
        By which thresholds are multiplied; Datta et al. (2021): 0.4.
    n_images, n_steps : int
        See `measured_drives`.
    """
    drives = measured_drives(graph, images, n_images=n_images, n_steps=n_steps)
    worth = {INPUT: 1.0}  # of a spike, in units of the activations
    unit: dict[str, float] = {}
    thresholds = {INPUT: 1.0}
    for layer in graph.layers:
        first = layer.connections[0].source
        unit[layer.name] = worth[first]
        thresholds[layer.name] = factor * drives[layer.name] / drives[first]
        worth[layer.name] = worth[first] if layer.is_pooling else thresholds[layer.name] * unit[layer.name]
    scaled = graph.map_connections(
        lambda layer, connection: (
            connection
            if layer.is_pooling or (worth[connection.source] == unit[layer.name] and not connection.bias.any())
            else connection.scaled(np.asarray(worth[connection.source]), np.asarray(unit[layer.name]))
        )
    )
    return scaled, thresholds, unit[graph.output.name]


def measured_drives(
    graph: LayerGraph, images: np.ndarray, *, percentile: float = PERCENTILE, n_images: int = 128, n_steps: int = 20
) -> dict[str, float]:
    """Return a percentile of what reaches the neurons of each layer in a step, in units of the activations.

    Analog pixels enter in every step, and the neurons of earlier layers have no leak; the values measured so
    far are their thresholds and the worth of their spikes. Divided by the value of the layer before it, each is the
    threshold for spikes of height 1.

    Parameters
    ----------
    graph : LayerGraph
    images : array, shape (n_images, *graph.input_shape)
    percentile : float
        Over images, steps and neurons; Datta et al. (2021): 99.7.
    n_images : int
        Maximum number of images used; the paper takes 512.
    n_steps : int
        Steps that are simulated; the paper does not say how many.
    """
    pixels = np.asarray(images[:n_images], dtype=np.float32)
    sent: dict[str, np.ndarray] = {INPUT: pixels[None]}  # steps (one if all are alike), images, then the shape
    drives = {INPUT: 1.0}
    for layer in graph.layers:
        arriving = _drive(layer, sent, drives)
        if layer.is_pooling:
            source = layer.connections[0].source
            drives[layer.name], sent[layer.name] = drives[source], arriving / np.float32(drives[source])
            continue
        measured = float(np.percentile(arriving, percentile))
        drives[layer.name] = measured if measured > 0 else 1.0  # a silent layer never fires
        sent[layer.name] = _spikes(arriving, drives[layer.name], n_steps)
    return drives


def _drive(layer: Layer, sent: dict[str, np.ndarray], worth: dict[str, float]) -> np.ndarray:
    """What reaches the neurons of a layer in each step; max pooling passes the largest of each window."""
    total: np.ndarray | None = None
    for connection in layer.connections:
        spikes, height = sent[connection.source], np.float32(worth[connection.source])
        drive = np.stack([connection.apply(height * step.astype(np.float32)).astype(np.float32) for step in spikes])
        total = drive if total is None else total + drive
    assert total is not None
    return total


def _spikes(drive: np.ndarray, threshold: float, n_steps: int) -> np.ndarray:
    """Spikes of integrate-and-fire neurons with a strict threshold and reset by subtraction."""
    v = np.zeros(drive.shape[1:], dtype=np.float32)
    spikes = np.empty((n_steps, *v.shape), dtype=np.uint8)
    for step in range(n_steps):
        v += drive[min(step, len(drive) - 1)]
        fired = v > threshold
        v -= threshold * fired
        spikes[step] = fired
    return spikes
