"""Thresholds measured layer by layer in the spiking network itself.

Source: Datta et al. (2021), section V-A; the percentile of Rathi and Roy (2020), DIET-SNN, arXiv:2008.03658.
"""

from __future__ import annotations

import numpy as np

from brianconv.conversion.graph import INPUT, Layer, LayerGraph

PERCENTILE = 99.7


def measure_thresholds(
    graph: LayerGraph,
    images: np.ndarray,
    *,
    factor: float = 0.4,
    percentile: float = PERCENTILE,
    n_images: int = 128,
    n_steps: int = 20,
) -> dict[str, float]:
    """Return a threshold for each population, in the units of the weights; 1 for the input.

    A layer's threshold is a percentile of what reaches its neurons in a step, over images and steps, while analog
    pixels enter in every step, and the layers before it, without leak, have the thresholds measured so far. All
    thresholds are multiplied by a factor in the end.

    Parameters
    ----------
    graph : LayerGraph
    images : array, shape (n_images, *graph.input_shape)
    factor : float
        Datta et al. (2021): 0.4.
    percentile : float
        Datta et al. (2021): 99.7.
    n_images : int
        Images that are used at most; the paper takes 512, which differ by less than one percent from 128.
    n_steps : int
        Steps that are simulated; the paper does not say how many.
    """
    pixels = np.asarray(images[:n_images], dtype=np.float32)
    sent: dict[str, np.ndarray] = {INPUT: pixels[None]}  # steps (one if all are alike), images, then the shape
    thresholds: dict[str, float] = {}
    for layer in graph.layers:
        drive = _drive(layer, sent)
        measured = float(np.percentile(drive, percentile))
        thresholds[layer.name] = measured if measured > 0 else 1.0  # a silent layer never fires
        sent[layer.name] = _spikes(drive, thresholds[layer.name], n_steps)
    return {INPUT: 1.0, **{name: factor * value for name, value in thresholds.items()}}


def _drive(layer: Layer, sent: dict[str, np.ndarray]) -> np.ndarray:
    """What reaches the neurons of a layer in each step."""
    total: np.ndarray | None = None
    for connection in layer.connections:
        spikes = sent[connection.source]
        drive = np.stack([connection.apply(step.astype(np.float32)).astype(np.float32) for step in spikes])
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
