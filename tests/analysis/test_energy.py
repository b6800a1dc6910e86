"""Energies and operations against the papers' printed tables and against counts by hand."""

import math

import numpy as np
import pytest
import torch

from brianconv import verify
from brianconv.analysis.energy import (
    ACCUMULATE_PJ,
    MULTIPLICATION_PJ,
    MULTIPLY_ACCUMULATE_PJ,
    SPINNAKER,
    TRUENORTH,
    OperationCounts,
    analog_macs,
    compute_energy,
    estimated_compute_energy,
    macs_by_layer,
    normalized_energy,
    operation_counts,
    spikes_by_layer,
    spikes_per_neuron,
    synaptic_operations_by_layer,
)
from brianconv.analysis.result_json import summarize
from brianconv.coding import CODINGS
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.conversion.convert import convert
from brianconv.errors import DataError, ParameterError
from brianconv.graph import Layer, LayerGraph
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from tests.helpers.networks import dyadic_, dyadic_images

# Park et al. (2020), Table II: latency in steps, spikes in millions, energy on TrueNorth and on SpiNNaker
TABLE_II = {
    "MNIST": {
        "rate": (200, 0.100, 1.000, 1.000),
        "phase": (16, 3.000, 12.048, 19.228),
        "burst": (87, 0.251, 1.265, 1.763),
        "ttfs": (40, 0.002, 0.128, 0.085),
    },
    "CIFAR-10": {
        "rate": (10_000, 61.949, 1.000, 1.000),
        "phase": (1_500, 35.196, 0.317, 0.418),
        "burst": (1_125, 6.920, 0.112, 0.112),
        "ttfs": (680, 0.069, 0.041, 0.025),
    },
    "CIFAR-100": {
        "rate": (10_000, 81.525, 1.000, 1.000),
        "phase": (8_950, 258.408, 1.805, 2.351),
        "burst": (3_100, 25.074, 0.309, 0.308),
        "ttfs": (680, 0.084, 0.041, 0.025),
    },
}
# Park et al. (2020), Table III: millions of multiplications and additions, VGG-16 on CIFAR-100
TABLE_III = {"rate": (0, 81.525), "phase": (258.408, 258.408), "burst": (25.074, 25.074), "ttfs": (0.084, 0.084)}
TABLE_III_DNN = 146.50
# VGG-16 for 32 x 32 images: channels of the convolutions, average pooling behind each group
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

ROWS = [(data, code) for data, rows in TABLE_II.items() for code in rows]


def energies_of(data: str, code: str) -> tuple[float, float]:
    latency, spikes = TABLE_II[data][code][:2]
    reference_latency, reference_spikes = TABLE_II[data]["rate"][:2]
    true_north, spinnaker = (
        normalized_energy(
            chip,
            spikes=spikes,
            latency=latency,
            reference_spikes=reference_spikes,
            reference_latency=reference_latency,
        )
        for chip in (TRUENORTH, SPINNAKER)
    )
    return true_north, spinnaker


@pytest.mark.parametrize(("data", "code"), ROWS)
def test_energies_of_park_follow_from_latency_and_spikes(data, code):
    printed = TABLE_II[data][code][2:]
    # half a unit of the last printed digit; 19.2288 is printed as 19.228
    tolerance = 0.001 if (data, code) == ("MNIST", "phase") else 0.0005
    np.testing.assert_allclose(energies_of(data, code), printed, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("other", "printed"), [("rate", 0.06), ("burst", 0.16)])
def test_average_savings_of_park_follow_from_the_energies(other, printed):
    ratios = [np.divide(energies_of(data, "ttfs"), energies_of(data, other)) for data in TABLE_II]
    assert np.mean(ratios) == pytest.approx(printed, abs=0.005)


@pytest.mark.parametrize("chip", [TRUENORTH, SPINNAKER])
def test_the_energy_of_the_reference_is_one(chip):
    same = {"spikes": 12.5, "latency": 80, "reference_spikes": 12.5, "reference_latency": 80}
    assert normalized_energy(chip, **same) == 1.0


@pytest.mark.parametrize("code", TABLE_III)
def test_operations_of_park_follow_from_the_spikes(code):
    spikes = TABLE_II["CIFAR-100"][code][1]
    assert operation_counts(code, spikes) == OperationCounts(*TABLE_III[code])


def test_operations_of_a_network_before_conversion_and_of_leaky_neurons():
    assert operation_counts("rate", 0, macs=TABLE_III_DNN) == OperationCounts(TABLE_III_DNN, TABLE_III_DNN)
    assert operation_counts("hybrid", 7, macs=100, decays=30) == OperationCounts(130, 107)


def test_spikes_with_a_worth_of_their_own_cost_a_multiplication():
    weighted = {code for code in CODINGS if operation_counts(code, 5).multiplications == 5}
    assert weighted == {"phase", "burst", "ttfs", "reverse"}


def test_energies_of_operations_are_those_of_datta_table_iv():
    assert (MULTIPLICATION_PJ, ACCUMULATE_PJ, MULTIPLY_ACCUMULATE_PJ) == (3.1, 0.1, 3.2)
    assert math.isclose(MULTIPLICATION_PJ + ACCUMULATE_PJ, MULTIPLY_ACCUMULATE_PJ)
    assert math.isclose(MULTIPLY_ACCUMULATE_PJ / ACCUMULATE_PJ, 32)


def zeros(*shape: int) -> np.ndarray:
    """An array of zeros that takes no memory; counts depend on shapes only."""
    return np.broadcast_to(0.0, shape)


def same_padding(n_in: int, n_out: int, size: int) -> Convolution:
    return Convolution(zeros(n_out, n_in, 3, 3), zeros(n_out), (n_in, size, size), padding=((1, 1), (1, 1)))


def dense(n_in: int, n_out: int) -> Dense:
    return Dense(zeros(n_out, n_in), zeros(n_out))


def sequential(*chains: tuple) -> LayerGraph:
    """Return a graph of layers 1, 2, ... in a row."""
    layers, source = [], "input"
    for k, chain in enumerate(chains, start=1):
        layers.append(Layer(f"layer{k}", (Connection(source, chain),), k < len(chains), ()))
        source = f"layer{k}"
    return LayerGraph(chains[0][0].input_shape, tuple(layers))


def vgg16(n_classes: int) -> LayerGraph:
    chains, pooling, n_in, size = [], (), 3, 32
    for group in VGG16:
        for n_out in group:
            chains.append((*pooling, same_padding(n_in, n_out, size)))
            pooling, n_in = (), n_out
        pooling, size = (AveragePooling((n_in, size, size), (2, 2), (2, 2)),), size // 2
    flatten = Reshape((512, 1, 1), (512,))
    return sequential(*chains, (*pooling, flatten, dense(512, 512)), (dense(512, 512),), (dense(512, n_classes),))


def small() -> LayerGraph:
    """Convolution of 2 to 3 channels on 4 x 4 with padding; average pooling; dense 12 to 5."""
    pooling = (AveragePooling((3, 4, 4), (2, 2), (2, 2)), Reshape((3, 2, 2), (12,)))
    return sequential((same_padding(2, 3, 4),), (*pooling, dense(12, 5)))


def test_macs_of_a_small_network_by_hand():
    # along each axis of 4 places, 2 see all three taps and 2 at the border see two: 10 of 12
    assert macs_by_layer(small()) == {"layer1": 10 * 10 * 2 * 3, "layer2": 12 * 5}
    # Datta et al., Table III: k^2 H_o W_o C_o C_i and f_i f_o
    assert macs_by_layer(small(), padding=True) == {"layer1": 9 * 4 * 4 * 3 * 2, "layer2": 12 * 5}


@pytest.mark.parametrize(
    ("chain", "real", "with_padding"),
    [
        ((AveragePooling((3, 4, 4), (2, 2), (2, 2)),), 0, 0),
        ((MaxPooling((3, 4, 4), (2, 2), (2, 2)), Reshape((3, 2, 2), (12,)), dense(12, 5)), 60, 60),
        ((OneToOne(np.ones(()), (3, 4, 4)),), 0, 0),
        # depthwise, stride 2, one column and row of padding before the first: 2 outputs an axis, 5 of 6 taps inside
        ((Convolution(zeros(4, 1, 3, 3), zeros(4), (4, 4, 4), (2, 2), ((1, 0), (1, 0)), groups=4),), 100, 144),
        # each of 2 x 2 inputs gives 3 x 3 outputs, of which the padding cuts 1 of 3 at each end, along each axis
        ((TransposedConvolution(zeros(2, 5, 3, 3), zeros(5), (2, 2, 2), padding=(1, 1)),), 16 * 10, 36 * 10),
    ],
    ids=["average pooling", "max pooling and dense", "one to one", "depthwise", "transposed"],
)
def test_macs_of_a_connection_by_hand(chain, real, with_padding):
    graph = sequential(chain)
    assert macs_by_layer(graph) == {"layer1": real}
    assert macs_by_layer(graph, padding=True) == {"layer1": with_padding}


def test_a_shortcut_adds_no_macs():
    main = Layer("main", (Connection("input", (same_padding(2, 2, 4),)),), True, ())
    paths = (Connection("main", (same_padding(2, 2, 4),)), Connection("input", (OneToOne(np.ones(()), (2, 4, 4)),)))
    macs = macs_by_layer(LayerGraph((2, 4, 4), (main, Layer("join", paths, False, ()))))
    assert macs["join"] == macs["main"] == 100 * 4


def test_macs_of_vgg16_are_not_those_that_park_prints():
    convolutions = 1024 * (3 + 64) * 64 + 256 * (64 + 128) * 128 + 64 * (128 + 2 * 256) * 256
    convolutions += 16 * (256 + 2 * 512) * 512 + 4 * 3 * 512 * 512
    total = sum(macs_by_layer(vgg16(100), padding=True).values())
    assert total == 9 * convolutions + 2 * 512 * 512 + 512 * 100
    assert total / 1e6 == pytest.approx(313.8, abs=0.05)
    assert total / 1e6 / TABLE_III_DNN == pytest.approx(2.14, abs=0.005)


@pytest.mark.parametrize(("n_classes", "printed", "activity"), [(10, 70, 0.278), (100, 125, 0.076)])
def test_gains_of_datta_are_possible_with_less_than_one_spike_a_neuron(n_classes, printed, activity):
    macs = macs_by_layer(vgg16(n_classes), padding=True)
    assert estimated_compute_energy(macs, dict.fromkeys(macs, 0.0)).gain == pytest.approx(177, abs=0.5)
    # the uniform activity that would give the printed gain
    assert estimated_compute_energy(macs, dict.fromkeys(macs, activity)).gain == pytest.approx(printed, rel=0.001)


def test_estimated_energy_by_hand():
    energy = estimated_compute_energy({"a": 100, "b": 50, "c": 10}, {"a": 9.0, "b": 0.5, "c": 2.0})
    assert energy.ann_pj == pytest.approx(160 * 3.2)
    assert energy.analog_pj == pytest.approx(320)
    assert energy.spikes_pj == pytest.approx({"b": 2.5, "c": 2.0})
    assert energy.snn_pj == pytest.approx(324.5)


def recording(graph: LayerGraph, spikes: list, steps: list, n_steps: int = 3, analog: bool = False) -> Recording:
    """Return a recording in which each neuron of a layer fires `spikes[image][layer]` times, all in the first step.

    With `analog`, pixels enter as analog values in the first step.
    """
    counts, operations = (np.zeros((len(spikes), n_steps, len(graph.names)), dtype=int) for _ in range(2))
    for k, name in enumerate(graph.names):
        each = np.array([image[k] for image in spikes])
        counts[:, 0, k] = each * math.prod(graph.shapes[name])
        operations[:, 0, k] = each * sum(connection.n_synapses for connection in graph.outgoing(name))
    pixels = np.zeros((len(spikes), n_steps), dtype=int)
    pixels[0, 0] = 7 * analog
    n_classes = math.prod(graph.output.shape)
    return Recording(
        layers=tuple(graph.names),
        scores=np.zeros((len(spikes), n_steps, n_classes)),
        spike_counts_by_image=counts,
        synaptic_operations_by_image=operations,
        analog_operations_by_image=pixels,
        steps=np.array(steps),
        decided=np.zeros(len(spikes), dtype=bool),
        evaluation_delay=0,
        ann_scores=np.zeros((len(spikes), n_classes)),
        shapes=graph.shapes,
    )


def test_counts_by_layer_by_hand():
    two_images = recording(small(), [[1, 2, 0], [2, 0, 1]], [3, 3])
    assert spikes_by_layer(two_images) == {"input": 48.0, "layer1": 48.0, "layer2": 2.5}
    assert spikes_per_neuron(two_images) == {"input": 1.5, "layer1": 1.0, "layer2": 0.5}
    # each of 48 neurons behind pooling reaches 5; the input's synapses are the taps of the convolution
    assert synaptic_operations_by_layer(two_images) == {"input": 900.0, "layer1": 240.0, "layer2": 0.0}


def test_counts_until_a_latency_leave_out_later_steps():
    late = recording(small(), [[1, 1, 1]], [3])
    late.spike_counts[2] = 1000
    assert spikes_by_layer(late, n_steps=2) == {"input": 32.0, "layer1": 48.0, "layer2": 5.0}
    assert synaptic_operations_by_layer(late, n_steps=1) == synaptic_operations_by_layer(late)


def test_compute_energy_of_spikes_by_hand():
    energy = compute_energy(recording(small(), [[1, 2, 0], [2, 0, 1]], [3, 3]), small())
    assert energy.ann_pj == pytest.approx(660 * 3.2)
    assert energy.analog_pj == 0.0
    assert energy.spikes_pj == pytest.approx({"input": 90.0, "layer1": 24.0, "layer2": 0.0})
    assert energy.gain == pytest.approx(2112 / 114)


def test_compute_energy_of_analog_pixels_by_hand():
    hybrid = recording(small(), [[1, 1, 0]], [3], analog=True)
    energy = compute_energy(hybrid, small())
    # all products of the first layer, those of black pixels too
    assert energy.analog_pj == pytest.approx(600 * 3.2)
    # the footnote to Eq. 25: accumulates in the remaining steps at the first layer
    assert energy.spikes_pj == pytest.approx({"input": 60.0, "layer1": 24.0, "layer2": 0.0})
    assert energy.snn_pj == pytest.approx(1920 + 84)


HYBRID = {"window": 2, "v_threshold": 1}
# Datta et al. (2021), footnote to Eq. 25: a multiply-accumulate at t = 1, an accumulate for the spike at t = 2
ONE_PIXEL = ("hybrid", HYBRID, [1, 0], [0, 1], 3.2 + 0.1)


@pytest.mark.parametrize(
    ("coding", "options", "analog", "spikes", "energy_pj", "mode"),
    [
        (*ONE_PIXEL, "runtime"),
        (*ONE_PIXEL, "standalone"),
        # the same: only multiply-accumulates of the first step, as neither inputs nor weights change
        ("direct", {"v_threshold": 1}, [1, 1], [0, 0], 3.2, "runtime"),
        ("analog", {}, [1, 1], [0, 0], 3.2, "runtime"),
        ("hybrid", {**HYBRID, "encoding": "single_spike"}, [0, 0], [0, 1], 0.1, "runtime"),
        ("rate", {}, [0, 0], [1, 1], 0.2, "runtime"),
        ("poisson", {}, [0, 0], [1, 1], 0.2, "runtime"),
    ],
    ids=["hybrid", "hybrid, standalone", "direct", "analog", "single_spike", "rate", "poisson"],
)
def test_energy_of_one_pixel_and_one_synapse_by_hand(numpy_target, coding, options, analog, spikes, energy_pj, mode):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False))
    model[0].weight.data[:] = 0.25
    spiking = convert(model, coding=coding, input_shape=(1,), normalization="none", **options)
    run = simulate(spiking, np.ones((1, 1)), 2, mode=mode, record_spikes=["input"])
    assert run.spike_counts[:, 0].tolist() == run.synaptic_operations[:, 0].tolist() == spikes
    assert run.analog_operations.tolist() == analog
    assert (run.spikes["input"].step - 1).tolist() == np.flatnonzero(spikes).tolist(), "pixels are not spikes"
    energy = compute_energy(run, spiking.graph)
    assert energy.snn_pj == pytest.approx(energy_pj, rel=1e-12)
    assert energy.analog_pj == (3.2 if any(analog) else 0)
    summary = summarize(run, np.zeros(1, dtype=int))
    assert summary["analog_operations_per_image"] == sum(analog)
    assert summary["synaptic_operations_per_image"] == sum(spikes)
    assert summary["spikes_per_image_by_layer"]["input"] == sum(spikes)


def analog_network(pooled: bool) -> torch.nn.Sequential:
    first = [torch.nn.MaxPool2d(2), torch.nn.Conv2d(1, 2, 2)] if pooled else [torch.nn.Conv2d(1, 2, 3, 2)]
    return dyadic_(torch.nn.Sequential(*first, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 3)))


@pytest.mark.parametrize(("mode", "jobs"), [("runtime", 1), ("standalone", 2)])
def test_analog_operations_are_those_of_the_images_that_are_not_decided_yet(numpy_target, mode, jobs):
    spiking = convert(analog_network(False), coding="analog", input_shape=(1, 6, 6), normalization="none")
    images = dyadic_images(5, (1, 6, 6))
    images[:, :, :2] = 0
    images[2] = 0
    run = simulate(spiking, images, 30, mode=mode, jobs=jobs, early_decision=0.05)
    assert len(set(run.steps.tolist())) > 1, "some are decided before others"
    # a kernel of 3 with stride 2 reads places 0 to 4, of which place 2 twice; 2 channels
    uses = 2 * np.outer([1, 1, 2, 1, 1, 0], [1, 1, 2, 1, 1, 0])
    products = ((images[:, 0] != 0) * uses).sum(axis=(1, 2))
    expected = [products[run.steps >= step].sum() for step in range(1, 31)]
    np.testing.assert_array_equal(run.analog_operations, expected)
    assert run.spike_counts[:, 0].sum() == run.synaptic_operations[:, 0].sum() == 0
    assert run.spike_counts[:, 1:].sum() > 0


@pytest.mark.parametrize("delay", [0, 2])
def test_pixels_that_pass_maximum_pooling_stay_analog(numpy_target, delay):
    images = dyadic_images(2, (1, 6, 6)) + 1 / 256
    network = analog_network(True)
    spiking = convert(network, coding="analog", input_shape=(1, 6, 6), normalization="none", synaptic_delay=delay)
    (pooling,) = spiking.graph.pixel_sources[1:]
    run = simulate(spiking, images, 10, record_spikes=["input", pooling])
    assert run.spike_counts[:, :2].sum() == run.synaptic_operations[:, :2].sum() == 0
    assert run.spike_counts[:, 2:].sum() > 0
    assert not len(run.spikes["input"].step) and not len(run.spikes[pooling].step)
    # 36 pixels reach a window each; its 9 maxima reach, through 2 x 2 kernels on 3 x 3 places, 4 outputs of 2 channels
    assert run.analog_operations.tolist() == [2 * 36] * delay + [2 * (36 + 4 * 4 * 2)] * (10 - delay)
    assert analog_macs(run, spiking.graph) == 4 * 4 * 2
    assert verify(spiking, images, 10).passed


def test_without_pooling_one_spike_a_neuron_accumulates_as_often_as_the_network_multiplied():
    graph = sequential((same_padding(2, 3, 4), Reshape((3, 4, 4), (48,))), (dense(48, 7),), (dense(7, 4),))
    energy = compute_energy(recording(graph, [[1, 1, 1, 0]], [3]), graph)
    assert energy.gain == pytest.approx(32)


def test_recorded_energy_without_pooling_is_the_estimate_of_datta():
    graph = sequential((dense(6, 5),), (dense(5, 4),), (dense(4, 3),))
    recorded = compute_energy(recording(graph, [[0, 2, 3, 0]], [3], analog=True), graph)
    # zeta of what reaches a layer
    estimated = estimated_compute_energy(macs_by_layer(graph), {"layer2": 2.0, "layer3": 3.0})
    assert recorded.snn_pj == pytest.approx(estimated.snn_pj)
    assert recorded.ann_pj == estimated.ann_pj


def test_a_silent_network_takes_no_energy():
    energy = compute_energy(recording(small(), [[0, 0, 0]], [3]), small())
    assert energy.snn_pj == 0.0
    assert energy.gain == math.inf


def test_errors_name_what_is_wrong():
    good = recording(small(), [[1, 1, 1]], [3])
    with pytest.raises(ParameterError, match="n_steps is 4; the recording has steps 1 to 3"):
        spikes_by_layer(good, n_steps=4)
    with pytest.raises(ParameterError, match="n_steps is 0"):
        synaptic_operations_by_layer(good, n_steps=0)
    with pytest.raises(DataError, match="give the graph of the network that was recorded"):
        compute_energy(good, vgg16(10))
    with pytest.raises(ParameterError, match="coding 'morse' is unknown; choose one of rate, "):
        operation_counts("morse", 1)
    with pytest.raises(ParameterError, match="spikes: -1 is not a count"):
        operation_counts("rate", -1)
    with pytest.raises(DataError, match="there are no multiply-accumulates"):
        estimated_compute_energy({}, {})
    with pytest.raises(DataError, match="layer 'b' are missing; given are those of: a"):
        estimated_compute_energy({"a": 1, "b": 1}, {"a": 1.0})
    with pytest.raises(ParameterError, match="spikes per neuron of b: nan is not a count"):
        estimated_compute_energy({"a": 1, "b": 1}, {"b": math.nan})


@pytest.mark.parametrize("wrong", [{"reference_spikes": 0}, {"reference_latency": 0}, {"latency": -1}])
def test_a_reference_that_says_nothing_is_refused(wrong):
    numbers = {"spikes": 1, "latency": 1, "reference_spikes": 1, "reference_latency": 1} | wrong
    with pytest.raises(ParameterError, match=r"above 0|not a count"):
        normalized_energy(TRUENORTH, **numbers)
