"""verify() sees every fault that it could see: in spikes, potentials, scores and decisions, of every coding scheme."""

from dataclasses import replace

import numpy as np
import pytest

from brianconv import verify
from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from brianconv.errors import ParameterError
from brianconv.verification import comparison as verification
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn
from tests.helpers.pooling import pooling_network

CODES = sorted(CODINGS)
SILENT_OUTPUT = [code for code in CODES if not CODINGS[code].readout.fires]


def network(code, **options):
    measured = {"v_threshold": 1.0} if CODINGS[code].measured_threshold else {}
    return convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding=code, **{**measured, **options})


def images(n=2):
    return dyadic_images(n, SMALL_SHAPE)


def steps(spiking):
    return spiking.default_steps if spiking.coding.schedule else 16


def simulating(monkeypatch, change):
    """Let Brian2 simulate another network, or with other settings, than the reference."""
    original = verification.simulate
    monkeypatch.setattr(
        verification,
        "simulate",
        lambda spiking, *a, **k: original(*change(spiking, *a, **k)[0], **change(spiking, *a, **k)[1]),
    )


def with_flipped_output(spiking):
    last = spiking.output

    def flip(layer, connection):
        return connection.scaled(np.ones(()), np.array(-1.0)) if layer.name == last else connection

    graph = spiking.graph.map_connections(flip)
    return replace(spiking, normalized=replace(spiking.normalized, graph=graph))


@pytest.mark.parametrize("code", CODES)
def test_a_flipped_output_layer_is_a_difference(numpy_target, monkeypatch, code):
    simulating(monkeypatch, lambda s, *a, **k: ((with_flipped_output(s), *a), k))
    outcome = verify(network(code), images(), steps(network(code)))
    assert not outcome.passed
    assert outcome.first_difference.layer == network(code).output
    assert "DIFFERENT" in str(outcome) and "failed" in repr(outcome)


@pytest.mark.parametrize("code", CODES)
def test_potentials_and_scores_of_every_code_are_compared(numpy_target, code):
    outcome = verify(network(code), images(), steps(network(code)))
    assert outcome.passed, str(outcome)
    assert outcome.n_values == 2 * 2 * steps(network(code)) * 4, "potentials and scores of 4 outputs"


@pytest.mark.parametrize(
    ("code", "settings", "other"),
    [
        ("rate", {"evaluation_delay": 4}, {"evaluation_delay": 3}),
        ("rate", {"skip": 4}, {"skip": 5}),
        ("phase", {"skip": 8}, {"skip": 9}),
        ("direct", {"skip": 3}, {"skip": 2}),
        ("rate", {"early_decision": 0.25}, {"early_decision": 3.0}),
        ("phase", {"early_decision": 0.25, "skip": 8}, {"early_decision": 4.0, "skip": 8}),
    ],
)
def test_delay_skip_and_early_decision_are_compared(numpy_target, monkeypatch, code, settings, other):
    spiking = network(code, v_init=0.25)
    assert verify(spiking, images(5), 40, **settings).passed, str(verify(spiking, images(5), 40, **settings))
    simulating(monkeypatch, lambda s, *a, **k: ((s, *a), {**k, **other}))
    outcome = verify(spiking, images(5), 40, **settings)
    assert not outcome.passed, str(outcome)


def test_early_decision_compares_the_steps_up_to_the_decision(numpy_target):
    spiking = network("rate", v_init=0.25)
    whole, early = (verify(spiking, images(5), 40, early_decision=early_decision) for early_decision in (None, 0.25))
    assert early.passed and 0 < early.n_spikes < whole.n_spikes and early.n_values < whole.n_values


@pytest.mark.parametrize("code", ["burst", "ttfs"])
def test_potentials_that_maximum_pooling_passes_are_compared(numpy_target, monkeypatch, code):
    spiking = pooling_network(code)

    def halved(s, *a, **k):
        return ((s.change_neurons("layer_0", spike_value=f"({s.neurons['layer_0'].spike_value}) * 0.5"), *a), k)

    n_steps = spiking.default_steps if spiking.coding.schedule else 20
    shape = spiking.graph.input_shape
    assert verify(spiking, dyadic_images(2, shape), n_steps).passed
    simulating(monkeypatch, halved)
    outcome = verify(spiking, dyadic_images(2, shape), n_steps)
    assert outcome.first_difference.layer == "layer_2" and outcome.first_difference.quantity == "potential"


@pytest.mark.parametrize("code", CODES)
def test_correlations_are_those_of_what_brian_sent(numpy_target, monkeypatch, code):
    spiking = network(code)
    before = verify(spiking, images(), steps(spiking)).correlations

    def silenced(s, *a, **k):
        return ((s.change_neurons("layer_2", threshold="False"), *a), k)

    simulating(monkeypatch, silenced)
    after = verify(spiking, images(), steps(spiking)).correlations
    assert before["layer_2"] > 0.5 or code == "hybrid"
    assert np.isnan(after["layer_2"]) and after["layer_0"] == before["layer_0"]


@pytest.mark.parametrize("code", SILENT_OUTPUT)
def test_millivolts_are_compared_in_normalised_units(numpy_target, code):
    spiking = network(code).in_millivolts(-65, -45)
    outcome = verify(spiking, images(), steps(spiking))
    assert outcome.passed, str(outcome)


def test_the_earliest_difference_is_reported(numpy_target, monkeypatch):
    def early_spike(s, *a, **k):
        return ((s.change_neurons("layer_2", threshold="v >= v_threshold * (1 - tolerance) - 0.25 * int(step == 3)",
                equations=s.neurons["layer_2"].equations + "\nstep : integer (linked)"), *a), k)  # fmt: skip

    simulating(monkeypatch, early_spike)
    difference = verify(network("rate"), images(), 12).first_difference
    assert (difference.step, difference.layer, difference.quantity) == (3, "layer_2", "spike")
    assert difference.brian == 1 and difference.reference == 0 and len(difference.position) == 3
    assert f"layer 'layer_2', neuron {difference.position}, step 3: Brian2 fires" in str(difference)


def test_a_generated_program_is_verified_with_its_decisions():
    outcome = verify(
        network("rate", v_init=0.25), images(5), 40, mode="standalone", evaluation_delay=3, early_decision=0.25
    )
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


def test_readouts_without_reference_are_refused(numpy_target):
    spiking = network("rate")
    scheme = replace(spiking.coding, readout=replace(spiking.coding.readout, name="loudest"))
    with pytest.raises(ParameterError, match="readout 'loudest' has no torch reference; there is one for spike_count"):
        verify(replace(spiking, coding=scheme), images(), 5)
