"""How a network is trained: plain numbers, stored beside the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training run.

    Attributes
    ----------
    data : str
        Data set, as brianconv.datasets names it.
    epochs, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        L2 penalty, part of Adam's gradient.
    label_smoothing : float
    shift : int
        Random shifts of at most so many pixels in each direction, with zero padding.
    differs : str
        What differs from the paper.
    seed : int
    """

    data: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    shift: int
    differs: str
    seed: int = 0
