"""Phase coding against the equations of Kim et al. (2018)."""

import numpy as np
import pytest

from brianconv import simulate
from brianconv.coding.phase import digitized, phase_weight
from tests.helpers.codings import fired, one_hidden_layer


@pytest.mark.parametrize("n_phases", [4, 8])
def test_phase_input_sends_the_digits_of_each_pixel_in_every_period(numpy_target, n_phases):
    pixels = np.arange(256)[None] / 255
    spiking = one_hidden_layer(np.ones((1, 256)) / 256, "phase", n_phases=n_phases)
    recording = simulate(spiking, pixels, 3 * n_phases, record_spikes=["input"])
    worth = phase_weight(np.arange(1, 3 * n_phases + 1), n_phases)
    periods = (fired(recording, "input") * worth[None, :, None]).reshape(1, 3, n_phases, 256).sum(axis=2)
    np.testing.assert_array_equal(periods, np.broadcast_to(digitized(pixels, n_phases), (1, 3, 256)))
    if n_phases == 8:
        np.testing.assert_array_equal(periods[0, 0], np.arange(256) / 256)


def test_phase_hidden_layers_obey_equation_12(numpy_target):
    """The weighted spikes of n periods add up to n a - V(nK), exactly."""
    random, n_periods = np.random.default_rng(0), 5
    weight, bias = random.integers(-64, 65, (6, 9)) / 128, random.integers(-8, 9, 6) / 64
    pixels = random.integers(0, 256, (4, 9)) / 255
    spiking = one_hidden_layer(weight, "phase", bias)
    recording = simulate(
        spiking, pixels, 8 * n_periods, record_spikes=["layer_0"], record_potentials=["layer_0"], n_phases=8
    )
    worth = phase_weight(np.arange(1, 8 * n_periods + 1))
    spikes = fired(recording, "layer_0")
    sent = (spikes * worth[None, :, None]).sum(axis=1)
    left = recording.potentials["layer_0"].values[:, -1] - spikes[:, -1] * worth[-1]
    activation = digitized(pixels) @ weight.T + bias * (1 - 2.0**-8)
    np.testing.assert_allclose(sent, n_periods * activation - left, atol=1e-12)


def test_phase_noise_spike_of_figure_3(numpy_target):
    """128/256 - 127/256: the neuron fires in the first phase, falls to -127/256, and is silent in the next period."""
    spiking = one_hidden_layer([[1.0, -1.0]], "phase")
    recording = simulate(
        spiking, np.array([[128, 127]]) / 255, 16, record_spikes=["layer_0"], record_potentials=["layer_0"]
    )
    assert fired(recording, "layer_0")[0, :8, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    potential = recording.potentials["layer_0"].values[0, :, 0]
    assert potential[7] == -127 / 256, "the correct spike train would be 00000001, and the potential 1/256"
    assert not fired(recording, "layer_0")[0, 8:, 0].any(), "the debt prevents further noise spikes"


def test_phase_potential_scaled_as_in_equation_18_gives_the_same_spikes():
    """s(t) = U((V + z) / omega - 1): dividing by omega changes nothing."""
    random = np.random.default_rng(1)
    drive, v, scaled = random.integers(0, 200, 300) / 256, np.zeros(300), np.zeros(300)
    for t in range(1, 41):
        omega = phase_weight(t)
        v = v + omega * drive
        spikes = v >= omega
        v = v - omega * spikes
        scaled = scaled + drive
        np.testing.assert_array_equal(spikes, scaled >= 1)
        scaled = (scaled - spikes) * (phase_weight(t) / phase_weight(t + 1))
