"""Laws of rate coding under constant drive, against its closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import simulate
from brianconv.coding.rate import expected_spike_count
from brianconv.conversion.convert import convert
from tests.helpers.networks import dyadic_images


def identity(n: int) -> nn.Module:
    layer = nn.Linear(n, n)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(n))
        layer.bias.zero_()
    return layer


def input_spike_counts(images: np.ndarray, n_steps: int, v_init: float, mode: str = "runtime") -> np.ndarray:
    spiking = convert(identity(images.shape[1]), normalization="none", input_shape=images.shape[1:], v_init=v_init)
    recording = simulate(spiking, images, n_steps, mode=mode, record_spikes=["input"])
    return recording.spikes_of("input").dense(len(images), n_steps, images.shape[1]).sum(axis=1)


@pytest.mark.parametrize("v_threshold", [0.25, 1.0, 2.0])
@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_the_pre_charge_is_in_thresholds(numpy_target, v_init, v_threshold):
    images = (np.arange(65) / 64)[None]
    spiking = convert(
        identity(65), normalization="none", input_shape=(65,), v_init=v_init, v_threshold=v_threshold
    )  # fmt: skip
    recording = simulate(spiking, images, 40, record_spikes=["input"], record_potentials=["input"])
    counts = recording.spikes_of("input").dense(1, 40, 65).sum(axis=1)
    np.testing.assert_array_equal(counts, expected_spike_count(images, 40, v_init, v_threshold))
    np.testing.assert_array_equal(recording.potentials["input"].values[0, 0], images[0] + v_init * v_threshold)


@pytest.mark.parametrize("v_init", [0.0, 0.25, 0.5])
def test_spike_counts_under_constant_drive_follow_the_closed_form(numpy_target, v_init):
    images = (np.arange(257) / 256)[None]
    counts = input_spike_counts(images, 300, v_init)
    np.testing.assert_array_equal(counts, expected_spike_count(images, 300, v_init))


def test_a_generated_program_follows_the_closed_form_over_a_thousand_steps():
    images = (np.arange(257) / 256)[None]
    counts = input_spike_counts(images, 1000, 0.0, mode="standalone")
    np.testing.assert_array_equal(counts, np.arange(257)[None] * 1000 // 256)


def test_tenths_reach_the_threshold_in_ten_steps(numpy_target):
    counts = input_spike_counts(np.array([[0.1]]), 10, 0.0)
    assert counts == [[1]], "0.1 added ten times is below 1 in floating point, but at threshold within the tolerance"


def test_silent_on_zero_input(numpy_target):
    counts = input_spike_counts(np.zeros((1, 8)), 50, 0.5)
    assert counts.sum() == 0


def test_counts_grow_with_the_activation(numpy_target):
    counts = input_spike_counts(np.sort(dyadic_images(1, (40,))), 60, 0.125)
    assert np.all(np.diff(counts[0]) >= 0)


def test_counts_stay_within_one_spike_of_the_rate_at_every_step(numpy_target):
    images = dyadic_images(1, (30,))
    spiking = convert(identity(30), normalization="none", input_shape=(30,), v_init=0.5)
    recording = simulate(spiking, images, 80, record_spikes=["input"])
    counts = recording.spikes_of("input").dense(1, 80, 30)[0].cumsum(axis=0)
    steps = np.arange(1, 81)[:, None]
    assert np.all(np.abs(counts - images * steps) <= 0.5 + 1e-6), "with v_init = 0.5 the error is half a spike"


def test_pre_charge_brings_the_first_spike_forward(numpy_target):
    firsts = []
    for v_init in (0.0, 0.25, 0.5):
        spiking = convert(identity(1), normalization="none", input_shape=(1,), v_init=v_init)
        recording = simulate(spiking, np.array([[0.125]]), 20, record_spikes=["input"])
        firsts.append(recording.spikes_of("input").step[0])
    assert firsts == [8, 6, 4]


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="at least 1 step"):
        expected_spike_count(np.ones(1), 0)
