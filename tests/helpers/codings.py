"""Networks for tests of coding schemes, and what their neurons fire."""

import numpy as np
import torch
from torch import nn

from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from tests.helpers.networks import SMALL_SHAPE, small_cnn

CODES = sorted(CODINGS)


N_STEPS = 24


def dyadic(code) -> dict:
    """Options with which weights stay as they are."""
    return {"v_threshold": 1.0} if CODINGS[code].measured_threshold else {}


def spiking_cnn(code, **options):
    options = dyadic(code) | options
    return convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding=code, **options)


def steps_of(spiking) -> int:
    """Steps of a short run: those that the scheme needs, at most N_STEPS for one that can be stopped at any time."""
    return spiking.default_steps if spiking.coding.schedule else min(spiking.default_steps, N_STEPS)


def linear(weight, bias=None) -> nn.Linear:
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
    return layer


def one_hidden_layer(weight, code, bias=None, **options):
    """A network whose hidden layer has given weights; its output adds everything up."""
    weight = np.atleast_2d(weight)
    model = nn.Sequential(linear(weight, bias), nn.ReLU(), linear(np.ones((1, len(weight)))))
    options = dyadic(code) | options
    return convert(model, normalization="none", input_shape=(weight.shape[1],), coding=code, **options)


def fired(recording, name):
    """Spikes as an array of 0 and 1, shape (n_images, n_steps, n_neurons)."""
    n_neurons = int(np.prod(recording.shapes[name]))
    return recording.spikes_of(name).dense(recording.n_images, recording.n_steps, n_neurons)
