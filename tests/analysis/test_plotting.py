"""Pictures show the data, in units, and refuse what was not recorded."""

import numpy as np
import pytest

from brianconv import Simulation, plot_accuracy, plot_correlation, plot_potentials, plot_raster, simulate
from brianconv.analysis import plotting
from brianconv.coding import CODINGS
from brianconv.conversion.convert import convert
from brianconv.errors import DataError, ParameterError, UnknownLayerError
from brianconv.positions import position_of_torch_index
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import SMALL_SHAPE, small_cnn
from tests.helpers.recordings import LABELS, recording


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plotting.plt.close("all")


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
    axes = plot_potentials(traced, small_spiking, layer, [named(traced, layer, neuron)]).axes[0]
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
    labels = [axes.get_ylabel() for axes in plot_potentials(traced, small_spiking, layer).axes]
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
        plot_potentials(recording, small_spiking, "layer_0", chosen, image=1).axes, chosen, strict=True
    ):
        assert axes.get_ylabel().startswith(f"layer_0 ({channel}, {row}, {column})\n")
        line = next(line for line in axes.lines if line.get_label() == "v")
        drawn = line.get_ydata()[np.isin(line.get_ydata(), by_place[1, :, channel, row, column])]
        assert set(by_place[1, :, channel, row, column]) <= set(drawn)
    with pytest.raises(ParameterError, match="neuron 37 of 'layer_0' could be one of two"):
        plot_potentials(recording, small_spiking, "layer_0", [37])
    with pytest.raises(DataError, match=r"of neuron layer_0 \(0, 0, 0\) was not recorded"):
        plot_potentials(recording, small_spiking, "layer_0", [(0, 0, 0)])


def threshold_of(traced, spiking, layer, neuron):
    patches = plot_potentials(traced, spiking, layer, [named(traced, layer, neuron)]).axes[0].patches
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
    axes = plot_potentials(traced, tired, "layer_0", [named(traced, "layer_0", neuron)]).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["spike"].get_xdata(), spikes.step[spikes.torch_index == neuron])
    assert lines["v"].get_ydata()[0] == 0 and lines["v_init"].get_ydata()[0] == 0
    assert np.isnan(lines["v"].get_ydata()).sum() == (spikes.torch_index == neuron).sum(), "an unknown reset is a gap"


def test_accuracy_has_the_ann_as_a_line():
    axes = plot_accuracy({"rate": recording().accuracy_by_step(LABELS)}, 0.98).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["rate", "ANN (98.00 %)"]


def test_correlation_has_a_panel_a_layer(numpy_target, small_spiking, small_images):
    traced = simulate(small_spiking, small_images, 50, record_spikes=small_spiking.populations)
    figure = plot_correlation(traced, small_spiking, small_images)
    assert [axes.get_title() for axes in figure.axes] == small_spiking.populations[1:]


def test_refusals(small_spiking):
    with pytest.raises(UnknownLayerError, match="'conv1' were not recorded; recorded are: fc"):
        plot_potentials(recording(), small_spiking, "conv1")
    with pytest.raises(DataError, match="image 7 was not simulated"):
        plot_raster(recording(), [7])
    with pytest.raises(DataError, match="no spikes were recorded"):
        plot_raster(recording(spikes={}))
