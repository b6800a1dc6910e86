"""A network with maximum pooling."""

import torch
from torch import nn

from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from tests.helpers.networks import dyadic_

SHAPE = (2, 11, 9)


def pooling_cnn(pool: nn.Module | None = None) -> nn.Sequential:
    """A small network with dyadic weights: convolution, maximum pooling, convolution, overlapping pooling, linear."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), pool or nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 1, padding=1),
        nn.Flatten(), nn.LazyLinear(5),
    )  # fmt: skip
    model(torch.zeros(1, *SHAPE))
    return dyadic_(model)


def pooling_network(code, **options):
    if CODINGS[code].measured_threshold:
        options = {"v_threshold": 1.0, **options}
    return convert(pooling_cnn(), normalization="none", input_shape=SHAPE, coding=code, **options)
