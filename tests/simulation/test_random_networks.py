"""Networks of random layers: the graph computes what torch computes, and Brian2 does what the reference does."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from brianconv import verify
from brianconv.connectivity.shared_kernel import share_weights
from brianconv.conversion.convert import convert
from brianconv.conversion.layers import extract_graph
from brianconv.conversion.normalization import Percentile, normalize
from tests.helpers.networks import dyadic_images
from tests.helpers.random_networks import SHAPE, networks

IMAGES = dyadic_images(3, SHAPE)


@settings(max_examples=120, deadline=None)
@given(networks(), st.sampled_from(["layer", "channel"]), st.sampled_from([90.0, 100.0]))
def test_graphs_equal_torch_before_and_after_normalisation(model, per, percentile):
    with torch.no_grad():
        expected = model(torch.as_tensor(IMAGES)).numpy()
    graph = extract_graph(model, SHAPE)
    np.testing.assert_allclose(graph.forward(IMAGES), expected, rtol=1e-9, atol=1e-9)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is silent", UserWarning)
        normalized = normalize(
            graph, dyadic_images(6, SHAPE, seed=1), Percentile(percentile, per_channel=per == "channel")
        )
    scale = normalized.activation_scale[graph.output.name]
    np.testing.assert_allclose(normalized.graph.forward(IMAGES) * scale, expected, rtol=1e-9, atol=1e-9)
    before, after = next(graph.activations(IMAGES)), next(normalized.graph.activations(IMAGES))
    for name, values in after.items():
        np.testing.assert_allclose(values * normalized.activation_scale[name], before[name], rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(networks(3))
def test_kernels_hold_the_synapses_of_every_connection(model):
    for layer in extract_graph(model, SHAPE).layers:
        for connection in layer.connections:
            kernel = share_weights(connection.chain)
            i, j, _ = connection.edges()
            np.testing.assert_array_equal(connection.fan_out, np.bincount(i, minlength=len(connection.fan_out)))
            assert connection.n_synapses == len(j)
            assert kernel is None or kernel.n_synapses == len(j)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("code", ["rate", "phase"])
@settings(
    max_examples=3,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(model=networks(3), delay=st.sampled_from([0, 2]))
def test_brian_equals_the_reference(numpy_target, model, delay, code, synapses):
    delay = delay if code == "rate" else 0
    spiking = convert(model, coding=code, normalization="none", input_shape=SHAPE, synaptic_delay=delay)
    outcome = verify(spiking, IMAGES[:1], 12, synapses=synapses)
    assert outcome.passed, str(outcome)
    assert outcome.n_spikes > 0
