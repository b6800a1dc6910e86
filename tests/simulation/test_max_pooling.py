"""Maximum pooling: relays that pass the spikes of the leading input of each window."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from brianconv import simulate, verify
from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from brianconv.conversion.layers import extract_graph
from brianconv.errors import UnsupportedLayerError
from tests.helpers.networks import dyadic_images
from tests.helpers.pooling import SHAPE, pooling_cnn, pooling_network

POOLING_CODES = sorted(name for name, scheme in CODINGS.items() if not scheme.no_max_pooling)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("code", POOLING_CODES)
def test_brian_equals_the_torch_reference(numpy_target, code, synapses):
    spiking = pooling_network(code)
    n_steps = spiking.default_steps if spiking.coding.schedule else 20
    outcome = verify(spiking, dyadic_images(2, SHAPE), n_steps, synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("delay", [2, {"layer_2": 3}])
def test_spikes_in_flight_to_a_pooling_layer_end_with_their_image(numpy_target, delay, synapses):
    spiking = pooling_network("burst", synaptic_delay=delay)
    outcome = verify(spiking, dyadic_images(3, SHAPE), 20, synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
def test_generated_programs_equal_the_torch_reference(synapses):
    spiking = pooling_network("burst", synaptic_delay={"layer_2": 2})
    outcome = verify(spiking, dyadic_images(3, SHAPE), 20, mode="standalone", synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


def test_pooling_takes_no_phase_and_passes_the_first_spike_of_a_window(numpy_target):
    spiking = pooling_network("ttfs")
    assert spiking.default_steps == 60  # three weight layers
    recording = simulate(spiking, dyadic_images(3, SHAPE), record_spikes=spiking.populations)
    n_steps = recording.n_steps
    dense = {
        name: recording.spikes_of(name).dense(3, n_steps, int(np.prod(shape)))
        for name, shape in spiking.graph.shapes.items()
    }
    first = np.where(dense["layer_0"].any(axis=1), dense["layer_0"].argmax(axis=1), n_steps)
    pooled = -functional.max_pool2d(torch.tensor(-first.reshape(3, 4, 11, 9), dtype=torch.float64), 2).numpy()
    relay = np.where(dense["layer_2"].any(axis=1), dense["layer_2"].argmax(axis=1), n_steps)
    np.testing.assert_array_equal(relay, pooled.reshape(3, -1))
    assert dense["layer_2"].sum(axis=1).max() == 1


def test_pooled_activations_follow_the_network(numpy_target):
    spiking = convert(pooling_cnn(), dyadic_images(20, SHAPE), coding="phase")
    outcome = verify(spiking, dyadic_images(3, SHAPE), 64)
    assert outcome.passed and min(outcome.correlations.values()) > 0.97, str(outcome)
    scale = spiking.normalized.activation_scale
    assert scale["layer_2"] == scale["layer_0"] and scale["layer_5"] == scale["layer_3"]


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 4)),
        nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 4)),
        nn.Sequential(nn.AvgPool2d(2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 4)),
    ],
    ids=["before its ReLU", "of the image", "after average pooling"],
)
def test_pooling_in_other_places(model):
    images = dyadic_images(3, SHAPE)
    with torch.no_grad():
        expected = model(torch.tensor(images, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(extract_graph(model, SHAPE).forward(images), expected, atol=1e-5)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.linear = nn.Linear(36, 4)

    def forward(self, x):
        return self.linear(functional.max_pool2d(functional.relu(self.conv(x)), 2).flatten(1))


def test_functional_pooling():
    model, images = Functional(), dyadic_images(3, SHAPE)
    with torch.no_grad():
        expected = model(torch.tensor(images, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(extract_graph(model, SHAPE).forward(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)),
            "layer '1'.*follows weights",
        ),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2, dilation=2)), "dilation"),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)), "ends with maximum pooling"),
    ],
)
def test_pooling_that_spikes_cannot_express_is_refused(model, message):
    with pytest.raises(UnsupportedLayerError, match=message):
        convert(model, normalization="none", input_shape=SHAPE)


@pytest.mark.parametrize("code", sorted(set(CODINGS) - set(POOLING_CODES)))
def test_codes_without_maximum_pooling_say_why(code):
    with pytest.raises(UnsupportedLayerError, match=r"'layer_2' .* at most once lose too much .* average pooling"):
        pooling_network(code, v_threshold=1.0)
