"""Membranes that decay, rest and are noisy; delays; weights of a few bits; potentials in millivolts."""

import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

from brianconv import convert, plot_potentials, simulate, verify
from brianconv.coding import CODINGS
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from tests.helpers.networks import SMALL_SHAPE, convert_flat, dyadic_images, small_cnn

CODES = sorted(CODINGS)
DELAYED = sorted(name for name, scheme in CODINGS.items() if not scheme.no_delay)


def network(code, **options):
    measured = {"v_threshold": 1.0} if CODINGS[code].measured_threshold else {}
    return convert_flat(
        small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding=code, **{**measured, **options}
    )


def n_steps(spiking) -> int:
    return spiking.default_steps if spiking.coding.schedule else 20


def constant_drive(value, **options):
    """A hidden neuron with a bias and no input."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.0)
        model[0].bias.fill_(value)
    return convert_flat(model, normalization="none", input_shape=(1,), **options)


@pytest.mark.parametrize("code", CODES)
def test_membranes_equal_the_torch_reference(numpy_target, code):
    properties = {"refractory": 3, "noise": 0.05, "noise_seed": 3}
    if code not in ("hybrid", "direct"):  # which have a leak of their own
        properties["tau_m"] = 10.0
    spiking = network(code, **properties)
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), n_steps(spiking))
    assert outcome.passed and outcome.n_spikes > 50, str(outcome)
    assert "fluctuation" in spiking.describe("layer_0")


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_compiled_membranes_equal_the_torch_reference(mode):
    spiking = network("rate", tau_m=10.0, refractory=2, noise=0.1, synaptic_delay=2).in_millivolts()
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), 25, mode=mode)
    assert outcome.passed and outcome.n_spikes > 50, str(outcome)


def test_leak_obeys_its_closed_form(numpy_target):
    spiking = constant_drive(0.05, tau_m=5.0)
    recording = simulate(spiking, np.zeros((1, 1)), 30, record_potentials=["layer_0"])
    v = recording.potentials["layer_0"].values[0, :, 0]
    np.testing.assert_allclose(v, 0.05 * 5 * (1 - np.exp(-np.arange(1, 31) / 5)), atol=1e-12)
    assert "v / (tau_m * dt)" in spiking.describe("layer_0") and "tau_m = 5" in spiking.describe("layer_0")


def test_a_refractory_period_is_the_shortest_interval_as_in_brian(numpy_target):
    for steps in (0, 1, 2, 4):
        spiking = constant_drive(2.0, refractory=steps)
        of_brian = constant_drive(2.0).change_neurons("layer_0", refractory=f"{steps}*ms")
        for network_with_rest in (spiking, of_brian):
            recording = simulate(network_with_rest, np.zeros((2, 1)), 20, record_spikes=["layer_0"])
            spikes = recording.spikes_of("layer_0").of_image(1)
            assert np.diff(spikes.step).tolist() == [max(steps, 1)] * (len(spikes.step) - 1) and spikes.step[0] == 1
        assert verify(spiking, np.zeros((2, 1)), 20).passed


def test_noise_has_its_deviation_and_its_seed(numpy_target):
    spiking = constant_drive(0.0, noise=0.02, noise_seed=7)
    runs = [
        simulate(s, np.zeros((40, 1)), 50, record_potentials=["layer_2"]).potentials["layer_2"].values[:, :, 0]
        for s in (spiking, spiking, constant_drive(0.0, noise=0.02, noise_seed=8))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    steps = np.diff(runs[0], axis=1)
    assert abs(steps.mean()) < 0.002 and abs(steps.std() - 0.02) < 0.002


@pytest.mark.parametrize("code", DELAYED)
@pytest.mark.parametrize("synapses", ["structured", "explicit"])
def test_delayed_spikes_carry_what_they_were_worth_when_they_left(numpy_target, code, synapses):
    spiking = network(code, synaptic_delay=3)
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), n_steps(spiking) + 12, synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 50, str(outcome)


def test_layers_with_different_delays():
    spiking = network("burst", synaptic_delay={"layer_2": 1, "layer_5": 3})
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), 20, mode="standalone")
    assert outcome.passed, str(outcome)
    assert "sent_1_pre" in spiking.describe("layer_0") and "sent_3_pre" in spiking.describe("layer_2")


def test_reverse_coding_takes_no_delay():
    with pytest.raises(ParameterError, match="takes no synaptic_delay: a potential must be complete"):
        network("reverse", synaptic_delay=1)


@pytest.mark.parametrize("code", CODES)
def test_millivolts_give_the_same_spikes(numpy_target, code):
    spiking = network(code).in_millivolts(v_rest=-65, v_threshold=-45)
    outcome = verify(spiking, dyadic_images(2, SMALL_SHAPE), n_steps(spiking))
    assert outcome.passed and outcome.n_spikes > 50, str(outcome)
    assert "volt" in spiking.describe("layer_0")
    images = dyadic_images(2, SMALL_SHAPE)
    plain, volts = (
        simulate(s, images, n_steps(spiking), record_potentials=["layer_2"], skip=3) for s in (network(code), spiking)
    )
    np.testing.assert_allclose(
        volts.potentials["layer_2"].values, -65 + 20 * plain.potentials["layer_2"].values, atol=1e-6
    )
    np.testing.assert_allclose(plain.scores, volts.scores, atol=1e-9)


def test_traces_are_drawn_in_millivolts(numpy_target):
    spiking = network("rate", v_init=0.5).in_millivolts()
    recording = simulate(spiking, dyadic_images(1, SMALL_SHAPE), 20, record_potentials={"layer_0": [(0, 0, 1)]})
    axes = plot_potentials(recording, "layer_0").axes[0]
    assert "mV" in axes.get_ylabel()
    heights = [patch.get_data().values for patch in axes.patches]
    assert np.allclose(heights[0], -50)


def _weights(connection) -> np.ndarray:
    return next(connectivity.weight for connectivity in connection.chain if connectivity.weighted)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_of_a_few_bits(bits):
    model = small_cnn()
    whole, rounded = (
        convert_flat(model, normalization="none", input_shape=SMALL_SHAPE, weight_bits=b) for b in (None, bits)
    )
    most = 2 ** (bits - 1) - 1
    for name in whole.populations[1:]:
        before, after = (_weights(s.graph.layer(name).connections[0]) for s in (whole, rounded))
        steps = after / (np.abs(before).max() / most)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
        assert np.abs(after - before).max() <= np.abs(before).max() / most / 2 + 1e-12
        np.testing.assert_array_equal(whole.graph.layer(name).bias, rounded.graph.layer(name).bias)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau_m": 0.0}, "tau_m is 0"),
        ({"refractory": -1}, "refractory is -1"),
        ({"refractory": 1.5}, "refractory is 1.5"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"weight_bits": 1}, "weight_bits is 1"),
    ],
)
def test_impossible_membranes_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        network("rate", **options)


def test_membranes_that_cannot_leak_say_why():
    with pytest.raises(ParameterError, match=r"leak by themselves: set decay=exp\(-1/tau_m\)"):
        network("hybrid", tau_m=10.0)
    with pytest.raises(ParameterError, match="no membrane"):
        network("analog").with_membrane(INPUT, tau_m=10.0)
    with pytest.raises(ParameterError, match="a membrane has no 'taum'"):
        network("rate").with_membrane(taum=10.0)
    with pytest.raises(ParameterError, match="the threshold lies above rest"):
        network("rate").in_millivolts(-50, -70)


def test_values_of_layers_that_are_not_named_stay():
    images = dyadic_images(5, SMALL_SHAPE)
    spiking = convert_flat(small_cnn(), images, coding="direct", v_threshold={"layer_0": 0.3})
    thresholds = spiking.parameters["v_threshold"]
    assert thresholds["layer_0"] == 0.3 and thresholds["layer_2"] not in (0.3, 1.0)
    changed = network("rate", v_init=0.4).with_parameters(v_init={"layer_0": 0.3}).parameters["v_init"]
    assert changed["layer_0"] == 0.3 and changed["layer_2"] == 0.4


def test_what_a_spike_carries_follows_a_change():
    spiking = network("rate").change_neurons("layer_0", spike_value="5")
    assert "v_post += w * 5" in spiking.describe("layer_0")


@pytest.mark.parametrize(
    ("code", "options", "message"),
    [
        ("phase", {"n_phases": 4.5}, "n_phases of 'input' is 4.5; it must be a whole number"),
        ("ttfs", {"window": 20.5}, "whole number"),
        ("poisson", {"seed": 1.5}, "whole number"),
        ("rate", {"tau_m": float("inf")}, "tau_m is inf"),
        ("rate", {"tau_m": {"layer_0": 20}}, "with_membrane"),
        ("rate", {"noise": "a"}, "noise is 'a'"),
        ("rate", {"noise": 0.1, "noise_seed": -1}, "noise_seed is -1"),
        ("rate", {"synaptic_delay": 10**9}, "0 or more, up to 1000"),
        ("direct", {"threshold_factor": 0.1}, "leave one out"),
        ("hybrid", {"pixel_low": 1.0, "pixel_high": 1.0}, "the highest pixel is above the lowest"),
    ],
)
def test_values_that_make_no_sense_are_refused(code, options, message):
    with pytest.raises(ParameterError, match=message):
        network(code, **options)


@pytest.mark.parametrize("code", ["analog", "phase", "hybrid"])
def test_pixels_have_no_membrane(code):
    with pytest.raises(ParameterError, match=r"'input' .* has no membrane: it sends pixels"):
        network(code).with_membrane(INPUT, refractory=3)


@pytest.mark.parametrize("code", ["burst", "phase", "ttfs"])
def test_delays_given_as_times_are_described_with_what_they_need(code):
    network = small_cnn()
    as_time, in_steps = (
        convert(network, normalization="none", input_shape=SMALL_SHAPE, coding=code, synaptic_delay=delay)
        for delay in (2 * ms, 2)
    )
    for layer in ("input", "layer_0"):
        text, expected = as_time.describe(layer), in_steps.describe(layer)
        assert "sent_2" in text and text.replace("2. ms", "2 steps") == expected
    half = convert(network, normalization="none", input_shape=SMALL_SHAPE, coding=code, synaptic_delay=0.5 * ms)
    assert "note: with steps of 1. ms, this network cannot be built: the synaptic delay" in half.describe()
    assert "sent_5" in half.describe("layer_0", dt=0.1 * ms)
