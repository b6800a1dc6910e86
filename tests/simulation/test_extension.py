"""Objects of the user's own: the same data in both modes, for every image by itself."""

import numpy as np
import pytest
from brian2 import (
    NetworkOperation,
    NeuronGroup,
    PopulationRateMonitor,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    ms,
)

from brianconv import Recording, Simulation, simulate
from brianconv.errors import DataError, ParameterError
from brianconv.simulation.runtime import values

N_STEPS = 20


def watched(brian):
    """A group of the user's own listens to a layer; its state, its spikes and the rate of the layer are recorded."""
    clock = brian.clock
    watcher = NeuronGroup(
        4, "dx/dt = -x / (10*ms) : 1\nn : 1", threshold="x > 1", reset="x = 0; n += 1", method="exact", clock=clock,
        name="watcher",
    )  # fmt: skip
    listening = Synapses(brian.populations["layer_0"], watcher, "u : 1", on_pre="x += u", clock=clock, name="listening")
    listening.connect(j="i % 4")
    listening.u = 0.25
    watcher.run_regularly("x += 0.01", when="start", clock=clock, name="nudge")
    return [
        watcher,
        listening,
        StateMonitor(watcher, ["x", "n"], record=True, clock=clock, name="states"),
        StateMonitor(brian.populations["layer_2"], "v", record=[0, 1], dt=5 * ms, name="slow"),
        SpikeMonitor(watcher, variables=["n"], name="fired"),
        PopulationRateMonitor(brian.populations["layer_0"], name="rate"),
    ]


def assert_same(a, b, rtol=1e-12):
    assert a.monitors.keys() == b.monitors.keys()
    for name, found in a.monitors.items():
        other = b.monitors[name]
        for what in ("image", "step"):
            np.testing.assert_array_equal(getattr(found, what), getattr(other, what))
        np.testing.assert_allclose(found.t_ms, other.t_ms)
        for variable, data in found.variables.items():
            np.testing.assert_allclose(data, other.variables[variable], rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
def test_both_modes_return_the_same_data(numpy_target, small_spiking, small_images, synapses):
    runs = {}
    for mode in ("runtime", "standalone"):
        simulation = Simulation(small_spiking, mode, synapses=synapses, extend=watched)
        simulation.run(small_images[::-1], N_STEPS)  # the second run has its own data only
        runs[mode] = simulation.run(small_images, N_STEPS)
    assert_same(runs["runtime"], runs["standalone"])
    assert_same(simulation.run(small_images, N_STEPS, jobs=2), runs["standalone"])
    found = runs["standalone"]
    n_images = len(small_images)
    assert found.monitors["states"].x.shape == (4, n_images * N_STEPS)
    assert found.monitors["slow"].v.shape == (2, n_images * N_STEPS // 5)
    assert found.monitors["slow"].step.tolist()[:5] == [1, 6, 11, 16, 1]
    rate = found.monitors["rate"].rate.reshape(n_images, N_STEPS)  # in Hz, per neuron
    n_neurons = int(np.prod(found.shapes["layer_0"]))
    np.testing.assert_allclose(rate * n_neurons / 1000, found.spike_counts_by_image[:, :, 1])
    assert found.monitors["fired"].i.size > 10
    np.testing.assert_array_equal(found.scores, simulate(small_spiking, small_images, N_STEPS).scores)


def test_images_do_not_depend_on_each_other(numpy_target, small_spiking, small_images):
    simulation = Simulation(small_spiking, extend=watched)
    packed = simulation.run(small_images, N_STEPS, early_decision=0.5)
    assert packed.decided.any()
    for image in range(len(small_images)):
        alone = simulation.run(small_images[image : image + 1], N_STEPS, early_decision=0.5)
        for name in ("states", "fired", "rate"):
            part, single = packed.of_images([image]).monitors[name], alone.monitors[name]
            np.testing.assert_array_equal(part.step, single.step)
            for variable, data in single.variables.items():
                np.testing.assert_allclose(part.variables[variable], data, rtol=1e-12)


def test_plastic_weights_are_recorded_in_both_modes(numpy_target, small_spiking, small_images):
    """Pair-based plasticity with traces of each synapse, and the weights of some synapses over time."""
    learning = small_spiking.change_connection(
        "layer_2_to_layer_5",
        "dpre/dt = -pre / (20*ms) : 1 (event-driven)\ndpost/dt = -post / (20*ms) : 1 (event-driven)",
        on_pre="v_post += w; pre += 1; w = clip(w - 0.01 * post, -1, 1)",
        on_post="post += 1; w = clip(w + 0.01 * pre, -1, 1)",
    )

    def weights(brian):
        return [
            StateMonitor(
                brian.connections["layer_2_to_layer_5"], "w", record=[0, 1, 2, 50], clock=brian.clock, name="w"
            )
        ]

    runs = [simulate(learning, small_images, N_STEPS, mode=mode, extend=weights) for mode in ("runtime", "standalone")]
    assert_same(*runs, rtol=1e-9)
    w = runs[0].monitors["w"].w
    assert (np.abs(np.diff(w, axis=1)) > 0).any()
    first = [runs[0].monitors["w"].w[:, runs[0].monitors["w"].image == k][:, 0] for k in range(2)]
    assert not np.array_equal(*first), "weights are carried over from image to image"


def test_a_function_of_ones_own_ends_images(numpy_target, small_spiking, small_images):
    """As the rule "spikes >= 3", written in Python."""

    def rule(brian):
        def look():
            brian.seen = 0 if values(brian.schedule, "step") == 1 else brian.seen
            brian.seen += len(brian.output.spikes)
            if brian.seen >= 3:
                brian.end_image()

        brian.seen = 0
        return [NetworkOperation(look, clock=brian.clock, when="end", order=1, name="look")]

    own = simulate(small_spiking, small_images, 40, extend=rule)
    expected = simulate(small_spiking, small_images, 40, stop="spikes >= 3")
    np.testing.assert_array_equal(own.steps, expected.steps)
    np.testing.assert_array_equal(own.decided, expected.decided)
    np.testing.assert_array_equal(own.decisions, expected.decisions)
    assert own.decided.any()


def test_monitors_are_saved_and_loaded(numpy_target, small_spiking, small_images, tmp_path):
    recording = simulate(small_spiking, small_images, N_STEPS, extend=watched)
    recording.save(tmp_path)
    assert_same(Recording.load(tmp_path), recording)
    with np.load(tmp_path / "recording.npz") as file:
        arrays = dict(file)
    for damage, message in (
        ({"monitors/states/t": arrays["monitors/states/t"][1:]}, "other samples than its times"),
        ({"monitors/states/t": -arrays["monitors/states/t"] - 1}, "negative times"),
        ({"monitors/states/t": arrays["monitors/states/t"] * np.nan}, "has no times"),
        ({"monitors/a b/t": arrays["monitors/states/t"]}, "belongs to no monitor"),
        ({"monitors/new/x": arrays["monitors/states/x"]}, "has no times"),
    ):
        np.savez(tmp_path / "recording.npz", **(arrays | damage))
        with pytest.raises(DataError, match=message):
            Recording.load(tmp_path)


@pytest.mark.parametrize(
    ("extend", "message"),
    [
        (3, "extend is 3; it is a function"),
        (lambda brian: None, "extend returned None; it returns a list"),
        (lambda brian: "monitor", "extend returned 'monitor'"),
        (lambda brian: [3], "extend returned 3, which is no object of Brian2"),
        (lambda brian: [NeuronGroup(1, "x : 1", name="layer_0")], "'layer_0', which is taken"),
    ],
)
def test_what_is_no_extension_is_refused(numpy_target, small_spiking, extend, message):
    with pytest.raises(ParameterError, match=message):
        Simulation(small_spiking, extend=extend)


def test_python_cannot_run_in_a_program(small_spiking):
    with pytest.raises(ParameterError, match="'mine' is a Python function, which a generated program cannot call"):
        Simulation(
            small_spiking, "standalone", extend=lambda brian: [NetworkOperation(lambda: None, dt=1 * ms, name="mine")]
        )
    Simulation(small_spiking, "standalone", extend=lambda brian: [])


def test_an_unknown_variable_is_named(numpy_target, small_spiking, small_images):
    recording = simulate(small_spiking, small_images[:1], 5, extend=watched)
    with pytest.raises(AttributeError, match="nothing was monitored as 'y'; there are t_ms, image, step, x, n"):
        _ = recording.monitors["states"].y
    assert repr(recording.monitors["states"]) == "<Monitored, 5 samples of x, n>"
