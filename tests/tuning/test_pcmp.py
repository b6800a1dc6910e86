"""Layer-wise pre-charge: against brute force with the reference simulation, killed runs, refused input."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from brianconv.coding import find_coding
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.reshape import Reshape
from brianconv.conversion.convert import from_normalized
from brianconv.conversion.normalization import normalize
from brianconv.errors import DataError, ParameterError, ShapeError
from brianconv.graph import INPUT, Layer
from brianconv.simulation.run import simulate
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.tuning.pcmp import layer_error as layerwise
from brianconv.tuning.pcmp import search as pcmp
from brianconv.tuning.pcmp.cost import estimate_cost
from brianconv.tuning.pcmp.refinement import output_error, refine_pcmp
from brianconv.tuning.pcmp.search import CANDIDATES, tune_pcmp
from brianconv.tuning.propagation import Propagation
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import SMALL_SHAPE, convert_flat, dyadic_images, residual_network, small_cnn

FEW = (0.0, 0.125, 0.25, 0.5)
N_STEPS = 40


def brute_force(spiking, images, layer, candidates, v_init):
    """Sum of the mean squared errors of one layer, simulating the whole network for each candidate."""
    activation = next(spiking.graph.activations(images))[layer].reshape(len(images), 1, -1)
    steps = np.arange(1, N_STEPS + 1)[:, None]
    sums = []
    for candidate in candidates:
        run = simulate_reference(spiking.with_parameters(v_init={**v_init, layer: candidate}), images, N_STEPS)
        rate = run.spikes[layer].cumsum(axis=1) / steps
        sums.append(float(((rate - np.maximum(activation, 0)) ** 2).mean(axis=(0, 2)).sum()))
    return sums


@pytest.mark.parametrize("network", ["plain", "residual", "delayed"])
def test_errors_equal_those_of_brute_force(network):
    if network == "plain":
        spiking, images = (
            convert_flat(small_cnn(), normalization="none", input_shape=SMALL_SHAPE),
            dyadic_images(4, (2, 11, 9)),
        )
    else:
        spiking, images = residual_network(**({"conv2": 3, "join": 1} if network == "delayed" else {}))
    found = tune_pcmp(spiking, images, n_steps=N_STEPS, candidates=FEW, dtype="float64")
    assert list(found.v_init) == spiking.populations
    chosen: dict[str, float] = {}
    for layer in spiking.populations:
        expected = brute_force(spiking, images, layer, FEW, chosen)
        np.testing.assert_allclose(found.errors[layer], expected, rtol=1e-9)
        chosen[layer] = FEW[int(np.argmin(expected))]
        assert found.v_init[layer] == chosen[layer]


def test_single_precision_finds_the_same_errors_on_dyadic_networks(small_spiking, small_images):
    double = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, candidates=FEW, dtype="float64")
    single = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, candidates=FEW)
    for layer in small_spiking.populations:
        np.testing.assert_allclose(single.errors[layer], double.errors[layer], rtol=1e-4)


def test_chunks_of_neurons_do_not_change_the_errors(small_spiking, small_images, monkeypatch):
    whole = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, candidates=FEW, dtype="float64")
    monkeypatch.setattr(layerwise, "MEMBRANES", 7 * len(FEW))
    cut = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, candidates=FEW, dtype="float64")
    for layer in small_spiking.populations:
        np.testing.assert_allclose(cut.errors[layer], whole.errors[layer], rtol=1e-12)


def test_a_killed_run_goes_on_to_the_same_result(small_spiking, small_images, tmp_path, monkeypatch):
    state = tmp_path / "state.json"
    whole = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS)
    original, calls = pcmp.LayerwiseSimulation.errors, []

    def killed(self, name, *arguments):
        calls.append(name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, name, *arguments)

    monkeypatch.setattr(pcmp.LayerwiseSimulation, "errors", killed)
    with pytest.raises(KeyboardInterrupt):
        tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, state=state)
    resumed = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, state=state)
    assert resumed == whole
    assert calls == [*small_spiking.populations[:4], *small_spiking.populations[3:]]
    monkeypatch.setattr(pcmp, "LayerwiseSimulation", None)  # a complete state needs no simulation
    assert tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, state=state) == whole


def test_refinement_ends_below_every_starting_point():
    target, tried = {"input": 0.47, "fc": 0.21}, []

    def error(v_init):
        tried.append(dict(v_init))
        return sum((v_init[name] - target[name]) ** 2 for name in target) + v_init["input"] * v_init["fc"] / 10

    starts = [{"input": v, "fc": v} for v in (0.0, 0.25, 0.5)]
    found = refine_pcmp(error, starts)
    assert all(found.error < error(start) for start in starts) and found.error == error(found.v_init)
    assert found.v_init == pytest.approx({"input": 0.46, "fc": 0.19}, abs=0.011)
    assert len(found.tried) == len({tuple(v_init.values()) for v_init in tried}) == len(tried) - 4
    assert all(0 <= v <= 0.5 for values, _ in found.tried for v in values)


def test_a_killed_refinement_computes_no_error_twice(tmp_path):
    checkpoint, tried = Checkpoint(tmp_path / "state.json", {"n_images": 3}), []

    def error(v_init, last=10**9):
        if len(tried) == last:
            raise KeyboardInterrupt
        tried.append(tuple(v_init.values()))
        return (v_init["input"] - 0.3) ** 2

    whole = refine_pcmp(error, [{"input": 0.0}])
    tried.clear()
    with pytest.raises(KeyboardInterrupt):
        refine_pcmp(partial(error, last=5), [{"input": 0.0}], checkpoint=checkpoint)
    assert refine_pcmp(error, [{"input": 0.0}], checkpoint=checkpoint) == whole
    assert len(set(tried)) == len(tried)


def test_the_error_of_the_output_is_that_of_the_search(small_spiking, small_images, numpy_target):
    found = tune_pcmp(small_spiking, small_images, n_steps=N_STEPS, dtype="float64")
    recording = simulate(small_spiking, small_images, N_STEPS, v_init=found.v_init)
    assert output_error(recording) == pytest.approx(min(found.errors[small_spiking.output]), rel=1e-9)


def test_the_state_of_another_run_is_refused(small_spiking, small_images, tmp_path):
    state = tmp_path / "state.json"
    state.write_text('{"about": {"n_steps": 3}, "state": {}}')
    with pytest.raises(ParameterError, match="belongs to another run"):
        tune_pcmp(small_spiking, small_images, state=state)
    state.write_text("[")
    with pytest.raises(ParameterError, match="not the state of a tuning run"):
        tune_pcmp(small_spiking, small_images, state=state)


def test_a_constant_input_wants_half_a_threshold():
    """Counts floor(a t + V) are unbiased around a t for V = 0.5, the best of the paper's candidates."""
    spiking = convert_flat(torch.nn.Linear(400, 2), normalization="none", input_shape=(400,))
    images = np.random.default_rng(0).random((4, 400))
    found = tune_pcmp(spiking, images)
    assert found.v_init[INPUT] == pytest.approx(0.5, abs=0.01)
    assert len(found.errors[INPUT]) == len(CANDIDATES) == 51 and CANDIDATES[-1] == 0.5


def test_leading_inputs_pass_maximum_pooling():
    random = np.random.default_rng(1)
    pooling = MaxPooling((2, 4, 6), (2, 3), (2, 2))
    chain = (pooling, Reshape(pooling.output_shape, (8,)), Dense(np.eye(8), np.zeros(8)))
    connection = Connection(INPUT, chain)
    layer = Layer("fc", (connection,), False, ())
    spikes = random.integers(0, 2, size=(9, 2, 4, 6))
    sums = spikes.cumsum(axis=0)
    expected = np.zeros((9, *pooling.output_shape))
    for t, channel, row, column in np.ndindex(*expected.shape):
        window = np.s_[t, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 3]
        expected[t, channel, row, column] = spikes[window].ravel()[sums[window].argmax()]
    passed = Propagation(layer, torch.float64).spikes(connection, torch.tensor(spikes, dtype=torch.float64))
    np.testing.assert_array_equal(passed.numpy(), expected.reshape(9, -1))


def test_the_cost_counts_every_edge_and_every_membrane(small_spiking):
    cost = estimate_cost(small_spiking, n_images=10, n_steps=100, n_candidates=51)
    graph = small_spiking.graph
    assert cost.updates == 51 * graph.n_neurons * 100 * 10
    edges = sum(g.n_edges for layer in graph.layers for c in layer.connections for g in c.chain if not g.rearranges)
    assert cost.multiply_adds == (2 * edges - 7 * 4) * 100 * 10  # those to the output, which need not fire, once
    assert cost.seconds > 0 and "10 images" in str(cost)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((0, *SMALL_SHAPE))}, DataError, "no images to tune with"),
        ({"images": np.zeros((3, 1, 4, 4))}, ShapeError, "the network takes"),
        ({"n_steps": 0}, ParameterError, "at least 1 step"),
        ({"candidates": ()}, ParameterError, "one or more numbers"),
        ({"candidates": (0.2, 1.5)}, ParameterError, r"in \[0, 0.99\]"),
    ],
)
def test_what_cannot_be_tuned_is_refused(small_spiking, small_images, change, error, message):
    with pytest.raises(error, match=message):
        tune_pcmp(small_spiking, **{"images": small_images, **change})


def test_other_codes_and_changed_neurons_are_refused(small_spiking, small_images):
    phase = convert_flat(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding="phase")
    with pytest.raises(ParameterError, match="use coding 'rate'"):
        tune_pcmp(phase, small_images)
    with pytest.raises(ParameterError, match="changed neurons"):
        tune_pcmp(small_spiking.change_neurons("layer_0", threshold="v > 2"), small_images)


@pytest.mark.parametrize("options", [{"encoding": "analog"}, {"encoding": "poisson"}, {"tau_m": 20}, {"noise": 0.1}])
def test_neurons_that_pcmp_does_not_simulate_are_refused(small_images, options):
    other = convert_flat(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, **options)
    with pytest.raises(ParameterError, match="without leak, rest and noise whose pixels are constant currents"):
        tune_pcmp(other, small_images)


def test_a_network_whose_input_reaches_two_layers_keeps_its_spikes():
    spiking, images = residual_network()
    first = spiking.graph.layers[0].connections[0]
    last = spiking.graph.layers[2]
    layers = list(spiking.graph.layers)
    layers[2] = replace(last, connections=(*last.connections, first))
    graph = replace(spiking.graph, layers=tuple(layers))
    wide = from_normalized(normalize(graph, None, "none"), find_coding("rate"))
    found = tune_pcmp(wide, images, n_steps=N_STEPS, candidates=FEW, dtype="float64")
    earlier = {name: found.v_init[name] for name in (INPUT, "conv1", "conv2")}
    np.testing.assert_allclose(found.errors["join"], brute_force(wide, images, "join", FEW, earlier), rtol=1e-9)


@pytest.mark.parametrize("v_threshold", [1.0, 2.0])
def test_networks_with_maximum_pooling_are_tuned_around_it(v_threshold):
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    )
    images = np.random.default_rng(0).random((2, 1, 10, 10))
    spiking = convert_flat(model, images, v_threshold=v_threshold)
    result = tune_pcmp(spiking, images, n_steps=N_STEPS, candidates=(0.0, 0.4), dtype="float64")
    assert list(result.v_init) == ["input", "layer_0", "layer_3", "layer_6"]
    chosen = {name: result.v_init[name] for name in ("input", "layer_0")}
    expected = brute_force(spiking, images, "layer_3", (0.0, 0.4), chosen)
    np.testing.assert_allclose(result.errors["layer_3"], expected, rtol=1e-9)
