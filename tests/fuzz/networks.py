"""What the cases are run with: tiny networks with fixed weights, and images."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

N_PIXELS, N_CLASSES = 4, 3
IMAGES = (np.arange(6 * N_PIXELS).reshape(6, N_PIXELS) * 37 % 257) / 256
LABELS = np.arange(6) % N_CLASSES
MODEL = """
import torch
from torch import nn

def build():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3))
    for parameter in model.parameters():
        values = torch.arange(parameter.numel()) * 29 % 64 / 64 - 0.25
        parameter.data = values.reshape(parameter.shape)
    return model
"""


def fixed(model: nn.Module) -> nn.Module:
    """Give a network weights that are multiples of 1/64."""
    for parameter in model.parameters():
        values = torch.arange(parameter.numel()) * 29 % 64 / 64 - 0.25
        parameter.data = values.reshape(parameter.shape).float()
    return model.eval()


def perceptron(bias: bool = True) -> nn.Sequential:
    """Return a network of two layers."""
    layers = nn.Linear(N_PIXELS, 3, bias=bias), nn.ReLU(), nn.Linear(3, N_CLASSES, bias=bias)
    return fixed(nn.Sequential(*layers))
