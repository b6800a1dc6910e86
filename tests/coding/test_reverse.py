"""Reverse coding: the later, the more."""

import numpy as np

from brianconv import simulate
from brianconv.coding.reverse import last_spike_time
from tests.helpers.codings import fired, one_hidden_layer


def test_reverse_fires_the_later_the_more(numpy_target):
    pixels = np.arange(257)[None] / 256
    spiking = one_hidden_layer(np.eye(257), "reverse")
    recording = simulate(spiking, pixels, record_spikes=["input", "layer_0"])
    for name, start in (("input", 0), ("layer_0", 20)):
        spikes = fired(recording, name)[0]
        assert spikes.sum(axis=0).max() == 1
        times = np.where(spikes.any(axis=0), spikes.argmax(axis=0) - start, -1)
        assert np.all(np.diff(times) >= 0)
        if name == "input":
            np.testing.assert_array_equal(times, last_spike_time(pixels[0], 6.0))
    value = np.where(times < 0, 0, np.exp((times - 19) / 6.0))
    within = value > 0
    sent = np.exp((last_spike_time(pixels[0], 6.0) - 19) / 6.0)
    assert np.all(sent[within] <= pixels[0][within] + 1e-6)
    assert np.all(sent[within] >= pixels[0][within] * np.exp(-1 / 6.0) - 1e-6)
    ticks = recording.spike_counts[:, :2] - np.stack(
        [fired(recording, name)[0].sum(axis=1) for name in ("input", "layer_0")], axis=1
    )
    assert ticks.sum() == 40 and ticks[:20, 0].sum() == 20 and ticks[20:, 1].sum() == 20
