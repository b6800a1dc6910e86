"""Networks that users changed: images do not depend on those before them, in either mode and with either synapses."""

import numpy as np
import pytest
from brian2 import NeuronGroup, Synapses, ms, mV

from brianconv import Simulation, build_network, simulate
from brianconv.analysis.traces import MembraneTrace
from brianconv.errors import BrianconvError, ParameterError
from tests.helpers.networks import SMALL_SHAPE, dyadic_images

ADAPTATION = "\ndw_a/dt = -w_a / tau_a : 1"


def adaptive(spiking, **options):
    """The threshold of a layer grows with every spike and falls back slowly."""
    return spiking.change_neurons(
        "layer_0",
        equations=spiking.neurons["layer_0"].equations + ADAPTATION,
        threshold="v >= v_threshold + w_a",
        reset="v -= v_threshold; w_a += 0.25",
        namespace={"tau_a": 50 * ms},
        **options,
    )


def counting(spiking, **options):
    """A layer counts its spikes."""
    neuron = spiking.neurons["layer_0"]
    return spiking.change_neurons(
        "layer_0", equations=neuron.equations + "\nn : integer", reset=neuron.reset + "\nn += 1", **options
    )


def one_at_a_time(simulation, images, n_steps, **options):
    return [simulation.run(images[k : k + 1], n_steps, **options) for k in range(len(images))]


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_packed_equals_one_at_a_time_for_changed_neurons(request, small_spiking, small_images, mode, synapses):
    if mode == "runtime":
        request.getfixturevalue("numpy_target")
    simulation = Simulation(adaptive(small_spiking), mode, synapses=synapses)
    packed = simulation.run(small_images, 20, early_decision=2.0)
    single = one_at_a_time(simulation, small_images, 20, early_decision=2.0)
    np.testing.assert_array_equal(packed.scores, np.concatenate([_filled(r.scores, 20) for r in single]))
    np.testing.assert_array_equal(packed.spike_counts, sum(r.spike_counts for r in single))
    assert packed.spike_counts.sum() != simulate(small_spiking, small_images, 20, early_decision=2.0).spike_counts.sum()
    if mode == "standalone":
        divided = simulation.run(small_images, 20, early_decision=2.0, jobs=3)
        np.testing.assert_array_equal(packed.scores, divided.scores)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_variables_are_recorded_with_the_potentials(request, small_spiking, small_images, mode, synapses):
    if mode == "runtime":
        request.getfixturevalue("numpy_target")
    changed = adaptive(small_spiking)
    neurons = [(0, 0, 0), (1, 2, 3), (2, 1, 1)]
    recording = simulate(
        changed, small_images, 20, mode=mode, synapses=synapses, early_decision=2.0,
        record_potentials={"layer_0": neurons}, record_variables={"layer_0": ["w_a", "v"], "layer_2": ["drive"]},
    )  # fmt: skip
    w_a = recording.potentials["layer_0"].variables["w_a"]
    assert w_a.shape == recording.potentials["layer_0"].values.shape == (len(small_images), 20, 3)
    fired = recording.spikes["layer_0"].dense(len(small_images), 20, int(np.prod(recording.shapes["layer_0"])))
    of_neurons = fired[:, :, recording.potentials["layer_0"].torch_index]
    assert of_neurons.any()
    for image, n_steps in enumerate(recording.steps):
        expected = np.zeros(3)
        for step in range(n_steps):
            expected *= 1 - 1 / 50  # method euler
            np.testing.assert_allclose(w_a[image, step], expected, rtol=1e-12)
            expected += 0.25 * of_neurons[image, step]
        assert np.isnan(w_a[image, n_steps:]).all()
        for position in neurons:
            trace = MembraneTrace(recording, changed, "layer_0", position, image)
            threshold = 1 + w_a[image, :n_steps, neurons.index(position)]
            np.testing.assert_allclose(trace.threshold, threshold)
            np.testing.assert_array_equal(trace.fired, trace.v >= threshold)
    drive = recording.potentials["layer_2"].variables["drive"]
    assert drive.shape == (len(small_images), 20, int(np.prod(recording.shapes["layer_2"])))


def test_conditions_and_counters_are_recorded_as_numbers(numpy_target, small_spiking, small_images):
    changed = counting(small_spiking)
    changed = changed.change_neurons(
        "layer_0", equations=changed.neurons["layer_0"].equations + "\nhigh = v > 0.5 : boolean"
    )
    recording = simulate(changed, small_images, 12, record_variables={"layer_0": ["n", "high"]})
    n, high = (recording.potentials["layer_0"].variables[name] for name in ("n", "high"))
    fired = recording.spikes["layer_0"].dense(*n.shape).astype(int)
    np.testing.assert_array_equal(n, np.cumsum(fired, axis=1) - fired)
    np.testing.assert_array_equal(high, recording.potentials["layer_0"].values > 0.5)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"layer_0": ["w_b"]}, "no variable 'w_b' in each neuron; it has v, .*w_a"),
        ({"layer_0": "w_a"}, "a list of names"),
        ({"layer_0": [1]}, "a list of names"),
        (["w_a"], "lists of names by layer"),
        ({"layer_1": ["v"]}, "layer_1"),
    ],
)
def test_variables_that_cannot_be_recorded_are_refused(small_spiking, variables, message):
    with pytest.raises(BrianconvError, match=message):
        Simulation(adaptive(small_spiking), record_variables=variables)


def _filled(scores, n_steps):
    return np.concatenate([scores, np.full((1, n_steps - scores.shape[1], scores.shape[2]), np.nan)], axis=1)


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_a_variable_that_is_kept_goes_on_from_image_to_image(request, small_spiking, small_images, mode):
    if mode == "runtime":
        request.getfixturevalue("numpy_target")
    kept = Simulation(adaptive(small_spiking, keep=["w_a"]), mode)
    packed, last = kept.run(small_images, 20), kept.run(small_images[-1:], 20)
    restored = Simulation(adaptive(small_spiking), mode).run(small_images, 20)
    assert packed.spike_counts.sum() < restored.spike_counts.sum(), "the threshold is still high after earlier images"
    if mode == "standalone":  # each run is a new program
        np.testing.assert_array_equal(last.scores[0], restored.scores[-1])


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_a_potential_that_stands_still_while_refractory_begins_anew(request, small_spiking, small_images, mode):
    """An image may begin while a neuron rests from the one before."""
    if mode == "runtime":
        request.getfixturevalue("numpy_target")
    own = small_spiking.neurons["layer_0"].equations
    equations = own.replace("drive / dt            : 1", "drive / dt : 1 (unless refractory)")
    assert "unless refractory" in equations
    resting = small_spiking.change_neurons("layer_0", equations=equations, refractory="5 * ms")
    simulation = Simulation(resting, mode)
    packed = simulation.run(small_images, 20)
    alone = one_at_a_time(simulation, small_images, 20)
    np.testing.assert_array_equal(packed.scores, np.concatenate([r.scores for r in alone]))
    assert 0 < packed.spike_counts[:, 1].sum() < simulate(small_spiking, small_images, 20).spike_counts[:, 1].sum()


def test_counters_begin_anew_or_are_kept_as_the_closed_form_says(numpy_target, small_spiking, small_images):
    for keep, images in (((), small_images[-1:]), (["n"], small_images)):
        simulation = Simulation(counting(small_spiking, keep=keep), record_spikes=["layer_0"])
        recording = simulation.run(small_images, 12)
        expected = simulate(small_spiking, images, 12, record_spikes=["layer_0"]).spike_counts[:, 1].sum()
        assert simulation.brian.populations["layer_0"].n[:].sum() == expected > 0
        assert recording.spike_counts[:, 1].sum() >= expected


def test_initial_values_are_numbers_quantities_or_expressions(numpy_target, small_spiking, small_images):
    equations = small_spiking.neurons["layer_0"].equations + "\na : 1\nb : volt\nc : 1\ndd/dt = 1 / second : 1"
    changed = small_spiking.change_neurons(
        "layer_0",
        equations=equations,
        initial={"a": 0.5, "b": 3 * mV, "c": "i / 2.0"},
        reset="v -= v_threshold; a += 1",
    )
    text = changed.describe("layer_0")
    assert all(line in text for line in ("a = 0.5", "b = 3. mV", "c = i / 2.0", "d = 0"))
    brian = build_network(changed)
    brian.network.run(brian.present(small_images[:2], 10), namespace={})
    group = brian.populations["layer_0"]
    spikes = simulate(small_spiking, small_images[1:2], 10).spike_counts[:, 1].sum()
    assert group.a[:].sum() == spikes + 0.5 * len(group)
    np.testing.assert_array_equal(group.b[:], 3 * mV)
    np.testing.assert_array_equal(group.c[:], np.arange(len(group)) / 2)
    np.testing.assert_allclose(group.d[:], 0.01)


def test_values_that_a_user_assigns_are_initial_values(numpy_target, small_spiking, small_images):
    brian = build_network(counting(small_spiking))
    group = brian.populations["layer_0"]

    def counted(images):
        brian.network.run(brian.present(images, 12), namespace={})
        return int(group.n[:].sum())

    alone = simulate(small_spiking, small_images[1:2], 12).spike_counts[:, 1].sum()
    assert counted(small_images[:2]) == alone
    assert counted(small_images[:2]) == alone, "a second run begins as the first one"
    group.n = 7
    assert counted(small_images[:2]) == alone + 7 * len(group)
    assert counted(small_images[:2]) == alone + 7 * len(group)


def test_own_groups_and_traces_of_own_synapses_are_restored_but_not_weights(numpy_target, small_spiking, small_images):
    brian = build_network(small_spiking)
    source = brian.populations["layer_0"]
    watcher = NeuronGroup(
        1, "dv/dt = -v / (20*ms) : 1", threshold="v > 5", reset="v = 0", refractory=3 * ms, method="exact",
        clock=source.clock, name="watcher",
    )  # fmt: skip
    synapses = Synapses(
        source, watcher, "dx/dt = -x / (30*ms) : 1 (clock-driven)\nw : 1", on_pre="v_post += w; x += 1; w += 0.125",
        delay=2 * ms, method="exact", clock=source.clock, name="watching",
    )  # fmt: skip
    synapses.connect()
    brian.network.add(watcher, synapses)

    def run(images):
        synapses.w = 0.125
        brian.network.run(brian.present(images, 9), namespace={})
        return np.concatenate([watcher.v[:], synapses.x[:]]), np.array(synapses.w[:])

    (state, w), (alone, w_alone) = run(small_images[:2]), run(small_images[1:2])
    assert np.all(w >= w_alone) and np.any(w > w_alone), "weights go on: they have learned from both images"
    brian.keep.add("watching.x")
    kept, _ = run(small_images[:2])
    assert not np.array_equal(kept[1:], state[1:])
    np.testing.assert_array_equal(state[1:], alone[1:])


def test_what_a_code_itself_does_not_reset_is_left_alone(small_spiking):
    assert all(small_spiking.restored_variables(name) == [] for name in small_spiking.populations)
    leaky = small_spiking.change_neurons("layer_0", threshold="v > 1")
    assert leaky.restored_variables("layer_0") == []
    without = small_spiking.change_neurons("layer_0", on_image="")
    assert without.restored_variables("layer_0") == ["v"]
    assert without.change_neurons("layer_0", keep=["v"]).restored_variables("layer_0") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep": ["w_b"]}, r"'layer_0' has no 'w_b' .*; it has drive, n"),
        ({"initial": {"v": 0.5}}, r"'layer_0' has no 'v' .*, which the first step of an image sets: change on_image"),
        ({"keep": "n"}, r"keep is a list of variables such as \['w_a'\]"),
        ({"initial": ["n"]}, "initial a mapping"),
    ],
)
def test_values_that_cannot_be_kept_are_refused(small_spiking, changes, message):
    with pytest.raises(ParameterError, match=message):
        counting(small_spiking, **changes)


def test_describe_says_what_is_kept(small_spiking):
    text = adaptive(small_spiking, keep=["w_a"]).describe("layer_0")
    assert "kept from image to image\n      w_a" in text
    assert "w_a = 0" in adaptive(small_spiking).describe("layer_0")


def test_images_do_not_depend_on_the_network_that_ran_before(numpy_target, small_spiking):
    images = dyadic_images(3, SMALL_SHAPE, seed=4)
    simulation = Simulation(adaptive(small_spiking))
    first, again = simulation.run(images, 15), simulation.run(images[::-1], 15)
    np.testing.assert_array_equal(first.scores, again.scores[::-1])
