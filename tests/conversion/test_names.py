"""Modules may have any name: what Brian2 and this package call their own objects cannot be meant."""

import re
from collections import OrderedDict

import numpy as np
import pytest
from torch import nn

from brianconv import build_network, simulate, verify
from brianconv.conversion.convert import convert
from brianconv.conversion.layers import extract_graph
from tests.helpers.networks import dyadic_, dyadic_images

NAMES = [
    "advance", "finish", "count", "output_scores", "hold_output", "evaluate_output", "fc", "fc_spikes", "fc_potentials",
    "input_to_fc", "fc_to_fc_spikes", "fc_counter", "fc_on_image", "fc__counter", "fc_delay_line", "schedule", "input",
    "brianconv_clock", "brianconv__clock", "brianconv__output_scores", "fc_stateupdater", "fc_spike_thresholder",
    "fc_spike_resetter", "fc_spike_resetter_codeobject", "_to_", "int", "t", "dt", "i", "N", "v",
    "x" * 260, "x" * 259 + "y", "Größe", "神经元", "1", "a b", "a-b",
]  # fmt: skip
DANGEROUS = r"__|_to_|_(stateupdater|thresholder|resetter)(_codeobject)?(_\d+)?$"


def network(synaptic_delay=0):
    modules = OrderedDict()
    for name in NAMES:
        modules[name] = nn.Linear(3, 3)
        modules[f"relu{len(modules)}"] = nn.ReLU()
    modules["last"] = nn.Linear(3, 3)
    model = dyadic_(nn.Sequential(modules), denominator=16)
    return convert(
        model, normalization="none", input_shape=(3,), v_init=0.5, coding="burst", synaptic_delay=synaptic_delay
    )  # fmt: skip


def test_every_module_becomes_a_layer_of_a_name_of_its_own():
    spiking = network()
    names = spiking.populations[1:]
    assert len(names) == len(set(names)) == len(NAMES) + 1
    assert all(name.isidentifier() and len(name) < 80 and not re.search(DANGEROUS, name) for name in names)
    assert {"fc", "fc_spikes", "advance", "output_scores"} <= set(names), "harmless names stay"
    assert spiking.graph.layer("fc_spikes").modules == ("fc_spikes",)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
def test_any_name_runs_at_run_time(numpy_target, synapses):
    outcome = verify(network(synaptic_delay=1), dyadic_images(1, (3,)), 3, synapses=synapses)
    assert outcome.passed, str(outcome)


def test_brian_objects_have_names_of_their_own(numpy_target):
    brian = build_network(network(1), record_spikes=network().populations, record_potentials=network().populations)
    names = [thing.name for thing in brian.network.sorted_objects]
    assert len(names) == len(set(names))


def test_names_that_collided_run_in_standalone_mode():
    modules = OrderedDict()
    for name in ("advance", "output_scores", "fc", "fc_spikes", "input_to_advance", "fc_stateupdater", "y" * 260):
        modules[name] = nn.Linear(3, 3)
        modules[f"relu{len(modules)}"] = nn.ReLU()
    modules["last"] = nn.Linear(3, 3)
    model = dyadic_(nn.Sequential(modules), denominator=16)
    spiking = convert(model, normalization="none", input_shape=(3,), v_init=0.5)
    recordings = [simulate(spiking, dyadic_images(2, (3,)), 6, mode=mode, record_spikes=["fc_spikes"])
                  for mode in ("standalone", "runtime")]  # fmt: skip
    np.testing.assert_array_equal(recordings[0].scores, recordings[1].scores)


def test_modules_of_one_sanitised_name_are_numbered():
    modules = OrderedDict(
        {"a b": nn.Linear(3, 3), "r1": nn.ReLU(), "a-b": nn.Linear(3, 3), "r2": nn.ReLU(), "a_b": nn.Linear(3, 3)}
    )
    assert extract_graph(nn.Sequential(modules), (3,)).names == ["input", "a_b", "a_b_2", "a_b_3"]
