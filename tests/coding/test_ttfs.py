"""Time-to-first-spike coding against the equations of Park et al. (2020)."""

import numpy as np
import pytest
from torch import nn

from brianconv import simulate, verify
from brianconv.coding.ttfs import decoded, first_spike_time
from brianconv.conversion.convert import convert
from brianconv.simulation.build import build_network
from brianconv.simulation.program import generate_sources
from tests.helpers.codings import fired, linear, one_hidden_layer, spiking_cnn
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn


@pytest.mark.parametrize(("tau", "t_d"), [(2.0, 0.0), (6.0, 0.0), (6.0, 3.0), (18.0, 0.0)])
def test_first_spikes_come_when_equation_7_says(numpy_target, tau, t_d):
    pixels = np.arange(1, 257)[None] / 256
    spiking = one_hidden_layer(np.eye(256), "ttfs", tau=tau, t_d=t_d)
    recording = simulate(spiking, pixels, record_spikes=["input", "layer_0"])
    spikes = fired(recording, "input")[0]
    expected = first_spike_time(pixels[0], tau, t_d)
    times = np.where(spikes.any(axis=0), spikes.argmax(axis=0), -1)
    np.testing.assert_array_equal(times, expected)
    assert spikes.sum(axis=0).max() == 1 and not spikes[20:].any()
    value = decoded(times, tau, t_d)
    within = (pixels[0] >= np.exp(-(19 - t_d) / tau)) & (pixels[0] <= np.exp(t_d / tau))
    error = (pixels[0] - value)[within]
    assert np.all(error >= -1e-5) and np.all(error <= value[within] * (np.exp(1 / tau) - 1) + 1e-5)


@pytest.mark.parametrize(("start", "latency"), [(0, 60), (10, 40)])
def test_layers_fire_once_and_in_their_own_window(numpy_target, start, latency):
    """Three weight layers with T = 20 take 60 steps, with early firing at step 10 they take 40 (Park et al. 2020)."""
    hidden = nn.Sequential(linear(np.eye(12)), nn.ReLU(), linear(np.eye(12)), nn.ReLU(), linear(np.eye(12)))
    spiking = convert(hidden, normalization="none", input_shape=(12,), coding="ttfs", start=start)
    assert spiking.default_steps == latency
    recording = simulate(spiking, dyadic_images(3, (12,)), record_spikes=spiking.populations)
    for depth, name in enumerate(spiking.populations[:-1]):
        spikes = fired(recording, name)
        assert spikes.sum(axis=1).max() == 1
        steps = np.flatnonzero(spikes.any(axis=(0, 2)))
        assert steps.min() >= depth * (start or 20) and steps.max() < depth * (start or 20) + 20
    assert recording.spike_counts[:, -1].sum() == 0


def test_the_earliest_output_spike_decides_one_window_later(numpy_target):
    images = dyadic_images(12, SMALL_SHAPE)
    model = small_cnn()
    potential, spike = (convert(model, images, coding="ttfs", readout=readout) for readout in (None, "first_spike"))
    assert spike.default_steps == potential.default_steps + 20
    outcome = verify(spike, images[:3])
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)
    recording = simulate(spike, images, record_spikes=[spike.output])
    spikes = fired(recording, spike.output)
    first = np.where(spikes.any(axis=1), spikes.argmax(axis=1), recording.n_steps)
    assert spikes.sum(axis=1).max() == 1 and spikes.any()
    np.testing.assert_array_equal(recording.decisions, first.argmin(axis=1))
    by_potential = simulate(potential, images).scores[:, -1]
    rows = np.arange(len(images))
    chosen, best = by_potential[rows, recording.decisions], by_potential.max(axis=1)
    decided = first.min(axis=1) < recording.n_steps
    assert np.all(chosen[decided] >= best[decided] * np.exp(-1 / 6) - 1e-9), "spikes one step apart differ by exp(-1/6)"


def test_thresholds_are_evaluated_within_the_window_of_a_layer_only(numpy_target):
    spiking = spiking_cnn("ttfs")
    brian = build_network(spiking)
    counts = dict.fromkeys(spiking.populations[:-1], 0)

    def counted(name, evaluate):
        def run():
            counts[name] += 1
            evaluate()

        return run

    for name in counts:
        sleeping = brian.populations[name].thresholder["spike"].run.__self__
        sleeping.evaluate = counted(name, sleeping.evaluate)
    duration = brian.present(dyadic_images(2, SMALL_SHAPE), spiking.default_steps)
    brian.network.run(duration, namespace={})
    assert set(counts.values()) == {2 * 20}, "two images, windows of 20 steps"


def test_generated_thresholds_return_at_once_outside_the_window(tmp_path):
    spiking = spiking_cnn("ttfs")
    generate_sources(spiking, tmp_path / "project", {}, lambda brian: None)
    sources = {
        path.name: path.read_text() for path in (tmp_path / "project" / "code_objects").glob("*thresholder*.cpp")
    }
    leaving = [name for name, text in sources.items() if "fire_start" in text and "return;" in text]
    assert len(leaving) >= len(spiking.populations) - 1
