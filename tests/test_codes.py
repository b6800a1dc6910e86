"""Laws that every neural code obeys, and the closed forms of each."""

import numpy as np
import pytest
import torch
from conftest import SMALL_SHAPE, dyadic_images, small_cnn
from torch import nn

from brianconv import Simulation, simulate, verify
from brianconv.coding import CODINGS
from brianconv.coding.hybrid import spike_step
from brianconv.coding.phase import digitized, phase_weight
from brianconv.coding.random_numbers import normal, uniform
from brianconv.coding.reverse import last_spike_time
from brianconv.coding.ttfs import decoded, first_spike_time
from brianconv.conversion.convert import convert
from brianconv.errors import ParameterError
from brianconv.simulation.build import build_network
from brianconv.simulation.program import generate_sources
from brianconv.verification.reference import simulate_reference

CODES = sorted(CODINGS)
N_STEPS = 24


def dyadic(code) -> dict:
    """Options with which weights stay as they are."""
    return {"v_threshold": 1.0} if CODINGS[code].measured_threshold else {}


def spiking_cnn(code, **options):
    options = dyadic(code) | options
    return convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding=code, **options)


def steps_of(spiking) -> int:
    """Steps of a short run: those that the code needs, at most N_STEPS for one that can be stopped at any time."""
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


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("code", CODES)
def test_brian_equals_the_torch_reference(numpy_target, code, synapses):
    spiking = spiking_cnn(code)
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), steps_of(spiking), synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


@pytest.mark.parametrize("code", [code for code in CODES if code != "rate"])
def test_generated_programs_equal_the_torch_reference(code):
    spiking = spiking_cnn(code)
    images = dyadic_images(3, SMALL_SHAPE)
    outcome = verify(spiking, images, steps_of(spiking), mode="standalone")
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


@pytest.mark.parametrize("code", [code for code in CODES if code != "hybrid"])  # its darkest pixels fire last
def test_silent_on_zero_input(numpy_target, code):
    spiking = one_hidden_layer(np.ones((3, 4)), code)
    recording = simulate(spiking, np.zeros((1, 4)), spiking.default_steps, record_spikes=spiking.populations)
    assert sum(len(recording.spikes_of(name).torch_index) for name in spiking.populations) == 0
    assert np.all(recording.scores[:, -1] == 0)


@pytest.mark.parametrize("code", [code for code in CODES if "v_threshold" in CODINGS[code].parameters])
def test_a_pre_charge_below_the_threshold_does_not_fire(numpy_target, code):
    """v_init is in thresholds (Hwang et al. 2021: V_pc < V_th), whatever the threshold."""
    spiking = spiking_cnn(code, v_threshold=0.5, v_init=0.5)
    images = dyadic_images(2, SMALL_SHAPE)
    outcome = verify(spiking, images, steps_of(spiking))
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)
    silent = one_hidden_layer(np.ones((3, 4)), code, v_threshold=0.5, v_init=0.75)
    recording = simulate(silent, np.zeros((1, 4)), 10, record_spikes=["layer_0"], record_potentials=["layer_0"])
    if code != "hybrid":  # whose darkest pixels fire last
        assert len(recording.spikes_of("layer_0").step) == 0
    assert np.all(recording.potentials["layer_0"].values[:, 0] == 0.375)


@pytest.mark.parametrize("code", [code for code in CODES if code != "poisson"])  # which grows on average only
def test_what_the_input_sends_grows_with_the_pixel(code):
    spiking = one_hidden_layer(np.eye(33), code)
    sent = simulate_reference(spiking, np.arange(33)[None] / 32, spiking.default_steps).sent
    for name in ("input", "layer_0"):
        assert np.all(np.diff(sent[name][0]) >= 0), f"{code}, {name}"


@pytest.mark.parametrize("code", [code for code in CODES if code != "hybrid"])  # which needs training
def test_scores_follow_the_network_before_conversion(numpy_target, code):
    """On one image, the scores of a trained-like network correlate with the ANN's."""
    outcome = verify(spiking_cnn(code), dyadic_images(4, SMALL_SHAPE), None)
    assert min(outcome.correlations.values()) > 0.7, str(outcome)


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_what_it_is(code):
    scheme = CODINGS[code]
    assert scheme.name == code and scheme.source and scheme.neuron.source and scheme.encoding.source
    for name, parameter in scheme.parameters.items():
        assert parameter.low <= parameter.default <= parameter.high and parameter.meaning, name
    text = spiking_cnn(code).describe()
    assert "spikes to layer_0" in text and ("it does not fire" in text) == (not scheme.readout.fires)


@pytest.mark.parametrize("code", [code for code in CODES if not CODINGS[code].readout.fires])
def test_delayed_evaluation_needs_output_spikes(code):
    with pytest.raises(ParameterError, match=r"accumulates its potential.* use skip=3"):
        simulate(spiking_cnn(code), dyadic_images(1, SMALL_SHAPE), 10, evaluation_delay=3)


@pytest.mark.parametrize("code", ["phase", "burst"])
def test_skipped_steps_do_not_charge_the_output(numpy_target, code):
    spiking = spiking_cnn(code)
    skipped, whole = (simulate(spiking, dyadic_images(2, SMALL_SHAPE), 20, skip=n) for n in (8, 0))
    assert np.all(skipped.scores[:, :8] == 0)
    gained = np.diff(whole.scores[:, 7:], axis=1)
    np.testing.assert_allclose(np.diff(skipped.scores[:, 7:], axis=1), gained, atol=1e-12)


# phase


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


# burst


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


# time to first spike


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


# Poisson


def test_poisson_counts_are_binomial_and_repeatable(numpy_target):
    pixels = np.repeat(np.array([0.0, 0.1, 0.5, 0.9, 1.0]), 40)[None]
    spiking = one_hidden_layer(np.eye(200), "poisson")
    counts, again, other = (
        fired(simulate(spiking, pixels, 500, seed=seed, record_spikes=["input"]), "input")[0].sum(axis=0)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(counts, again)
    assert not np.array_equal(counts, other)
    assert np.all(counts[:40] == 0) and np.all(counts[160:] == 500)
    for k, chance in enumerate((0.1, 0.5, 0.9), start=1):
        group = counts[40 * k : 40 * (k + 1)]
        deviation = np.sqrt(500 * chance * (1 - chance))
        assert abs(group.mean() - 500 * chance) < 4 * deviation / np.sqrt(40)
        assert 0.6 < group.std() / deviation < 1.5


def test_poisson_spikes_of_an_image_do_not_depend_on_jobs():
    images = dyadic_images(4, SMALL_SHAPE)
    simulation = Simulation(spiking_cnn("poisson"), "standalone")
    whole, divided = (simulation.run(images, 30, jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(whole.scores, divided.scores)


def test_random_numbers_are_uniform_and_normal():
    drawn = uniform(3, np.arange(20)[:, None, None], np.arange(1, 51)[:, None], np.arange(200))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.003 and abs(drawn.var() - 1 / 12) < 0.001
    assert len(np.unique(drawn)) == drawn.size
    for axis in range(3):
        pairs = np.moveaxis(drawn, axis, 0)
        assert abs(np.corrcoef(pairs[:-1].ravel(), pairs[1:].ravel())[0, 1]) < 0.01
    charge = normal(3, 0, np.arange(1, 501)[:, None], np.arange(200))
    assert abs(charge.mean()) < 0.01 and abs(charge.std() - 1) < 0.01 and abs((charge**3).mean()) < 0.05


# reverse


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


# single-spike hybrid


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


def test_few_bits_change_the_spiking_network_and_not_what_it_is_compared_with(numpy_target):
    model, images = small_cnn(), dyadic_images(5, SMALL_SHAPE)
    scores = [simulate(convert(model, images, weight_bits=b), images, 5).ann_scores for b in (None, 3)]
    np.testing.assert_array_equal(*scores)


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
