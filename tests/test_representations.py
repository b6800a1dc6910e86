"""Objects that users hold say what they are, in a console and in a notebook."""

import pytest

from brianconv import Simulation, build_network, verify
from brianconv.notebook import html_table
from tests.helpers.networks import SMALL_SHAPE


@pytest.fixture
def held(numpy_target, small_spiking, small_images):
    simulation = Simulation(small_spiking, record_spikes=["input"])
    return {
        "SpikingNetwork": small_spiking,
        "BrianNetwork": build_network(small_spiking),
        "Simulation": simulation,
        "Recording": simulation.run(small_images, 5),
        "Verification": verify(small_spiking, small_images[:1], 3),
    }


def test_every_object_has_a_short_representation(held):
    for kind, thing in held.items():
        assert repr(thing).startswith(f"<{kind}") and len(repr(thing)) < 500, repr(thing)
        assert str(thing)


def test_notebooks_show_layers_shapes_neurons_and_synapses(held, small_spiking):
    synapses = small_spiking.graph.layers[0].connections[0].n_synapses
    for kind in ("SpikingNetwork", "BrianNetwork", "Simulation"):
        html = held[kind]._repr_html_()
        assert f"<td>{' x '.join(map(str, SMALL_SHAPE))}</td>" in html and f"<td>{synapses:,}</td>" in html
        assert all(f"<td>{name}</td>" in html for name in small_spiking.populations) and "v_init = 0.25" in html
    spikes = held["Recording"].spike_counts[:, 0].sum() / 5
    assert f"<td>{spikes:,.1f}</td>" in held["Recording"]._repr_html_()
    assert "equal" in held["Verification"]._repr_html_()


def test_names_cannot_inject_markup():
    assert "<script>" not in html_table("<script>", ["<script>"], [["<script>"]])
