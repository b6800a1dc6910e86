"""The benchmark: every contender simulates the same network, and what is reported is what was measured."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from brianconv.coding import find_coding
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.conversion.convert import convert, from_normalized
from brianconv.conversion.normalization import normalize
from brianconv.errors import ParameterError, SimulationError
from brianconv.graph import Layer, LayerGraph
from brianconv.verification.reference import simulate_reference
from studies.speed import report
from studies.speed.chart import LABELS, plot_benchmark, plt
from studies.speed.contenders import MEMORY_FORMATS, measure_loops
from studies.speed.handwritten import compile_loops
from studies.speed.report import NAMES, Contest, run_bench
from studies.speed.run import main as measure_speed
from studies.speed.tensors import LOOPS, torch_layers
from studies.speed.workload import Workload
from tests.helpers.connectivities import CHAINS, chains
from tests.helpers.networks import SMALL_SHAPE, dyadic_, dyadic_images, residual_network, small_cnn

N_STEPS = 24
MODES = [
    (name, mode) for name, modes in LOOPS.items() if name == "dense_torch" or find_spec(name) for mode in modes
]  # SpikingJelly and sinabs where they are installed


def pooling_network():
    """Convolution, overlapping maximum pooling with padding, average pooling, linear; dyadic weights."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(5),
    )  # fmt: skip
    model(torch.zeros(1, *SMALL_SHAPE))
    spiking = convert(dyadic_(model, seed=1), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25)
    return spiking, dyadic_images(3, SMALL_SHAPE) / 2  # dim, so that neurons differ in their rates


def plain_network():
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25)
    return spiking, dyadic_images(3, SMALL_SHAPE)


NETWORKS = {"chain": plain_network, "branches": residual_network, "maximum pooling": pooling_network}


def reference_counts(spiking, images):
    run = simulate_reference(spiking, images, N_STEPS)
    return np.asarray(run.spikes[spiking.output]).sum(axis=1).reshape(len(images), -1)


@pytest.mark.parametrize("memory_format", MEMORY_FORMATS.values(), ids=MEMORY_FORMATS)
@pytest.mark.parametrize(("name", "mode"), MODES)
@pytest.mark.parametrize("network", NETWORKS)
def test_loops_over_tensors_count_the_spikes_of_the_reference(network, name, mode, memory_format):
    spiking, images = NETWORKS[network]()
    loop = LOOPS[name][mode](spiking, memory_format)
    expected = reference_counts(spiking, images)
    assert expected.sum() > 20
    if network == "maximum pooling" and loop.differs:
        assert np.any(loop(images, N_STEPS) != expected)  # a difference that is stated must be one
        return
    for _ in range(2):  # images leave nothing behind
        np.testing.assert_array_equal(loop(images, N_STEPS), expected)
    np.testing.assert_array_equal(loop(images[:1], N_STEPS), expected[:1])


def assert_module_is_map(chain):
    connection = Connection("input", tuple(chain))
    graph = LayerGraph(connection.input_shape, (Layer("layer", (connection,), True, ()),))
    layers = torch_layers(from_normalized(normalize(graph, None, "none"), find_coding("rate"), 0))
    x = dyadic_images(2, connection.input_shape)
    ((_, module),) = layers[0].inputs
    found = module(torch.as_tensor(x, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, connection.apply(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_modules_map_as_their_connectivities(chain):
    assert_module_is_map(chain)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chains())
def test_modules_of_random_connectivities_map_as_they_do(chain):
    assert_module_is_map(chain)


def test_loops_are_measured_in_every_mode_and_the_fastest_counts():
    spiking, images = pooling_network()
    workload = Workload("small", nn.Identity(), spiking, images, np.zeros(3, dtype=int), 5)
    measured = measure_loops(workload, 2, "dense_torch")
    by_mode = measured["ms_per_image_by_mode"]
    assert set(by_mode) == {"by_step", "by_layer"} and all(set(sizes) == {1, 16} for sizes in by_mode.values())
    assert measured["ms_per_image"] == min(ms for sizes in by_mode.values() for ms in sizes.values())
    assert measured["ms_per_image"] == by_mode[measured["mode"]][measured["batch_size"]]
    assert "differs" not in measured  # its maximum pooling is that of the package


def test_peak_memory_is_that_since_it_was_forgotten():
    # In a process of its own: what other tests freed may serve the arrays of this one, and then the peak stays.
    script = (
        "import numpy as np\n"
        "from studies.speed.contenders import forget_peak_memory, peak_memory_mb\n"
        "large = np.ones(30_000_000)\n"  # 229 MB
        "del large\n"
        "assert forget_peak_memory()\n"
        "start = peak_memory_mb()\n"
        "more = np.ones(15_000_000)\n"
        "print(peak_memory_mb() - start)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 100 < float(done.stdout) < 229, done.stderr


def test_the_hand_written_loop_refuses_branches_and_padding(tmp_path):
    spiking, _ = plain_network()
    with pytest.raises(NotImplementedError, match="padding"):
        compile_loops(spiking, tmp_path)
    first, *others = spiking.graph.layers
    twice = replace(first, connections=first.connections * 2)
    graph = replace(spiking.graph, layers=(twice, *others))
    branched = replace(spiking, normalized=replace(spiking.normalized, graph=graph))
    with pytest.raises(NotImplementedError, match="branches"):
        compile_loops(branched, tmp_path)


# The report, of made-up measurements: ours counts two spikes, others as many unless changed.
OURS = [[2.0, 0.0], [0.0, 2.0]]


def made_up(name, changed):
    """What a process that measures would have returned."""
    program = {"events_per_image": 4e6, "spikes_per_image": 1e4, "accuracy": 1.0, "ann_accuracy": 1.0, "start_s": 0.1}
    loop = {
        "mode": "by_step",
        "batch_size": 1,
        "memory_format": "contiguous",
        "ms_per_image_by_mode": {"by_step": {"1": 30.0}},
    }
    common = {"ms_per_image": 10.0, "output_spikes": OURS, "peak_memory_mb": 9.0}
    measured = {
        "network": {"n_synapses": 400_000},
        "explicit": {**program, **common, "ms_per_image": 400.0},
        "structured_float64": {**program, **common, "ms_per_image": 10.0},
        "structured_float32": {**program, **common, "ms_per_image": 5.0},
        "dense_torch": {**loop, **common, "ms_per_image": 30.0},
        "spikingjelly": {**loop, **common, "ms_per_image": 20.0},
        "sinabs": {"not_run": "No module named 'sinabs'"},
        "propagation": {"structured_float32_events_per_second": 1e9, "not_run": "it has padding"},
        "builds": {"explicit": {"cold_s": 4.0, "cached_s": 1.0}},
        "workers": {"ratio": 1.9},
    }
    return {**measured[name], **changed.get(name, {})}


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Run the benchmark of two networks on made-up measurements; the second one's may be changed."""

    def run(**changed):
        monkeypatch.setattr(
            report, "_measure", lambda name, specification, _: made_up(name, changed if specification["model"] else {})
        )
        return run_bench(tmp_path, quick=True, also=[Contest("models/kim2018.py:cifar_cnn", "cifar10", 100)])

    run.folder = tmp_path
    return run


def test_results_hold_the_main_network_and_all_networks(bench, capsys):
    result = bench(structured_float32={"ms_per_image": 10.0})
    assert json.loads((bench.folder / "result.json").read_text()) == result
    assert set(result["networks"]) == {"Net 1 of Hwang et al. (2021) on digits", "kim2018:cifar_cnn"}
    for one in (result, *result["networks"].values()):
        for key in ("ms_per_image", "events_per_second", "peak_memory_mb", "speedup"):
            assert set(one[key]) == set(NAMES)
    other = result["networks"]["kim2018:cifar_cnn"]
    assert (other["n_steps"], other["data"], result["n_steps"], result["data"]) == (100, "cifar10", 50, "digits")
    assert result["speedup"]["explicit"] == 80 and other["speedup"]["explicit"] == 40
    assert result["events_per_second"]["structured_float32"] == 8e8
    assert result["speedup"]["sinabs"] is None and result["speedup"]["handwritten"] is None
    printed = capsys.readouterr().out
    assert "not run: No module named 'sinabs'" in printed and "not run: it has padding" in printed
    assert "steps   synapses active   events/ns   over plain Brian2  over the best loop" in printed
    advantage = [line.split() for line in printed.splitlines() if "(spikingjelly)" in line]
    assert [line[-6:] for line in advantage] == [
        ["50", "20.0%", "0.80", "80.0", "4.0", "(spikingjelly)"],
        ["100", "10.0%", "0.40", "40.0", "2.0", "(spikingjelly)"],
    ]


def test_a_contender_that_simulates_another_network_is_an_error_after_the_results_are_written(bench):
    with pytest.raises(SimulationError, match=r"spikingjelly on kim2018:cifar_cnn \(1\.00\)"):
        bench(spikingjelly={"output_spikes": [[4.0, 0.0], [0.0, 0.0]]})
    result = json.loads((bench.folder / "result.json").read_text())
    other = result["networks"]["kim2018:cifar_cnn"]
    assert other["same_decisions"]["spikingjelly"] == 0.5 and result["same_decisions"]["spikingjelly"] == 1


def test_a_difference_that_is_stated_is_no_error(bench, capsys):
    bench(spikingjelly={"output_spikes": [[4.0, 0.0], [0.0, 0.0]], "differs": "pools otherwise"})
    assert "pools otherwise" in capsys.readouterr().out


def test_networks_of_one_name_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="same name"):
        run_bench(tmp_path, also=[Contest("a/net.py:f"), Contest("b/net.py:f")])


@pytest.mark.parametrize("steps", ["0", "-3", "many", "2.5"])
def test_steps_of_further_networks_are_positive_whole_numbers(tmp_path, capsys, steps):
    assert measure_speed(["--also", "net.py:f", "mnist", steps, "--out", str(tmp_path)]) == 2
    assert "STEPS is" in capsys.readouterr().err


def test_bars_are_as_long_as_their_numbers_and_only_the_slowest_is_cut(bench):
    figure = plot_benchmark(bench())
    names = [name for name in LABELS if name != "sinabs"]
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert axes.get_xscale() == "linear" and axes.get_xlim()[0] == 0
        lengths = dict(zip(names, (bar.get_width() for bar in axes.patches), strict=True))
        texts = " ".join(text.get_text() for text in axes.texts)
        assert {name: lengths[name] for name in names if name != "explicit"} == {
            "structured_float32": 5, "structured_float64": 10, "dense_torch": 30, "spikingjelly": 20,
        }  # fmt: skip
        assert 30 < lengths["explicit"] < axes.get_xlim()[1]
        assert "//" in texts and "400  (80.0×)" in texts and "not run" in texts
    plt.close(figure)


def test_pooling_layers_keep_their_weights_in_torch():
    layers = torch_layers(pooling_network()[0])
    assert [isinstance(layer.pooling, MaxPooling) for layer in layers] == [False, True, False, False]
