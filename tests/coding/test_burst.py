"""Burst coding: what is sent is what is subtracted."""

import numpy as np

from brianconv import simulate
from tests.helpers.codings import fired, one_hidden_layer


def test_burst_spikes_carry_what_is_subtracted(numpy_target):
    """What came in is what was sent plus what is left, and successive spikes double."""
    pixels = np.array([[0.0, 0.125, 0.5, 1.0]])
    spiking = one_hidden_layer(np.eye(4), "burst")
    recording = simulate(spiking, pixels, 20, record_spikes=["input"], record_potentials=["input"])
    spikes, worth, sent = fired(recording, "input")[0], np.full(4, 0.125), np.zeros(4)
    for step in range(20):
        sent += spikes[step] * worth
        worth = np.where(spikes[step], 2 * worth, 0.125)
    left = recording.potentials["input"].values[0, -1] - np.where(spikes[-1], worth / 2, 0)
    np.testing.assert_allclose(sent + left, 20 * pixels[0], atol=1e-12)
    assert spikes[:, 3].sum() < 8 * 20, "a burst sends much with few spikes"
