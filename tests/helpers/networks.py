"""Small torch networks with dyadic weights, and images that are multiples of 1/256."""

import numpy as np
import torch
from torch import nn

from brianconv.coding import find_coding
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.conversion.convert import from_normalized
from brianconv.conversion.normalization import normalize
from brianconv.conversion.settings import convert_with_settings
from brianconv.graph import INPUT, Layer, LayerGraph


def convert_flat(model, images=None, *, coding="rate", **settings):
    """Convert with settings as they are given on the command line."""
    return convert_with_settings(model, images, coding, settings)


def dyadic_(model: nn.Module, denominator: int = 64, seed: int = 0) -> nn.Module:
    """Give a network random weights and biases that are multiples of 1/denominator, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.5 / max(1.0, parameter[0].numel() ** 0.5) if parameter.ndim > 1 else 0.1
            values = torch.randn(parameter.shape, generator=generator) * spread + 0.02
            parameter.copy_(torch.round(values * denominator * 2) / denominator)
    return model.eval()


def dyadic_images(n_images: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return random images whose pixels are multiples of 1/256."""
    return np.random.default_rng(seed).integers(0, 257, size=(n_images, *shape)) / 256


def small_cnn() -> nn.Sequential:
    """A network with stride, padding, dilation, groups, pooling folded into the next layer, and odd sizes."""
    return dyadic_(
        nn.Sequential(
            nn.Conv2d(2, 6, 3, stride=2, padding=(1, 2)),
            nn.ReLU(),
            nn.Conv2d(6, 8, (3, 2), dilation=(1, 2), groups=2),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 4, 2, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2, stride=1),
            nn.Flatten(),
            nn.Linear(16, 7),
            nn.ReLU(),
            nn.Linear(7, 4),
        )
    )


def _dyadic(random, shape):
    return random.integers(-16, 20, size=shape) / 64


def residual_network(**delays):
    """A block whose input skips a convolution, then a transposed convolution whose output is an image."""
    random = np.random.default_rng(3)
    shape = (2, 6, 6)
    same = ((1, 1), (1, 1))

    def convolution(source):
        weight, bias = _dyadic(random, (2, 2, 3, 3)), _dyadic(random, 2)
        return Connection(source, (Convolution(weight, bias, shape, padding=same),))

    up = TransposedConvolution(_dyadic(random, (2, 3, 2, 2)), np.zeros(3), shape, stride=(2, 2))
    skip = Connection("conv1", (OneToOne(np.full(shape, 0.5), shape),))
    layers = (
        Layer("conv1", (convolution(INPUT),), True, ()),
        Layer("conv2", (convolution("conv1"),), True, ()),
        Layer("join", (convolution("conv2"), skip), True, ()),
        Layer("up", (Connection("join", (up,)),), True, ()),
    )
    normalized = normalize(LayerGraph(shape, layers), None, "none")
    return from_normalized(normalized, find_coding("rate"), delays or 0), dyadic_images(3, shape)


SMALL_SHAPE = (2, 11, 9)
