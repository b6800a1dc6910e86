"""Stopping rules of one's own: the same images end at the same steps at run time, standalone and from a recording."""

import json

import numpy as np
import pytest

from brianconv import Simulation, simulate
from brianconv.cli import main
from brianconv.early_decision import early_decisions
from brianconv.errors import BrianconvError, ParameterError
from brianconv.stopping import VARIABLES, StoppingRule, stopped
from tests.helpers.codings import spiking_cnn
from tests.helpers.model_files import write_network
from tests.helpers.networks import SMALL_SHAPE, dyadic_images

IMAGES = dyadic_images(6, SMALL_SHAPE, seed=2)
RULES = (
    "lead >= 0.1",
    "stable >= 5 and lead > 0.02",
    "spikes > 10 or step == 18",
    "not (average_lead < 0.05) and best != 1",
    "sqrt(abs(score - 2 * lead)) * exp(-step / 10) < 0.2",
)


def output_spikes(recording):
    return recording.spike_counts_by_image[:, :, -1]


@pytest.mark.parametrize("coding", ["rate", "phase"])
@pytest.mark.parametrize("rule", RULES)
def test_images_end_at_the_same_step_in_all_three_ways(numpy_target, rule, coding):
    spiking = spiking_cnn(coding)
    whole = simulate(spiking, IMAGES, 24)
    expected = stopped(whole.scores, output_spikes(whole), rule)
    for mode in ("runtime", "standalone"):
        found = simulate(spiking, IMAGES, 24, mode=mode, stop=rule)
        np.testing.assert_array_equal(found.steps, expected.steps)
        np.testing.assert_array_equal(found.decided, expected.decided)
        np.testing.assert_array_equal(found.decisions, expected.decisions)
        for image, n_steps in enumerate(found.steps):
            np.testing.assert_array_equal(found.scores[image, :n_steps], whole.scores[image, :n_steps])


def test_rules_end_some_images_and_not_all():
    """So that the comparison above says something."""
    whole = simulate(spiking_cnn("rate"), IMAGES, 24, mode="standalone")
    found = [stopped(whole.scores, output_spikes(whole), rule) for rule in RULES]
    assert any(outcome.decided.sum() > 0 for outcome in found)
    assert len({tuple(outcome.steps) for outcome in found}) > 2


@pytest.mark.parametrize("theta", [0.2, 1.0])
def test_early_decision_is_one_of_the_rules(numpy_target, theta):
    spiking = spiking_cnn("rate")
    early = simulate(spiking, IMAGES, 24, early_decision=theta)
    rule = f"stable > 0 and stable * average_lead >= {theta} * (1 - 1e-6)"
    for mode in ("runtime", "standalone"):
        found = simulate(spiking, IMAGES, 24, mode=mode, stop=rule)
        np.testing.assert_array_equal(found.steps, early.steps)
    whole = simulate(spiking, IMAGES, 24)
    np.testing.assert_array_equal(early_decisions(whole.scores, theta).steps, early.steps)


def test_rules_begin_when_delayed_evaluation_is_over(numpy_target):
    spiking = spiking_cnn("rate")
    whole = simulate(spiking, IMAGES, 24, evaluation_delay=6)
    expected = stopped(whole.scores, output_spikes(whole), "lead >= 0", first=7)
    for mode in ("runtime", "standalone"):
        found = simulate(spiking, IMAGES, 24, mode=mode, evaluation_delay=6, stop="lead >= 0")
        np.testing.assert_array_equal(found.steps, expected.steps)
        assert (found.steps == 7).all()


def test_images_do_not_depend_on_those_before_them():
    simulation = Simulation(spiking_cnn("rate"), "standalone", stop=RULES[1])
    packed = simulation.run(IMAGES, 24)
    for image in range(len(IMAGES)):
        single = simulation.run(IMAGES[image : image + 1], 24)
        assert single.steps[0] == packed.steps[image] and single.decisions[0] == packed.decisions[image]
    np.testing.assert_array_equal(simulation.run(IMAGES, 24, jobs=2).steps, packed.steps)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("lead", "no condition"),
        ("lead >=", "no expression"),
        ("margin > 3", "there is no 'margin'; there are step, best"),
        ("lead > 1 > 0", "Compare is not part"),
        ("__import__('os').system('true') == 0", "is not part of a condition|functions are"),
        ("lead.real > 1", "Attribute is not part"),
        ("[lead][0] > 1", "is not part"),
        ("(lambda: lead)() > 1", "functions are|is not part"),
        ("exp(lead, 2) > 1", "functions are abs, exp, log, sqrt"),
        ("lead > 'a'", "is no number"),
        ("lead > True", "is no number"),
        ("lead ** 2 > 1", "Pow is not part"),
        ("", "is a condition"),
        (3, "is a condition"),
        ("(" * 990, "no expression"),
    ],
)
def test_what_is_no_condition_is_refused_before_anything_is_built(rule, message):
    with pytest.raises(ParameterError, match=message):
        simulate(spiking_cnn("rate"), IMAGES, 24, stop=rule)


def test_every_variable_is_known_in_all_three_ways(numpy_target):
    """Each by itself, so that none is missing in C++."""
    rule = " or ".join(f"{name} < -1000" for name in VARIABLES)
    assert StoppingRule(rule).holds(dict.fromkeys(VARIABLES, -2000.0))
    for mode in ("runtime", "standalone"):
        assert not simulate(spiking_cnn("rate"), IMAGES[:1], 8, mode=mode, stop=rule).decided.any()


def test_recordings_tell_what_a_rule_would_have_done(numpy_target):
    spiking = spiking_cnn("rate")
    whole = simulate(spiking, IMAGES, 24, evaluation_delay=4)
    outcome = whole.stopped(RULES[0])
    found = simulate(spiking, IMAGES, 24, evaluation_delay=4, stop=RULES[0])
    np.testing.assert_array_equal(outcome.steps, found.steps)
    if found.decided.any():
        with pytest.raises(ParameterError, match="ended early"):
            found.stopped(RULES[0])


def test_the_command_stops_by_a_rule(tmp_path, monkeypatch, capsys):
    write_network(tmp_path, "nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10)")
    monkeypatch.chdir(tmp_path)
    command = ["run", "net.py", "--data", "digits", "--images", "4", "--steps", "20", "--mode", "runtime"]
    assert main([*command, "--stop", "step >= 7", "--out", "o"]) == 0
    result = json.loads((tmp_path / "o" / "result.json").read_text())
    assert result["stop"] == "step >= 7" and result["mean_decision_step"] == 7
    assert main([*command, "--stop", "margin >= 7", "--out", "p"]) == 2
    assert "there is no 'margin'" in capsys.readouterr().err and not (tmp_path / "p" / "result.json").exists()


def test_outputs_that_are_images_have_no_rule(numpy_target):
    from torch import nn

    from brianconv import convert

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    spiking = convert(model, normalization="none", input_shape=(1, 5, 5))
    with pytest.raises(BrianconvError, match="leave it out"):
        simulate(spiking, np.zeros((1, 1, 5, 5)), 5, stop="lead > 1")
