"""Brian2 = torch reference, runtime = standalone, packed = one at a time: to the last spike, on dyadic weights."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import StateMonitor, ms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from brianconv import Simulation, build_network, simulate, verify
from brianconv.connectivity.base import channels_last
from brianconv.conversion.convert import convert, from_normalized
from brianconv.early_decision import early_decisions
from brianconv.errors import (
    CompilerError,
    DataError,
    MemoryLimitError,
    ParameterError,
    ShapeError,
    SimulationError,
    UnknownLayerError,
)
from brianconv.graph import NormalizedNetwork
from brianconv.simulation import memory_limit, program
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import SMALL_SHAPE, dyadic_, dyadic_images, small_cnn

N_STEPS = 24


@pytest.mark.parametrize("delay", [0, 2])
def test_both_modes_equal_the_reference(small_spiking, small_images, delay):
    spiking = convert_again(small_spiking, synaptic_delay=delay)
    reference = simulate_reference(spiking, small_images, N_STEPS)
    for mode, synapses in (("runtime", "structured"), ("standalone", "structured"), ("standalone", "explicit")):
        recording = simulate(
            spiking, small_images, N_STEPS, mode=mode, synapses=synapses,
            record_spikes=spiking.populations, record_potentials=spiking.populations,
        )  # fmt: skip
        assert recording.spikes_per_image > 100
        for name, expected in reference.spikes.items():
            fired = recording.spikes_of(name).dense(*expected.shape)
            np.testing.assert_array_equal(fired, expected, err_msg=f"{mode}, {synapses}, {name}")
            np.testing.assert_array_equal(
                recording.potentials[name].values, reference.potentials[name], err_msg=f"{mode}, {synapses}, {name}"
            )
        np.testing.assert_array_equal(recording.spike_counts, counts(reference))


def convert_again(spiking, **options):
    return from_normalized(spiking.normalized, spiking.coding, v_init=0.25, **options)


def counts(reference) -> np.ndarray:
    return np.stack([spikes.sum(axis=(0, 2)) for spikes in reference.spikes.values()], axis=1)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_networks_equal_the_reference(numpy_target, data):
    draw = data.draw
    groups = draw(st.sampled_from([1, 2]))
    model = nn.Sequential(
        nn.Conv2d(groups, 2 * groups, draw(st.integers(1, 3)), stride=draw(st.integers(1, 2)),
                  padding=draw(st.integers(0, 2)), dilation=draw(st.integers(1, 2)), groups=groups),
        nn.ReLU(),
        nn.AvgPool2d(draw(st.integers(1, 2)), stride=draw(st.integers(1, 2))),
        nn.Conv2d(2 * groups, 3, 2, padding=1, bias=draw(st.booleans())),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(3),
    )  # fmt: skip
    shape = (groups, draw(st.integers(7, 9)), draw(st.integers(7, 9)))
    images = dyadic_images(2, shape, draw(st.integers(0, 100)))
    model(torch_tensor(images))
    dyadic_(model, seed=draw(st.integers(0, 100)))
    spiking = convert(
        model, normalization="none", input_shape=shape, v_init=draw(st.sampled_from([0.0, 0.5])),
        synaptic_delay=draw(st.sampled_from([0, 1])),
    )  # fmt: skip
    outcome = verify(spiking, images, 12)
    assert outcome.passed, str(outcome)


def test_explicit_synapses_at_run_time_equal_the_reference(numpy_target, small_spiking, small_images):
    for delay in (0, 2):
        outcome = verify(convert_again(small_spiking, synaptic_delay=delay), small_images, 12, synapses="explicit")
        assert outcome.passed, str(outcome)


def test_connections_without_a_common_kernel_are_explicit(numpy_target):
    model = dyadic_(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3)))
    spiking = convert(model, normalization="none", input_shape=(2, 9, 9), v_init=0.5)
    kinds = [type(c).__name__ for c in build_network(spiking).connections.values()]
    assert kinds == ["Synapses", "StructuredSynapses"]
    outcome = verify(spiking, dyadic_images(2, (2, 9, 9)), 12)
    assert outcome.passed, str(outcome)


def test_a_silent_layer_sends_nothing(numpy_target, small_spiking, small_images):
    recording = simulate(small_spiking, np.zeros_like(small_images), 3, v_init=0)
    assert recording.spike_counts[:, 0].sum() == 0


def torch_tensor(images):
    import torch

    return torch.as_tensor(images, dtype=torch.float32)


def test_float32_equals_float64_on_dyadic_weights(numpy_target, small_spiking, small_images):
    single, double = (simulate(small_spiking, small_images, N_STEPS, dtype=dtype) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single.spike_counts, double.spike_counts)
    assert verify(small_spiking, small_images, N_STEPS, dtype="float32").passed


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
@pytest.mark.parametrize("delay", [0, 3])
def test_packed_images_equal_one_at_a_time(small_spiking, small_images, mode, delay):
    spiking = convert_again(small_spiking, synaptic_delay=delay)
    simulation = Simulation(spiking, mode)
    packed = simulation.run(small_images, N_STEPS)
    single = [simulation.run(small_images[k : k + 1], N_STEPS) for k in range(len(small_images))]
    np.testing.assert_array_equal(packed.scores, np.concatenate([r.scores for r in single]))
    np.testing.assert_array_equal(packed.spike_counts, sum(r.spike_counts for r in single))
    np.testing.assert_array_equal(packed.synaptic_operations, sum(r.synaptic_operations for r in single))


def test_synaptic_operations_are_spikes_times_fan_out(numpy_target, small_spiking, small_images):
    recording = simulate(small_spiking, small_images, N_STEPS, record_spikes=["input"])
    fired = recording.spikes_of("input")
    connection = small_spiking.graph.outgoing("input")[0]
    kernel_uses = np.zeros(np.prod(SMALL_SHAPE))
    i, _, _ = connection.edges()
    np.add.at(kernel_uses, channels_last(SMALL_SHAPE)[i], 1)
    assert recording.synaptic_operations[:, 0].sum() == kernel_uses[fired.torch_index].sum()
    assert recording.synaptic_operations[:, -1].sum() == 0, "the output has no synapses"


def test_a_compiled_program_serves_other_images_weights_and_parameters(small_spiking, small_images, monkeypatch):
    Simulation(small_spiking, "standalone")
    monkeypatch.setattr(program, "make", lambda *_: pytest.fail("compiled again"))
    others = dyadic_images(3, SMALL_SHAPE, seed=9)
    same = Simulation(small_spiking, "standalone")
    runtime = Simulation(small_spiking)
    for v_init in (0.0, 0.5):
        a, b = (s.run(others, 10, v_init=v_init, evaluation_delay=2, skip=1) for s in (same, runtime))
        np.testing.assert_array_equal(a.scores, b.scores)
    halved = small_spiking.graph.map_connections(lambda _, c: c.scaled(np.ones(()), np.array(2.0)))
    changed = from_normalized(
        NormalizedNetwork(halved, small_spiking.normalized.activation_scale, "none", halved),
        small_spiking.coding,
    )
    assert simulate(changed, others, 10, mode="standalone").spike_counts.sum() < a.spike_counts.sum()


def test_delayed_evaluation_discards_the_first_spikes(numpy_target, small_spiking, small_images):
    simulation = Simulation(small_spiking)
    whole, delayed = simulation.run(small_images, N_STEPS), simulation.run(small_images, N_STEPS, evaluation_delay=6)
    steps = np.arange(1, N_STEPS + 1)[:, None]
    spike_counts = whole.scores * steps
    expected = (spike_counts - spike_counts[:, 5:6]) / np.maximum(steps - 6, 1)
    np.testing.assert_allclose(delayed.scores[:, 6:], expected[:, 6:], atol=1e-12)
    assert np.all(delayed.scores[:, :6] == 0)


@pytest.mark.parametrize("delay", [0, 4])
def test_early_decision_is_the_same_in_both_modes_and_offline(small_spiking, small_images, delay):
    recordings = {}
    for mode in ("runtime", "standalone"):
        simulation = Simulation(small_spiking, mode, record_spikes=["input"])
        whole = simulation.run(small_images, 40, evaluation_delay=delay)
        recordings[mode] = early = simulation.run(small_images, 40, evaluation_delay=delay, early_decision=0.25)
        offline = early_decisions(whole.scores, 0.25, delay + 1)
        np.testing.assert_array_equal(early.steps, offline.steps)
        np.testing.assert_array_equal(early.decisions, offline.decisions)
        np.testing.assert_array_equal(early.decided, offline.decided)
        assert early.decided.any() and len(set(early.steps)) > 1
        assert early.spike_counts.sum() < whole.spike_counts.sum()
        for k, steps in enumerate(early.steps):
            np.testing.assert_array_equal(early.scores[k, :steps], whole.scores[k, :steps])
            assert np.isnan(early.scores[k, steps:]).all()
            assert early.spikes_of("input").of_image(k).step.max() <= steps
    np.testing.assert_array_equal(recordings["runtime"].scores, recordings["standalone"].scores)


def test_shards_are_joined_in_order(small_spiking, small_images):
    simulation = Simulation(small_spiking, "standalone", record_spikes=["input"], record_potentials=["layer_11"])
    one, three = (simulation.run(small_images, 12, early_decision=1.0, jobs=jobs) for jobs in (1, 3))
    for name in ("scores", "spike_counts", "synaptic_operations", "steps", "decided"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
    for name in ("image", "step", "torch_index"):
        np.testing.assert_array_equal(getattr(one.spikes["input"], name), getattr(three.spikes["input"], name))
    np.testing.assert_array_equal(one.potentials["layer_11"].values, three.potentials["layer_11"].values)
    assert simulation.run(small_images[:2], 12, jobs=8).n_images == 2


def test_a_failed_shard_is_reported_and_tried_again(small_spiking, small_images, tmp_path):
    simulation = Simulation(small_spiking, "standalone")
    once = tmp_path / "fails_once"
    once.write_text(
        f'#!/bin/sh\ncase "$*" in *schedule.n_images=2*)\n mkdir {tmp_path}/failed 2>/dev/null &&'
        f' {{ echo the machine ran out of memory >&2; exit 1; }};;\nesac\nexec {simulation.program.executable} "$@"\n'
    )
    once.chmod(0o755)
    expected = simulation.run(small_images, 12)
    simulation.program.executable = once
    with pytest.warns(UserWarning, match=r"images 3 to 4 \(shard 2 of 2\): .*ran out of memory; trying once more"):
        recording = simulation.run(small_images, 12, jobs=2)
    np.testing.assert_array_equal(recording.scores, expected.scores)


def test_runs_leave_nothing_behind(small_spiking, small_images):
    simulation = Simulation(small_spiking, "standalone")
    data = simulation.program.data
    simulation.run(small_images, 5)
    assert {path.name for path in data.iterdir()} == {".lock", "main", "static_arrays"}
    del simulation
    gc.collect()
    assert not data.exists()


def test_a_killed_build_and_a_killed_run_do_not_disturb_the_next(small_images, tmp_path):
    script = (
        "import sys; sys.path.insert(0, {root!r})\n"
        "import numpy as np\n"
        "from brianconv import Simulation, convert\n"
        "from tests.helpers.networks import *\n"
        "spiking = convert(small_cnn(), normalization='none', input_shape=SMALL_SHAPE)\n"
        "simulation = Simulation(spiking, 'standalone')\n"
        "print('built', flush=True)\n"
        "recording = simulation.run(np.repeat(dyadic_images(5, SMALL_SHAPE), {repeats}, axis=0), 24)\n"
        "print(int(recording.spike_counts.sum()), flush=True)\n"
    )
    environment = {**os.environ, "BRIANCONV_CACHE": str(tmp_path)}

    def start(repeats):
        code = script.format(root=str(Path(__file__).parents[2]), repeats=repeats)
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def kill(process):
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    building = start(1)
    while not any(tmp_path.glob("runs/*/source/Makefile")):
        assert building.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)
    kill(building)
    assert not any(tmp_path.glob("programs/*/main"))
    running = start(20000)
    assert running.stdout.readline() == "built\n"
    time.sleep(0.5)
    kill(running)
    assert any(tmp_path.glob("runs/*"))
    last = start(1)
    output, _ = last.communicate()
    assert last.returncode == 0 and int(output.split()[-1]) > 0
    assert not any(tmp_path.glob("runs/*")), "the folders of the killed processes are gone"


def test_skipping_keeps_the_output_at_its_initial_potential(numpy_target, small_spiking, small_images):
    output = small_spiking.output
    recording = simulate(small_spiking, small_images, N_STEPS, skip=5, record_potentials=[output])
    values = recording.potentials[output].values
    assert np.all(values[:, :5] == 0.25) and not np.all(values[:, 5] == 0.25)


def test_one_potential_a_layer(numpy_target, small_spiking, small_images):
    charged = small_spiking.with_parameters(v_init=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    recording = simulate(charged, np.zeros((1, *SMALL_SHAPE)), 1, record_potentials=charged.populations)
    for name, expected in zip(charged.populations, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), strict=True):
        bias = 0.0 if name == "input" else charged.graph.layer(name).bias.ravel()
        arriving = recording.potentials[name].values[0, 0] - expected - bias
        assert abs(arriving).max() < 1e-12 or name != "layer_0"


def test_changed_equations_run_and_have_no_reference(numpy_target, small_spiking, small_images):
    leaky = small_spiking.change_neurons(
        "layer_0",
        equations="dv/dt = drive/dt - v/tau_m : 1\ndrive : 1\n"
        "v_threshold : 1 (shared, constant)\nv_init : 1 (shared, constant)",
        method="exact",
        namespace={"tau_m": 5 * ms},
    )
    plain, leaking = (simulate(s, small_images, N_STEPS).spike_counts.sum(axis=0) for s in (small_spiking, leaky))
    assert leaking[0] == plain[0] and 0 < leaking[1] < plain[1]
    assert "v/tau_m" in leaky.describe("layer_0") and "tau_m = 5. ms" in leaky.describe("layer_0")
    with pytest.raises(ParameterError, match="no torch reference"):
        simulate_reference(leaky, small_images, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equations": "dv/dt = drive/dt + foo : 1\ndrive : 1\nv_threshold : 1\nv_init : 1"}, "foo"),
        ({"equations": "dv/dt = drive/dt : 1\ndrive : 1"}, "must keep .* 'layer_0' has lost v_threshold, v_init"),
        ({"equations": "dv/dt == 3"}, "'layer_0'"),
        ({"refractory": "2"}, "refuses the equations"),
    ],
)
def test_equations_that_brian_refuses_are_explained(numpy_target, small_spiking, small_images, changes, message):
    with pytest.raises(ParameterError, match=message):
        simulate(small_spiking.change_neurons("layer_0", **changes), small_images, 3)


def test_no_layer_means_no_change(small_spiking):
    changed = small_spiking.change_neurons([], refractory="2*ms")
    assert all(model.refractory is None for model in changed.neurons.values())
    changed = small_spiking.change_neurons(refractory="2*ms")
    assert [model.refractory for model in changed.neurons.values()] == [None] + 5 * ["2*ms"]


def test_a_device_that_the_user_has_set_is_left_alone(small_spiking, small_images):
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        for mode in ("runtime", "standalone"):
            with pytest.raises(ParameterError, match=r"call brian2\.set_device\('runtime'\) first"):
                simulate(small_spiking, small_images, 3, mode=mode)
    finally:
        brian2.set_device("runtime")  # as the message says
    assert simulate(small_spiking, small_images, 3).n_images == len(small_images)


def test_a_refractory_period_limits_the_rate(numpy_target, small_spiking):
    tired = small_spiking.change_neurons("input", refractory="2*ms")
    recording = simulate(tired, np.ones((2, *SMALL_SHAPE)), 9, record_spikes=["input"])
    fired = recording.spikes_of("input").dense(2, 9, int(np.prod(SMALL_SHAPE)))
    assert not np.any(fired[:, 1:] & fired[:, :-1]) and fired[:, 0].all(), "awake at the start of each image"


def test_users_add_monitors_and_run_the_network(numpy_target, small_spiking, small_images):
    brian = build_network(small_spiking)
    monitor = StateMonitor(brian.populations["layer_0"], "v", record=[0, 1], dt=brian.dt)
    brian.network.add(monitor)
    duration = brian.present(small_images[:2], 10)
    brian.network.run(duration, namespace={})
    assert duration == 20 * ms and monitor.v.shape == (2, 20)
    assert set(brian.connections) >= {"input_to_layer_0", "layer_0_to_layer_2"}
    assert len(brian.connections["input_to_layer_0"]) == small_spiking.graph.layers[0].connections[0].n_synapses


def test_describe_prints_every_layer_in_order(small_spiking):
    text = small_spiking.describe()
    assert [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ") and line] == (
        small_spiking.populations
    )
    assert text.index("dv/dt = drive / dt") < text.index("v >= v_threshold") < text.index("v -= v_threshold")


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda s, x: simulate(s, x[:, :1]), ShapeError, "images have shape"),
        (lambda s, x: simulate(s, x * 2), DataError, r"must lie in \[0, 1\]"),
        (lambda s, x: simulate(s, x[:0]), DataError, "no images"),
        (lambda s, x: simulate(s, x, record_spikes=["conv9"]), UnknownLayerError, "no layer 'conv9'; the layers are"),
        (lambda s, x: simulate(s, x, record_spikes="input"), ParameterError, "a list of names"),
        (lambda s, x: simulate(s, x, record_potentials={"input": [10**6]}), ParameterError, "could be one of two"),
        (lambda s, x: simulate(s, x, mode="cuda"), ParameterError, "runtime, standalone"),
        (lambda s, x: simulate(s, x, synapses="sparse"), ParameterError, "structured, explicit"),
        (lambda s, x: simulate(s, x, dtype="float16"), ParameterError, "float64, float32"),
        (lambda s, x: simulate(s, x, -3), ParameterError, "at least 1 step"),
        (lambda s, x: simulate(s, x, 10.5), ParameterError, "a whole number of steps"),
        (lambda s, x: simulate(s, x, 5, evaluation_delay=5), ParameterError, r"\[0, 5\)"),
        (lambda s, x: simulate(s, x, 5, early_decision=-1.0), ParameterError, "early_decision is -1"),
        (lambda s, x: simulate(s, x, 5, jobs=2), ParameterError, "standalone mode only"),
        (lambda s, x: simulate(s, x, 5, jobs="2"), ParameterError, "jobs is '2'; it is a whole number"),
        (lambda s, x: simulate(s, x, 5, early_decision="1"), ParameterError, "early_decision is '1'; the threshold"),
        (lambda s, x: verify(s, x, 0), ParameterError, "at least 1 step"),
        (lambda s, x: simulate(s, x, 5, v_init=2.0), ParameterError, r"v_init of 'input' is 2; it must lie in"),
        (lambda s, x: simulate(s, x, 5, beta=2.0), ParameterError, "no parameter 'beta'"),
        (lambda s, x: s.with_parameters(v_init=[0.1]), ParameterError, "1 values for 6 populations"),
        (lambda s, x: s.with_parameters(v_init={"fc": 0.1}), UnknownLayerError, "'fc'"),
        (lambda s, x: s.with_parameters(v_init="much"), ParameterError, "a number is needed"),
        (lambda s, x: s.change_neurons(threshhold="v > 1"), ParameterError, "no 'threshhold'"),
        (lambda s, x: convert_again(s, synaptic_delay=-1), ParameterError, "0 or more"),
        (lambda s, x: convert_again(s, synaptic_delay={"fc": 1}), UnknownLayerError, "'fc'"),
        (lambda s, x: simulate(s, x, dt=1), ParameterError, "positive time"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_clear_message(small_spiking, small_images, run, error, message):
    with pytest.raises(error, match=message):
        run(small_spiking, small_images)


def test_calibration_images_without_contrast_are_refused(small_images):
    divided = np.rint(255 * small_images * 0.9).astype(np.uint8) // 255
    with pytest.raises(DataError, match=r"every pixel of the 5 calibration images is 0.*floating-point pixels"):
        convert(small_cnn(), divided)


def test_unknown_coding_is_refused():
    with pytest.raises(ParameterError, match="'morse' is unknown; choose one of rate"):
        convert(nn.Linear(2, 2), normalization="none", input_shape=(2,), coding="morse")


def test_a_network_that_does_not_fit_is_refused_with_the_figures(small_spiking, monkeypatch):
    monkeypatch.setattr(memory_limit.psutil, "virtual_memory", lambda: type("Free", (), {"available": 1000})())
    figures = r"[\d,]+ explicit synapses .* need about .* GB of memory, and .* GB are free"
    with pytest.raises(MemoryLimitError, match=figures + r"; synapses='structured' \(--synapses structured\)"):
        build_network(small_spiking, synapses="explicit")


def test_a_missing_compiler_is_named_with_its_package(small_spiking, monkeypatch):
    monkeypatch.setattr(program.shutil, "which", lambda command: None)
    with pytest.raises(CompilerError, match=r"apt-get install g\+\+"):
        Simulation(small_spiking, "standalone")


def test_a_failing_program_is_reported(small_spiking, small_images, tmp_path):
    simulation = Simulation(small_spiking, "standalone")
    broken = tmp_path / "main"
    broken.write_text("#!/bin/sh\necho out of luck >&2\nexit 9\n")
    broken.chmod(0o755)
    simulation.program.executable = broken
    with pytest.raises(SimulationError, match="out of luck"):
        simulation.run(small_images, 5)
