"""Direct coding: leaky neurons and thresholds that are measured layer by layer."""

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import simulate
from brianconv.conversion.convert import convert
from brianconv.errors import ParameterError
from tests.helpers.codings import fired, linear, one_hidden_layer


@pytest.mark.parametrize("limit", [1, 3, 1e9])
def test_leaky_neurons_obey_equations_6_to_8(numpy_target, limit):
    """The threshold is strict, is subtracted in the next step, and is not leaked."""
    drive, decay, threshold = np.array([0.5, 1.0, 1.25]), 0.75, 1.0
    options = {"decay": decay, "v_threshold": threshold, "spike_limit": limit}
    spiking = one_hidden_layer(np.eye(3), "direct", **options)
    recording = simulate(spiking, drive[None], 40, record_spikes=["layer_0"], record_potentials=["layer_0"])
    u, z, count = np.zeros(3), np.zeros(3), np.zeros(3)
    for step in range(40):
        u = decay * u + drive - threshold * (z > 0)
        z = np.where((u / threshold - 1 > 1e-9) & (count < limit), 1, 0)
        count += z
        np.testing.assert_allclose(recording.potentials["layer_0"].values[0, step], u, atol=1e-12)
        np.testing.assert_array_equal(fired(recording, "layer_0")[0, step], z)


def test_thresholds_are_percentiles_of_what_reaches_a_layer():
    random = np.random.default_rng(0)
    weight = random.normal(size=(20, 6))
    model = nn.Sequential(linear(weight), nn.ReLU(), linear(np.eye(20)))
    images = random.random((50, 6))
    spiking = convert(model, images, coding="direct")
    measured = spiking.parameters["v_threshold"]
    expected = np.percentile(images @ weight.T, 99.7)
    assert measured["layer_0"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ParameterError, match="measures the threshold of each layer: pass calibration_images"):
        convert(model, normalization="none", input_shape=(6,), coding="direct")


def test_biases_and_pooling_keep_their_scale_beside_measured_thresholds(numpy_target):
    """Spikes of height 1 stand for thresholds in the units of the activations; biases must follow."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    images = np.random.default_rng(0).random((60, 1, 10, 10))
    spiking = convert(model, images, coding="direct")
    recording = simulate(spiking, images[:20], 150)
    rate, ann = recording.scores[:, -1] / 150, recording.ann_scores
    with torch.no_grad():
        np.testing.assert_allclose(ann, model(torch.tensor(images[:20], dtype=torch.float32)).numpy(), atol=1e-4)
    for row, expected in zip(rate, ann, strict=True):
        assert np.corrcoef(row, expected)[0, 1] > 0.98
    slope = np.polyfit(ann.ravel(), rate.ravel(), 1)
    assert abs(slope[1]) < 0.05 * np.abs(rate).max(), "biases of the wrong scale would shift the scores"
