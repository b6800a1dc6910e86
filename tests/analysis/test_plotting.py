"""Pictures show the data, in units, and refuse what was not recorded."""

import numpy as np
import pytest
from brian2 import ms
from matplotlib import pyplot as plt

from brianconv import Simulation, plot_accuracy, plot_correlation, plot_potentials, plot_raster, simulate
from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from brianconv.errors import DataError, ParameterError, UnknownLayerError
from brianconv.positions import position_of_torch_index
from brianconv.recording import Spikes
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import SMALL_SHAPE, small_cnn
from tests.helpers.recordings import LABELS, recording


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_raster_draws_every_spike_of_its_images():
    axes = plot_raster(recording(), [0, 1]).axes[0]
    drawn = np.concatenate([c.get_offsets()[:, 0] for c in axes.collections])
    np.testing.assert_array_equal(np.sort(drawn), [2, 4 + 4])
    assert axes.get_xlabel() == "time (ms)"


def test_traces_start_at_v_init_and_mark_each_spike(numpy_target, small_spiking, small_images):
    layer = "layer_0"
    traced = simulate(small_spiking, small_images, 20, record_spikes=[layer], record_potentials=[layer])
    spikes = traced.spikes_of(layer).of_image(0)
    neuron = int(np.bincount(spikes.torch_index).argmax())
    axes = plot_potentials(traced, layer, [named(traced, layer, neuron)]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["v"].get_ydata()[0] == 0.25
    np.testing.assert_array_equal(lines["spike"].get_xdata(), spikes.step[spikes.torch_index == neuron])
    assert lines["v_init"].get_ydata()[0] == 0.25
    np.testing.assert_array_equal(threshold_of(traced, small_spiking, layer, neuron), np.ones(20))


def test_traces_of_neurons_that_fire_come_first(numpy_target, small_spiking, small_images):
    layer = "layer_0"
    traced = simulate(small_spiking, small_images, 20, record_spikes=[layer], record_potentials=[layer])
    fired = traced.spikes_of(layer).of_image(0).torch_index
    silent = np.setdiff1d(traced.potentials[layer].torch_index, fired)
    assert len(silent), "this network was to have silent neurons"
    labels = [axes.get_ylabel() for axes in plot_potentials(traced, layer).axes]
    assert [label.split("\n")[0] for label in labels] == [
        f"{layer} {named(traced, layer, n)}" for n in np.unique(fired)[:3]
    ]


def named(traced, layer, torch_index):
    return position_of_torch_index(traced.shapes[layer], torch_index)


def test_the_trace_of_a_position_is_that_of_the_neuron_there(numpy_target, small_spiking, small_images):
    """Torch's own order of axes tells which neuron a position is."""
    chosen = [(5, 2, 1), (1, 5, 2)]
    recording = simulate(small_spiking, small_images[:2], 12, record_potentials={"layer_0": chosen})
    assert recording.positions("layer_0") == chosen
    reference = simulate_reference(small_spiking, small_images[:2], 12).potentials["layer_0"]
    by_place = reference.reshape(2, 12, *small_spiking.graph.shapes["layer_0"])
    for axes, (channel, row, column) in zip(
        plot_potentials(recording, "layer_0", chosen, image=1).axes, chosen, strict=True
    ):
        assert axes.get_ylabel().startswith(f"layer_0 ({channel}, {row}, {column})\n")
        line = next(line for line in axes.lines if line.get_label() == "v")
        drawn = line.get_ydata()[np.isin(line.get_ydata(), by_place[1, :, channel, row, column])]
        assert set(by_place[1, :, channel, row, column]) <= set(drawn)
    with pytest.raises(ParameterError, match="neuron 37 of 'layer_0' could be one of two"):
        plot_potentials(recording, "layer_0", [37])
    with pytest.raises(DataError, match=r"of neuron layer_0 \(0, 0, 0\) was not recorded"):
        plot_potentials(recording, "layer_0", [(0, 0, 0)])


def threshold_of(traced, spiking, layer, neuron):
    patches = plot_potentials(traced, layer, [named(traced, layer, neuron)]).axes[0].patches
    return next(patch.get_data().values for patch in patches if patch.get_label() == "threshold")


@pytest.mark.parametrize("code", sorted(CODINGS))
def test_spikes_are_where_the_potential_reaches_the_threshold_that_is_drawn(numpy_target, code, small_images):
    measured = {"v_threshold": 1.0} if CODINGS[code].measured_threshold else {}
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding=code, **measured)
    traced = simulate(spiking, small_images[:1], record_potentials=["layer_2"])
    spikes = traced.spikes_of("layer_2")
    neuron = int(np.bincount(spikes.torch_index).argmax())
    threshold = threshold_of(traced, spiking, "layer_2", neuron)
    v = traced.potentials["layer_2"].values[0, :, neuron]
    fired = np.isin(np.arange(1, len(v) + 1), spikes.step[spikes.torch_index == neuron])
    reached = np.nan_to_num(v - threshold * (1 - 1e-6), nan=-1.0) >= 0
    if code == "reverse":  # at the last step before the growing threshold exceeds the potential
        reached &= ~np.append(reached[1:], False)
    np.testing.assert_array_equal(reached, fired)


def test_traces_show_the_spikes_and_the_pre_charge_of_their_run(numpy_target, small_spiking, small_images):
    tired = small_spiking.change_neurons("layer_0", refractory="4*ms", reset="v = 0")
    traced = Simulation(tired, record_potentials=["layer_0"]).run(small_images[:1], 20, v_init=0.0)
    spikes = traced.spikes_of("layer_0")
    neuron = int(np.bincount(spikes.torch_index).argmax())
    assert (traced.potentials["layer_0"].values[0, :, neuron] >= 1).sum() > (spikes.torch_index == neuron).sum() > 1
    axes = plot_potentials(traced, "layer_0", [named(traced, "layer_0", neuron)]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["spike"].get_xdata(), spikes.step[spikes.torch_index == neuron])
    assert lines["v"].get_ydata()[0] == 0 and lines["v_init"].get_ydata()[0] == 0
    assert not np.isnan(lines["v"].get_ydata()).any(), "a reset that is not known leaves no gap"


def test_accuracy_has_the_ann_as_a_line():
    axes = plot_accuracy({"rate": recording().accuracy_by_step(LABELS)}, 0.98).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["rate", "ANN (98.00 %)"]


def test_correlation_has_a_panel_a_layer(numpy_target, small_spiking, small_images):
    traced = simulate(small_spiking, small_images, 50, record_spikes=small_spiking.populations)
    figure = plot_correlation(traced, small_spiking, small_images)
    assert [axes.get_title() for axes in figure.axes] == small_spiking.populations[1:]


def test_refusals(small_spiking):
    with pytest.raises(UnknownLayerError, match="'conv1' were not recorded; recorded are: fc"):
        plot_potentials(recording(), "conv1")
    with pytest.raises(DataError, match="image 7 was not simulated"):
        plot_raster(recording(), [7])
    with pytest.raises(DataError, match="no spikes were recorded"):
        plot_raster(recording(spikes={}))


def many_spikes(n_neurons=60, **changes):
    """A layer whose neuron k fires first in step 1 + k % 20, and then k % 3 times more."""
    neuron = np.repeat(np.arange(n_neurons), 1 + np.arange(n_neurons) % 3)
    order = np.concatenate([np.arange(1 + k % 3) for k in range(n_neurons)])
    spikes = Spikes(np.zeros_like(neuron), 1 + neuron % 20 + order, neuron)
    return recording(
        scores=np.zeros((2, 24, 3)), steps=np.full(2, 24), shapes={"input": (4,), "fc": (n_neurons,)},
        spikes={"fc": spikes}, **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("first_spike", lambda k: k % 20),
        ("rate", lambda k: -(k % 3)),
        (lambda neurons, spikes: -neurons, lambda k: -k),
    ],
)
def test_rasters_are_sorted(sort, key):
    axes = plot_raster(many_spikes(), sort=sort).axes[0]
    times, rows = axes.collections[0].get_offsets().T
    chosen = np.argsort([key(k) for k in range(60)], kind="stable")
    first = {k: 1 + k % 20 for k in range(60)}
    for row, neuron in enumerate(chosen):
        of_row = np.isclose(rows, (row + 0.5) / 60)
        assert times[of_row].min() == first[neuron] and of_row.sum() == 1 + neuron % 3


def test_a_raster_says_what_is_shown():
    axes = plot_raster(many_spikes(), neurons=10).axes[0]
    assert axes.get_yticklabels()[0].get_text() == "fc\n10 shown, 60 of 60 fired"
    assert len(np.unique(axes.collections[0].get_offsets()[:, 1])) == 10
    silent = many_spikes(spike_counts_by_image=np.zeros((2, 24, 2), dtype=int))
    silent.spikes["fc"].image[:] = 1
    axes = plot_raster(silent).axes[0]
    assert axes.get_yticklabels()[0].get_text() == "fc\ndoes not fire"
    assert [text.get_text() for text in axes.texts] == ["no spikes"]


@pytest.mark.parametrize("time", [(5, 9), (5 * ms, 9 * ms)])
def test_a_part_of_the_time_is_drawn(time):
    axes = plot_raster(many_spikes(), time=time).axes[0]
    times = axes.collections[0].get_offsets()[:, 0]
    assert (times.min(), times.max()) == (5, 9) and axes.get_xlim() == (5, 9)
    with pytest.raises(ParameterError, match="the second time must be later"):
        plot_raster(many_spikes(), time=(9, 5))
    with pytest.raises(ParameterError, match=r"it is two times such as \(10\*ms, 20\*ms\), or two steps"):
        plot_raster(many_spikes(), time=3)


def test_many_neurons_are_a_density_that_counts_all_spikes():
    crowd = many_spikes(3000)
    axes = plot_raster(crowd, neurons=None).axes[0]
    (image,) = axes.images
    assert image.get_array().sum() == len(crowd.spikes["fc"].step) and not axes.collections


def test_bands_have_equal_heights_and_layers_are_chosen():
    both = many_spikes()
    both.spikes["input"] = Spikes(np.zeros(1, int), np.ones(1, int), np.zeros(1, int))
    axes = plot_raster(both).axes[0]
    assert axes.get_yticks().tolist() == [0.5, 1.5]
    assert len(plot_raster(both, layers=["fc"]).axes[0].get_yticks()) == 1
    with pytest.raises(UnknownLayerError, match="'conv9'"):
        plot_raster(both, layers=["conv9"])
    with pytest.raises(ParameterError, match="sort is 'size'; it is one of first_spike, rate"):
        plot_raster(both, sort="size")


def test_several_recordings_are_drawn_below_each_other_or_into_axes_of_the_caller():
    pair = {"rate": many_spikes(), "ttfs": many_spikes(12)}
    assert [axes.get_title(loc="left") for axes in plot_raster(pair).axes] == ["rate", "ttfs"]
    figure, axes = plt.subplots(2, 1)
    assert plot_raster(pair, ax=axes) is figure and all(a.collections for a in axes)
    with pytest.raises(ParameterError, match="ax has 1 axes; this picture needs 2"):
        plot_raster(pair, ax=axes[0])
    with pytest.raises(DataError, match="mapping of names to recordings; got int"):
        plot_raster({"a": 3})
    _, ax = plt.subplots()
    plot_accuracy({"rate": np.linspace(0, 0.98, 50)}, 0.98, ax=ax)
    low, high = ax.get_ylim()
    assert 40 < low < 50 and 98 < high < 102, "differences can be seen"


def test_traces_of_several_runs_share_axes(numpy_target, small_spiking, small_images):
    simulation = Simulation(small_spiking, record_potentials={"layer_0": [(0, 0, 0), (1, 1, 1)]})
    runs = {str(v): simulation.run(small_images[:1], 20, v_init=v) for v in (0.0, 0.5)}
    figure = plot_potentials(runs, "layer_0", [(1, 1, 1)], time=(0, 10))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["0.0"].get_ydata()[0] == 0 and lines["0.5"].get_ydata()[0] == 0.5
    assert figure.axes[0].get_xlim() == (0, 10)


def test_the_threshold_of_changed_neurons_is_the_evaluated_one(numpy_target, small_spiking, small_images):
    def drawn(threshold):
        changed = small_spiking.change_neurons("layer_0", threshold=threshold)
        traced = simulate(changed, small_images[:1], 20, record_potentials={"layer_0": [(0, 0, 0)]})
        patches = plot_potentials(traced, "layer_0").axes[0].patches
        return next((p.get_data().values for p in patches if p.get_label() == "threshold"), None)

    np.testing.assert_array_equal(drawn("v > 30"), np.full(20, 30.0))
    np.testing.assert_array_equal(drawn("v >= v_threshold * sqrt(4)"), np.full(20, 2.0))
    assert drawn("v > 1 + abs(drive)") is None, "what was not recorded is not guessed"


@pytest.mark.parametrize("millivolts", [False, True])
def test_recorded_variables_are_drawn_and_tell_the_threshold(numpy_target, small_spiking, small_images, millivolts):
    changed = small_spiking.change_neurons(
        "layer_0",
        equations=small_spiking.neurons["layer_0"].equations + "\nfatigue : second",
        threshold="v > 1 + fatigue / second",
        reset="v -= 1; fatigue += 0.5*second",
    )
    changed = changed.in_millivolts(v_rest=-70, v_threshold=-50) if millivolts else changed
    names = {"layer_0": ["fatigue"]}
    traced = simulate(changed, small_images[:1], 20, record_potentials={"layer_0": [(0, 0, 1)]}, record_variables=names)
    potential, fatigue = plot_potentials(traced, "layer_0", variables=["fatigue"]).axes
    (course,) = [line.get_ydata() for line in fatigue.lines]
    assert fatigue.get_ylabel() == "fatigue (second)" and course[-1] > 0
    (threshold,) = [p.get_data().values for p in potential.patches if p.get_label() == "threshold"]
    fired = traced.spike_steps("layer_0", (0, 0, 1), 0)
    before = np.array([np.sum(fired < step) for step in range(1, 21)])
    np.testing.assert_allclose(course, 0.5 * before)
    np.testing.assert_allclose(threshold, -70 + 20 * (1 + 0.5 * before) if millivolts else 1 + 0.5 * before)
    with pytest.raises(DataError, match=r"of 'layer_0', that is \['fatigue'\]"):
        plot_potentials(traced, "layer_0", variables=["drive"])


def test_recordings_from_files_are_drawn_with_their_network(numpy_target, small_spiking, small_images, tmp_path):
    traced = simulate(small_spiking, small_images[:1], 20, record_potentials={"layer_0": [(0, 0, 0)]})
    traced.save(tmp_path)
    loaded = type(traced).load(tmp_path)
    assert not plot_potentials(loaded, "layer_0").axes[0].patches
    assert plot_potentials(loaded, "layer_0", spiking=small_spiking).axes[0].patches
