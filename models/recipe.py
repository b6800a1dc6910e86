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
        L2 penalty, part of the gradient ("adam", "sgd"), or decay of the weights themselves ("adamw").
    label_smoothing : float
    shift : int
        Each image is shifted at random by at most so many pixels in each direction, with zero padding: the usual
        random crop of the padded image.
    differs : str
        What differs from the paper.
    seed : int
    optimizer : {"adam", "adamw", "sgd"}
        "sgd" has Nesterov's momentum of 0.9.
    flip : bool
        Each image is mirrored from left to right with probability 1/2.
    mean, std : tuple of float, optional
        Of the channels; images are (pixels - mean) / std, and the same is needed of the spiking network's images.
        Empty: pixels in [0, 1].
    loss : {"cross_entropy", "mean_squared_error"}
        The second compares the output with the image, for autoencoders.
    small_size : int
        The first `small_epochs` epochs see images reduced to so many rows and columns (progressive resolution): they
        take as much less time as they have fewer pixels. For networks that end in average pooling.
    small_epochs : int
    cutout : int
        A square of so many rows and columns of each image becomes zero, at a random place (DeVries and Taylor, 2017).
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
    optimizer: str = "adam"
    flip: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    loss: str = "cross_entropy"
    small_size: int = 0
    small_epochs: int = 0
    cutout: int = 0
