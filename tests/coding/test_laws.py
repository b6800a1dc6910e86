"""Laws that every coding scheme obeys."""

import numpy as np
import pytest

from brianconv import simulate, verify
from brianconv.coding import CODINGS
from brianconv.errors import ParameterError
from brianconv.verification.reference import simulate_reference
from tests.helpers.codings import CODES, one_hidden_layer, spiking_cnn, steps_of
from tests.helpers.networks import SMALL_SHAPE, dyadic_images


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
