"""Spike trains, histograms and tables hold the spikes that were recorded, in seconds."""

import numpy as np
import pytest

from brianconv import ParameterError, SpikeTrain, UnknownLayerError
from brianconv.recording import Spikes
from tests.helpers.recordings import recording

SPIKES = Spikes(np.array([0, 0, 0, 1, 1]), np.array([3, 1, 4, 2, 4]), np.array([2, 2, 2, 1, 2]))


def recorded(**changes):
    spikes = {"fc": SPIKES, "input": Spikes(np.array([1]), np.array([2]), np.array([1]))}
    return recording(spikes=spikes, dt_ms=0.5, **changes)


def test_a_spike_train_is_in_seconds():
    train = recorded().spike_train("fc", (2,), image=0)
    np.testing.assert_allclose(train.times, [0.0005, 0.0015, 0.002])
    assert (train.t_start, train.t_stop, len(train)) == (0.0, 0.002, 3)
    np.testing.assert_allclose(train.isi, [0.001, 0.0005])
    assert train.cv == pytest.approx(np.std([2, 1]) / 1.5) and train.rate_hz == pytest.approx(1500)
    decided = recorded(steps=np.array([4, 3]))
    assert decided.spike_train("fc", (1,), image=1).t_stop == 0.0015
    assert np.isnan(SpikeTrain(np.array([0.1]), 0.0, 1.0).cv)


def test_a_histogram_is_the_mean_rate_per_neuron():
    edges, rates = recorded().psth("fc", bin_ms=1.0)
    np.testing.assert_allclose(edges, [0, 0.001, 0.002])
    np.testing.assert_allclose(rates, np.array([2, 3]) / (2 * 3 * 0.001))
    _, one = recorded().psth("fc", 0.5, positions=[(2,)], images=[1])
    np.testing.assert_allclose(one, [0, 0, 0, 2000])
    assert len(recorded().psth("fc", 1.5)[1]) == 2


def test_tables_have_a_row_per_spike_and_per_image():
    result = recorded()
    spikes = result.to_dataframe()
    assert list(spikes.columns) == ["image", "layer", "feature", "channel", "row", "column", "step", "time_s"]
    of_layer = spikes[spikes.layer == "fc"]
    np.testing.assert_array_equal(of_layer[["image", "step", "feature"]], np.stack(
        [SPIKES.image, SPIKES.step, SPIKES.torch_index], axis=1
    ))  # fmt: skip
    pixel = spikes[spikes.layer == "input"].iloc[0]
    assert (pixel.channel, pixel.row, pixel.column, pixel.time_s) == (0, 0, 1, 0.001)
    images = result.to_dataframe("images")
    assert images.decision.tolist() == [2, 1] and images.spikes.tolist() == [6, 4]
    assert images["score_2"].tolist() == [1.0, 0.0] and images.index.name == "image"
    assert len(recording(spikes={}).to_dataframe()) == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.spike_train("fc", (2,), image=2), ParameterError, "image is 2; there are images 0 to 1"),
        (lambda r: r.spike_train("fc", (3,)), ParameterError, r"no neuron \(3,\)"),
        (lambda r: r.spike_train("conv1", (0,)), UnknownLayerError, "'conv1' were not recorded"),
        (lambda r: r.psth("fc", 0.7), ParameterError, "bin_ms is 0.7; it is a whole number of steps of 0.5 ms"),
        (lambda r: r.psth("fc", images=[5]), ParameterError, "there are images 0 to 1"),
        (lambda r: r.to_dataframe("neurons"), ParameterError, "what"),
    ],
)
def test_what_was_not_recorded_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(recorded())
