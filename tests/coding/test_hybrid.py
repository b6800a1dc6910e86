"""Single-spike hybrid input encoding against the equations of Datta et al. (2021)."""

import numpy as np
import pytest
from torch import nn

from brianconv import simulate, verify
from brianconv.coding.hybrid import spike_step
from brianconv.conversion.convert import convert
from tests.helpers.codings import fired, linear, one_hidden_layer, spiking_cnn
from tests.helpers.networks import SMALL_SHAPE, dyadic_images


@pytest.mark.parametrize("window", [2, 5, 8])
def test_hybrid_pixels_fire_when_equation_4_says(numpy_target, window):
    pixels = np.arange(256)[None] / 255
    spiking = one_hidden_layer(np.eye(256), "hybrid", window=window)
    recording = simulate(spiking, pixels, record_spikes=["input"])
    spikes = fired(recording, "input")[0]
    assert recording.n_steps == window
    assert not spikes[0].any(), "pixels are not spikes in the step in which they enter as analog values"
    assert recording.analog_operations.tolist() == [255 * 256] + [0] * (window - 1)  # all but the black pixel
    numerator = (window - 2) * np.arange(256)  # T - numerator / 255, rounded in whole numbers
    expected = window - (2 * numerator + 255 - 1) // 510
    np.testing.assert_array_equal(spikes[1:].argmax(axis=0) + 2, expected)
    np.testing.assert_array_equal(spike_step(pixels[0], window), expected)
    assert np.all(spikes[1:].sum(axis=0) == 1)


def test_hybrid_takes_images_of_zero_mean_and_rounds_halves_up(numpy_target):
    pixels = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    options = {"pixel_low": -2.0, "pixel_high": 2.0, "window": 4, "v_threshold": 100.0}
    recording = simulate(
        one_hidden_layer(np.eye(5), "hybrid", **options),
        pixels,
        record_spikes=["input"],
        record_potentials=["layer_0"],
    )
    assert fired(recording, "input")[0][1:].argmax(axis=0).tolist() == [2, 2, 1, 1, 0]  # 4, 3.5, 3, 2.5, 2
    assert recording.potentials["layer_0"].values[0, 0].tolist() == pixels[0].tolist()


@pytest.mark.parametrize("encoding", ["hybrid", "analog", "single_spike", "poisson"])
@pytest.mark.parametrize("limit", [1, 1e9])
def test_hybrid_input_and_spike_limit_are_independent_choices(numpy_target, encoding, limit):
    spiking = spiking_cnn("hybrid", encoding=encoding, spike_limit=limit)
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), 8)
    assert outcome.passed and outcome.n_spikes > 50, str(outcome)
    recording = simulate(spiking, dyadic_images(2, SMALL_SHAPE), 8, record_spikes=spiking.populations[1:])
    most = max(fired(recording, name).sum(axis=1).max() for name in spiking.populations[1:-1])
    assert (most == 1) == (limit == 1)


def test_hybrid_decides_by_potential_and_time(numpy_target):
    """U - t: a class that crosses its threshold early beats one with a little more potential."""
    model = nn.Sequential(linear([[1.0, 0.0], [0.0, 1.0]]), nn.ReLU(), linear([[2.0, 0.0], [0.0, 2.5]]))
    thresholds = {"layer_0": 0.4, "layer_2": 1.0}
    spiking = convert(model, normalization="none", input_shape=(2,), coding="hybrid", window=6, v_threshold=thresholds)
    recording = simulate(spiking, np.array([[1.0, 0.3]]))
    u, crossed = np.array([2.0, 2.5]), recording.scores[0]
    assert crossed[-1].tolist() == [u[0] - 1, u[1] - 6] or crossed[-1, 0] > crossed[-1, 1]
    assert recording.decisions[0] == 0
