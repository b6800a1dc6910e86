"""Structured synapses do what plain Synapses do, between any two groups, on every target."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from brian2 import Clock, Network, NeuronGroup, StateMonitor, Synapses, TimedArray, ms, mV
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brianconv import AveragePooling, Convolution, Dense, MaxPooling, StructuredSynapses, group_index
from brianconv.connectivity.connection import Connection
from brianconv.errors import ParameterError, ShapeError
from brianconv.simulation.synapses.targets import protect_events
from tests.helpers.connectivities import CHAINS, chains, dyadic_weight

N_STEPS = 8
ON_PRE = [
    "v_post += w",
    "v_post += w * omega",
    "v_post += w * g_pre",
    "v += w; n_events_post += 1",
    "v_post += w * gain_pre * int(g_pre > 0.5)",
]
PRE = """
x = pattern(t, i) : 1
g                 : 1
gain              : 1 (shared)
"""
POST = """
v        : 1
n_events : integer
omega    : 1 (shared)
"""


class Pair:
    """The same source joined to two targets, by plain and by structured synapses, under names that never change."""

    def __init__(self, chain, on_pre, delay=0, seed=0, prefix=""):
        random = np.random.default_rng(seed)
        connection = Connection("input", tuple(chain))
        n_pre, n_post = (int(np.prod(shape)) for shape in (connection.input_shape, connection.output_shape))
        self.pattern = TimedArray((random.random((N_STEPS, n_pre)) < 0.4).astype(float), dt=1 * ms, name="pattern")
        clock = Clock(1 * ms, name=f"{prefix}clock")
        self.source = NeuronGroup(
            n_pre, PRE, threshold="x > 0.5", reset="g = 1.25 - g", clock=clock, name=f"{prefix}source",
            namespace={"pattern": self.pattern},
        )  # fmt: skip
        self.source.g = random.integers(1, 5, n_pre) / 4
        self.source.gain = 0.5
        self.targets = [NeuronGroup(n_post, POST, clock=clock, name=f"{prefix}{kind}") for kind in ("plain", "shared")]
        for group in self.targets:
            group.omega = 0.25
        self.plain = plain = Synapses(
            self.source, self.targets[0], "w : 1", on_pre=on_pre, delay=delay * ms, clock=clock, name=f"{prefix}all"
        )
        i, j, w = connection.edges()
        plain.connect(i=i, j=j)
        plain.w = w
        self.structured = StructuredSynapses(
            self.source, self.targets[1], chain, on_pre, delay=delay * ms, name=f"{prefix}kernel"
        )
        self.monitors = [
            StateMonitor(group, ["v", "n_events"], record=True, clock=clock, when="end", name=f"{prefix}monitor_{k}")
            for k, group in enumerate(self.targets)
        ]
        self.objects = [self.source, *self.targets, plain, self.structured, *self.monitors]

    def run(self):
        Network(self.objects).run(N_STEPS * ms)
        return self

    def assert_same(self):
        plain, structured = self.monitors
        for name in ("v", "n_events"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(structured, name))
        assert np.abs(plain.v).sum() > 0, "something must have happened"
        assert len(self.plain) == len(self.structured)


# one chain per template; the others compile to the same code, for other tables
OF_TEMPLATES = ("dense", "convolution with stride, dilation and groups", "one to one")


@pytest.mark.parametrize("name", CHAINS)
def test_same_as_plain_synapses(name, numpy_target):
    Pair(CHAINS[name], "v_post += w * g_pre", delay=2).run().assert_same()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OF_TEMPLATES else pytest.mark.slow) for name in CHAINS]
)
def test_same_as_plain_synapses_in_cython(name, cython_target):
    Pair(CHAINS[name], "v_post += w * g_pre", delay=2).run().assert_same()


@given(chains(), st.sampled_from(ON_PRE), st.integers(0, 3), st.integers(0, 9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_connections_same_as_plain_synapses(numpy_target, chain, on_pre, delay, seed):
    pair = Pair(chain, on_pre, delay, seed).run()
    for name in ("v", "n_events"):
        np.testing.assert_array_equal(*(getattr(monitor, name) for monitor in pair.monitors))


@pytest.mark.slow
@given(chains(), st.integers(0, 9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_connections_same_as_plain_synapses_in_cython(cython_target, chain, seed):
    pair = Pair(chain, "v_post += w * omega", delay=1, seed=seed).run()
    for name in ("v", "n_events"):
        np.testing.assert_array_equal(*(getattr(monitor, name) for monitor in pair.monitors))


def test_statements_that_cannot_be_vectorised_run_one_after_the_other(numpy_target):
    Pair(CHAINS["convolution"], "v_post = clip(v_post + w, -0.5, 0.5)").run().assert_same()


STANDALONE = """
import subprocess, sys, numpy as np
from pathlib import Path
from brian2 import Network, device, ms, set_device
from brian2.codegen.cpp_prefs import get_compiler_and_args
sys.path.insert(0, {root!r})
set_device("cpp_standalone", directory={folder!r}, build_on_run=False)
from brianconv.simulation.cpp_project import bundle_sources
from tests.helpers.connectivities import CHAINS, dyadic_weight
from tests.simulation.test_structured import ON_PRE, Gate, N_STEPS, Pair
pairs = [
    Pair(chain, ON_PRE[k % len(ON_PRE)], delay=k % 3, seed=k, prefix=f"pair{{k}}_")
    for k, chain in enumerate(CHAINS.values())
]
gates = [Gate(prefix=f"gate{{k}}_", seed=k) for k in range(3)]
network = Network([thing for pair in (*pairs, *gates) for thing in pair.objects])
network.run(N_STEPS * ms)
device.build(directory={folder!r}, compile=False, run=False)
bundle_sources(Path({folder!r}), " ".join(get_compiler_and_args()[1]))
subprocess.run(["make", "-j2"], cwd={folder!r}, check=True, capture_output=True)
(Path({folder!r}) / "results").mkdir()
device.run({folder!r})
for pair in (*pairs, *gates):
    pair.assert_same()
first = pairs[3]
before = np.array(first.monitors[1].v)
swapped = dyadic_weight(*first.structured.weight.shape, seed=99)
device.run(run_args={{first.structured.w: first.structured.kernel_values(swapped)}})
after = np.array(first.monitors[1].v)
device.run(run_args={{first.structured.w: first.structured.kernel_values(2 * first.structured.weight)}})
assert not np.array_equal(before, after)
np.testing.assert_array_equal(np.array(first.monitors[1].v), 2 * before)
print("same")
"""


def test_many_connectivities_in_one_generated_program_and_swapped_kernels(tmp_path, request):
    script = textwrap.dedent(STANDALONE).format(root=str(request.path.parents[2]), folder=str(tmp_path / "program"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.endswith("same\n"), done.stderr[-3000:]


class Gate:
    """Maximum pooling by structured synapses, and by two ordered pathways of plain ones."""

    def __init__(self, prefix="", seed=0):
        random = np.random.default_rng(seed)
        pooling = MaxPooling((2, 6, 5), (3, 2), (2, 2), (1, 0))
        n_pre, n_post = (int(np.prod(s)) for s in (pooling.input_shape, pooling.output_shape))
        pattern = TimedArray((random.random((N_STEPS, n_pre)) < 0.5).astype(float), dt=1 * ms, name=f"{prefix}pattern")
        clock = Clock(1 * ms, name=f"{prefix}clock")
        self.source = NeuronGroup(
            n_pre, "x = pattern(t, i) : 1\nomega = 2.0 ** -(1 + t_in_timesteps % 4) : 1\nsum_of_weights : 1",
            threshold="x > 0.5", reset="", clock=clock, name=f"{prefix}source", namespace={"pattern": pattern},
        )  # fmt: skip
        self.source.run_regularly(
            "sum_of_weights += int(x > 0.5) * omega", when="thresholds", order=1, name=f"{prefix}sum"
        )
        self.targets = [
            NeuronGroup(n_post, "v : 1\nlargest : 1\nleader : integer", clock=clock, name=f"{prefix}{kind}")
            for kind in ("plain", "shared")
        ]
        self.targets[0].leader = 10**6
        choose = """
        ahead = sum_of_weights_pre > largest_post or (sum_of_weights_pre == largest_post and i < leader_post)
        leader_post = i * int(ahead) + leader_post * (1 - int(ahead))
        largest_post = sum_of_weights_pre * int(ahead) + largest_post * (1 - int(ahead))
        """
        plain = Synapses(
            self.source, self.targets[0],
            on_pre={"choose": choose, "passing": "v_post += omega_pre * int(leader_post == i)"},
            clock=clock, name=f"{prefix}pathways",
        )  # fmt: skip
        i, j, _ = Connection("input", (pooling.window,)).edges()
        plain.connect(i=i, j=j)
        plain.passing.order = 1
        protect_events(plain)  # the statements name i
        self.structured = StructuredSynapses(
            self.source, self.targets[1], pooling, "v_post += omega_pre", gate="omega_pre", name=f"{prefix}gate"
        )
        self.monitors = [
            StateMonitor(group, "v", record=True, clock=clock, when="end", name=f"{prefix}monitor_{k}")
            for k, group in enumerate(self.targets)
        ]
        self.objects = [
            self.source,
            *self.source.contained_objects,
            *self.targets,
            plain,
            self.structured,
            *self.monitors,
        ]

    def assert_same(self):
        np.testing.assert_array_equal(*(monitor.v for monitor in self.monitors))
        assert self.monitors[0].v.sum() > 0


@pytest.mark.filterwarnings("ignore")
def test_maximum_pooling_passes_the_spikes_of_the_leading_input(target):
    gate = Gate()
    Network(gate.objects).run(N_STEPS * ms)
    gate.assert_same()


def test_parts_of_groups_are_joined(target):
    clock = Clock(1 * ms)
    pattern = TimedArray((np.random.default_rng(0).random((N_STEPS, 60)) < 0.5).astype(float), dt=1 * ms)
    source = NeuronGroup(60, "x = pattern(t, i) : 1", threshold="x > 0.5", clock=clock)
    whole = NeuronGroup(30, "v : 1", clock=clock)
    dense = Dense(dyadic_weight(10, 27), np.zeros(10))
    conv = Convolution(dyadic_weight(2, 3, 2, 2), np.zeros(2), (3, 3, 3))
    synapses = [
        StructuredSynapses(source[20:47], whole[5:15], dense),
        StructuredSynapses(source[33:60], whole[15:23], conv),
    ]
    Network(source, whole, *synapses).run(N_STEPS * ms, namespace={"pattern": pattern})
    spikes = pattern.values[:N_STEPS].sum(axis=0)
    expected = np.zeros(30)
    for part, place, connectivity in ((spikes[20:47], 5, dense), (spikes[33:60], 15, conv)):
        i, j, w = Connection("input", (connectivity,)).edges()
        np.add.at(expected, place + j, w * part[i])
    np.testing.assert_array_equal(whole.v, expected)


def test_weights_are_read_set_and_swapped(numpy_target):
    clock = Clock(1 * ms)
    source = NeuronGroup(9, "v : 1", threshold="True", clock=clock)
    target = NeuronGroup(8, "v : volt", clock=clock)
    weight = dyadic_weight(2, 1, 2, 2)
    synapses = StructuredSynapses(source, target, Convolution(weight, np.zeros(2), (1, 3, 3)), weight_unit=mV)
    np.testing.assert_array_equal(synapses.weight / mV, weight)
    network = Network(source, target, synapses)
    network.run(1 * ms)
    np.testing.assert_allclose(target.v[group_index((2, 2, 2), (1, 0, 1))] / mV, weight[1].sum(), rtol=1e-12)
    synapses.weight = 3 * weight * mV
    target.v = 0 * mV
    network.run(1 * ms)
    np.testing.assert_allclose(target.v[0] / mV, 3 * weight[0].sum(), rtol=1e-12)
    np.testing.assert_array_equal(synapses.weight / mV, 3 * weight)


NAMING = "v_post += w * n_pre; n_events_post += 1"


@pytest.mark.parametrize("on_pre", ["v_post += w", "v_post += 0.5", NAMING])
def test_refractory_targets_and_names_of_users_are_respected(numpy_target, on_pre):
    _compare_with_refractory_targets(on_pre)


def test_refractory_targets_and_names_of_users_are_respected_in_cython(cython_target):
    _compare_with_refractory_targets(NAMING)


def _compare_with_refractory_targets(on_pre):
    """Variables called n or delay do not collide with what the templates use."""
    clock = Clock(1 * ms)
    pattern = TimedArray((np.random.default_rng(3).random((N_STEPS, 9)) < 0.5).astype(float), dt=1 * ms)
    source = NeuronGroup(
        9, "x = pattern(t, i) : 1\nn : 1\ndelay : 1\nsource : 1", threshold="x > 0.5", reset="", clock=clock
    )
    source.n = 0.5
    equations = "dv/dt = 0 / second : 1 (unless refractory)\nn_events : integer\nn : integer\ndelay : 1"
    targets = [
        NeuronGroup(8, equations, threshold="v > 0.4", reset="v = 0", refractory=3 * ms, clock=clock, method="euler")
        for _ in range(2)
    ]
    conv = Convolution(dyadic_weight(2, 1, 2, 2), np.zeros(2), (1, 3, 3))
    plain = Synapses(source, targets[0], "w : 1", on_pre=on_pre, clock=clock)
    i, j, w = Connection("input", (conv,)).edges()
    plain.connect(i=i, j=j)
    plain.w = w
    structured = StructuredSynapses(source, targets[1], conv, on_pre)
    monitors = [StateMonitor(group, ["v", "n_events"], record=True, clock=clock) for group in targets]
    Network(source, *targets, plain, structured, *monitors).run(N_STEPS * ms, namespace={"pattern": pattern})
    np.testing.assert_array_equal(monitors[0].v, monitors[1].v)
    np.testing.assert_array_equal(monitors[0].n_events, monitors[1].n_events)


def test_indices_are_those_of_plain_synapses(numpy_target):
    Pair(CHAINS["convolution"], "v_post += w * (i + 2 * j) / 256").run().assert_same()


def test_the_kernel_is_read_but_not_written_as_w(numpy_target):
    clock = Clock(1 * ms)
    groups = [NeuronGroup(n, "v : 1", threshold="v > 1", clock=clock) for n in (9, 8)]
    weight = dyadic_weight(2, 1, 2, 2)
    synapses = StructuredSynapses(*groups, Convolution(weight, np.zeros(2), (1, 3, 3)))
    np.testing.assert_array_equal(np.sort(synapses.w[:]), np.sort(weight.ravel()))
    assert "w" in repr(synapses.w) and len(synapses) == 4 * 8
    with pytest.raises(ParameterError, match=r"assign to \.weight instead"):
        synapses.w = 5
    with pytest.raises(ParameterError, match=r"assign to \.weight instead"):
        synapses.w[:] = 5
    with pytest.raises(AttributeError, match="belongs to neurons"):
        synapses.v_post  # noqa: B018
    network = Network(*groups, synapses)
    network.store()
    synapses.weight = 2 * weight
    network.restore()
    np.testing.assert_array_equal(synapses.weight, weight)
    for on_pre in ("w += 1", "v_post += w; w = 2", "v_post += w\n w *= 0.5"):
        with pytest.raises(ParameterError, match=r"use brian2\.Synapses for plasticity"):
            StructuredSynapses(*groups, Convolution(weight, np.zeros(2), (1, 3, 3)), on_pre)


def test_another_time_step_is_refused(numpy_target):
    clock = Clock(1 * ms)
    source, target = (NeuronGroup(4, "v : 1", threshold="v > 1", clock=clock) for _ in range(2))
    synapses = StructuredSynapses(source, target, AveragePooling((1, 2, 2), (1, 1), (1, 1)), delay=2 * ms)
    clock.dt = 0.5 * ms
    with pytest.raises(Exception, match=r"(?s).*object named") as caught:
        Network(source, target, synapses).run(2 * ms)
    assert "was 2 steps when it was made" in str(caught.value.__cause__)


def test_spikes_in_flight_are_forgotten(numpy_target):
    clock = Clock(1 * ms)
    source = NeuronGroup(4, "v : 1", threshold="t < 2*ms", clock=clock)
    target = NeuronGroup(4, "v : 1", clock=clock)
    synapses = StructuredSynapses(source, target, AveragePooling((1, 2, 2), (1, 1), (1, 1)), delay=3 * ms)
    network = Network(source, target, synapses)
    network.run(3 * ms)
    synapses.flush()
    network.run(5 * ms)
    assert not np.any(target.v)


def test_bad_input_is_refused_before_anything_is_built():
    groups = [NeuronGroup(n, "v : 1", threshold="v > 1") for n in (18, 8)]
    conv = Convolution(dyadic_weight(2, 2, 2, 2), np.zeros(2), (2, 3, 3))
    with pytest.raises(
        ShapeError, match=r"target .* has 18 neurons, but the connectivity has shape .2, 2, 2., which is 8"
    ):
        StructuredSynapses(groups[0], groups[0], conv)
    with pytest.raises(ParameterError, match="no whole number of time steps"):
        StructuredSynapses(*groups, conv, delay=0.25 * ms)
    with pytest.raises(ParameterError, match="it is one time"):
        StructuredSynapses(*groups, conv, delay=3)
    with pytest.raises(ParameterError, match="no common kernel"):
        StructuredSynapses(
            groups[0], groups[1], [Dense(np.zeros((18, 18)), np.zeros(18)), Dense(np.zeros((8, 18)), np.zeros(8))]
        )
    with pytest.raises(ParameterError, match="two populations of its own"):
        StructuredSynapses(*groups, [MaxPooling((2, 3, 3), (2, 2), (1, 1)), AveragePooling((2, 2, 2), (1, 1), (1, 1))])
    for connectivity in (None, [], Dense, "conv", np.zeros((8, 18))):
        with pytest.raises(
            ParameterError, match=r"the connectivity is .*; it is an object of AveragePooling, ChannelPadding"
        ):
            StructuredSynapses(*groups, connectivity)
    with pytest.raises(ParameterError, match="weight_unit is"):
        StructuredSynapses(*groups, conv, weight_unit="mV")
    with pytest.raises(ParameterError, match="does not spike: give it a threshold"):
        StructuredSynapses(NeuronGroup(18, "v : 1"), groups[1], conv)
    for delay in ("1*ms", np.inf * ms, -1 * ms):
        with pytest.raises(ParameterError, match="it is one time"):
            StructuredSynapses(*groups, conv, delay=delay)
    synapses = StructuredSynapses(*groups, conv)
    with pytest.raises(ShapeError, match="has shape"):
        synapses.weight = np.zeros((2, 2))
    with pytest.raises(ParameterError, match="is in"):
        synapses.weight = conv.weight * mV
    assert Network(*groups, synapses)
