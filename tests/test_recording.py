"""Decisions and latencies of a recording, and its files."""

import json
import os

import numpy as np
import pytest

from brianconv import simulate
from brianconv.errors import DataError, OutputError, ParameterError, UnknownLayerError
from brianconv.recording import ARRAYS, Recording
from brianconv.saved_recording import FIELDS
from tests.helpers.damaged_files import damaged
from tests.helpers.recordings import LABELS, recording


def test_decisions_ties_go_to_the_lowest_class():
    np.testing.assert_array_equal(recording().decisions_by_step, [[0, 2, 2, 2], [0, 0, 0, 1]])


def test_images_whose_scores_are_all_equal_are_without_decision():
    assert not recording().without_decision.any()
    np.testing.assert_array_equal(recording(steps=np.array([1, 4])).without_decision, [True, False])
    np.testing.assert_array_equal(recording(steps=np.array([4, 3])).without_decision, [False, True])


def test_accuracy_and_latency_by_hand():
    np.testing.assert_array_equal(recording().accuracy_by_step(LABELS), [0.0, 0.5, 0.5, 1.0])
    assert recording().latency_steps(LABELS) == {"99.0": 4, "99.5": 4, "99.9": 4}
    assert recording().ann_accuracy(LABELS) == 1.0
    assert recording().spikes_per_image == 5.0
    np.testing.assert_array_equal(recording().spike_counts, [[3, 0], [2, 1], [1, 1], [0, 2]])
    np.testing.assert_array_equal(recording().spike_counts_by_image.sum(axis=(1, 2)), [6, 4])
    assert recording().analog_operations.tolist() == [5, 0, 0, 0]
    assert [recording().latency(LABELS, fraction) for fraction in (0.5, 0.51, 1.0)] == [2, 4, 4]


@pytest.mark.parametrize("fraction", [0.0, 1.1, "much", None])
def test_latency_refuses_fractions_that_are_none(fraction):
    with pytest.raises(ParameterError, match="above 0 and not above 1"):
        recording().latency(LABELS, fraction)


def test_a_latency_that_is_never_reached_is_none():
    silent = recording(scores=np.zeros((2, 4, 3)))
    assert silent.latency_steps(LABELS) == {"99.0": None, "99.5": None, "99.9": None}


def test_no_decision_counts_during_the_delay():
    np.testing.assert_array_equal(recording(evaluation_delay=2).accuracy_by_step(LABELS), [0.0, 0.0, 0.5, 1.0])


def test_delayed_is_what_a_simulation_with_that_delay_gives(small_spiking, small_images, numpy_target):
    options = {"v_init": 0.5, "mode": "runtime"}
    later = simulate(small_spiking, small_images, 12, **options).delayed(5)
    run = simulate(small_spiking, small_images, 12, evaluation_delay=5, **options)
    assert run.scores[:, 5:].any()
    np.testing.assert_allclose(later.scores, run.scores, rtol=1e-6)
    np.testing.assert_array_equal(later.decisions_by_step[:, 5:], run.decisions_by_step[:, 5:])
    assert later.evaluation_delay == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation_delay": 1}, "this one had an evaluation delay of 1 steps"),
        ({"decided": np.array([True, False])}, "this one had early decision"),
        ({"scores": np.full((2, 3, 2), 0.3)}, "does not fire: use"),
    ],
)
def test_delayed_refuses_runs_that_do_not_tell(changes, message):
    with pytest.raises(ParameterError, match=message):
        recording(**changes).delayed(1)


def test_an_early_decision_stands():
    early = recording(steps=np.array([2, 4]))
    early.scores[0, 2:] = np.nan
    np.testing.assert_array_equal(early.decisions_by_step[0], [0, 2, 2, 2])


def test_saved_and_loaded_are_equal(tmp_path):
    recording().save(tmp_path / "deep" / "folder")
    loaded = Recording.load(tmp_path / "deep" / "folder")
    assert loaded.layers == ("input", "fc") and loaded.shapes == {"input": (1, 1, 3), "fc": (3,)}
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(recording(), name))
    np.testing.assert_array_equal(loaded.spikes["fc"].step, [2, 4])
    assert loaded.parameters == recording().parameters and loaded.dt_ms == 1.0 and loaded.early_decision is None
    np.testing.assert_array_equal(loaded.potentials["fc"].values, recording().potentials["fc"].values)
    np.testing.assert_array_equal(loaded.potentials["fc"].variables["w_a"], 2 * loaded.potentials["fc"].values)
    assert json.loads((tmp_path / "deep" / "folder" / "recording.json").read_text())["timing"]["build_s"] == 1.0


def test_refusals(tmp_path):
    with pytest.raises(DataError, match=r"holds no recording: recording\.json and recording\.npz"):
        Recording.load(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"labels have shape \(3,\); there must be 2"):
        recording().accuracy(np.zeros(3))
    with pytest.raises(UnknownLayerError, match="'input' were not recorded; recorded are: fc"):
        recording().spikes_of("input")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write into"):
        recording().save(tmp_path / "file")


def test_labels_must_be_classes(numpy_target, small_spiking, small_images):
    recording = simulate(small_spiking, small_images[:2], 5)
    for labels in ([0, 10], [-1, 0], [0.5, 1.0], ["a", "b"]):
        with pytest.raises(DataError, match="labels must be whole numbers from 0 to 3"):
            recording.accuracy(np.array(labels))


def changed_about(folder, **changes):
    path = folder / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def changed_arrays(folder, **changes):
    with np.load(folder / "recording.npz") as arrays:
        kept = dict(arrays) | changes
    np.savez(folder / "recording.npz", **{name: array for name, array in kept.items() if array is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": []}, "layers is a list of 0"),
        ({"layers": "input"}, "layers is 'input'"),
        ({"layers": ["fc", "fc"]}, "layers has a name twice"),
        ({"layers": ["input", "other"]}, "shapes has 'fc', which is none of input, other"),
        ({"layers": ["input", "fc", "other"]}, "shapes has no 'other'"),
        ({"layers": ["input", ["fc"]]}, "two names or more"),
        ({"shapes": None}, "shapes is None"),
        ({"shapes": {"input": [1, 1, 3], "fc": [0]}}, "the shape of 'fc' is 0"),
        ({"shapes": {"input": [1, 1, 3], "fc": [4]}}, r"scores have shape \(2, 4, 3\)"),
        ({"shapes": {"input": [2**20, 2**20, 3], "fc": [3]}}, "the number of neurons of 'input'"),
        ({"shapes": {"input": [1.5], "fc": [3]}}, "the shape of 'input' is 1.5"),
        ({"evaluation_delay": 4}, "evaluation_delay is 4; it is a whole number from 0 to 3"),
        ({"evaluation_delay": True}, "evaluation_delay is True"),
        ({"early_decision": "1"}, "early_decision is '1'"),
        ({"early_decision": 0}, "early_decision is 0"),
        ({"parameters": {"v_init": {"other": 1.0}}}, "parameter 'v_init' has 'other'"),
        ({"parameters": {"v_init": {"fc": None}}}, "parameter 'v_init' of 'fc' is None"),
        ({"parameters": []}, "parameters is a list"),
        ({"dt_ms": -1}, "dt_ms is -1"),
        ({"dt_ms": 0}, "dt_ms is 0"),
        ({"output_scale": "1"}, "output_scale is '1'"),
        ({"rectified": 1}, "rectified is 1"),
        ({"score_of_one": [1.0, 2.0]}, "score_of_one has 2 values; it is a list of 4"),
        ({"score_of_one": [1.0, 2.0, 3.0, "4"]}, r"score_of_one\[3\] is '4'"),
        ({"timing": {"build_s": "long"}}, "timing 'build_s' is 'long'"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(tmp_path, changes, message):
    recording().save(tmp_path)
    changed_about(tmp_path, **changes)
    with pytest.raises(DataError, match=f"holds no complete recording: .*{message}"):
        Recording.load(tmp_path)


@pytest.mark.parametrize("field", [*FIELDS, *ARRAYS])
def test_recordings_have_every_field(tmp_path, field):
    recording().save(tmp_path)
    if field in ARRAYS:
        changed_arrays(tmp_path, **{field: None})
    else:
        about = json.loads((tmp_path / "recording.json").read_text())
        (tmp_path / "recording.json").write_text(json.dumps({key: about[key] for key in about if key != field}))
    with pytest.raises(DataError, match=f"has no (array )?'{field}'"):
        Recording.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.zeros((2, 4))}, r"scores have shape \(2, 4\)"),
        ({"scores": np.zeros((2, 0, 3))}, r"scores have shape \(2, 0, 3\)"),
        ({"scores": np.full((2, 4, 3), np.nan)}, "not finite"),
        ({"ann_scores": np.full((2, 3), np.inf)}, "not finite"),
        ({"ann_scores": np.zeros((3, 3))}, "'ann_scores' is float64 of shape"),
        ({"spike_counts_by_image": np.full((2, 4, 2), -1)}, "'spike_counts_by_image' has values from -1"),
        ({"spike_counts_by_image": np.zeros((2, 4, 2))}, "needed are whole numbers"),
        ({"spike_counts": np.full((4, 2), 7)}, "are not the sums of those by image"),
        ({"synaptic_operations_by_image": np.zeros((2, 4, 3), int)}, r"of shape \(2, 4, 2\)"),
        ({"steps": np.array([0, 4])}, r"'steps' has values from 0 to 4; they are in \[1, 4\]"),
        ({"steps": np.array([5, 4])}, r"'steps' has values from 4 to 5"),
        ({"steps": np.array([3, 4])}, "was not decided has fewer steps"),
        ({"decided": np.array([0, 0])}, "needed are truth values"),
        ({"spikes/fc": np.array([[2, 1, 0]])}, "spikes of images or neurons that there are not"),
        ({"spikes/fc": np.array([[0, 1, 3]])}, "spikes of images or neurons that there are not"),
        ({"spikes/fc": np.array([[0, 0, 0]])}, "spikes in steps that were not taken"),
        ({"spikes/fc": np.array([[0, 5, 0]])}, "spikes in steps that were not taken"),
        ({"spikes/fc": np.array([[0, -1, 0]])}, "'spikes/fc' has values from -1"),
        ({"spikes/fc": np.zeros((1, 2), int)}, "'spikes/fc' is int64 of shape"),
        ({"spikes/fc": np.array(1)}, "'spikes/fc' is int64 of shape"),
        ({"spikes/other": np.zeros((0, 3), int)}, "'spikes/other', which belongs to no layer"),
        ({"other": np.zeros(3)}, "'other', which belongs to no layer"),
        ({"potentials/fc": None}, "has 'potential_neurons/fc' without 'potentials/fc'"),
        ({"potential_neurons/fc": None}, "has 'potentials/fc' without 'potential_neurons/fc'"),
        ({"potential_neurons/fc": np.array([3])}, "'potential_neurons/fc' has values from 3"),
        ({"potential_neurons/fc": None, "potentials/fc": None}, "'variables/fc/w_a' without 'potential_neurons/fc'"),
        ({"variables/fc/w_a": np.zeros((2, 4, 2))}, "'variables/fc/w_a' is float64 of shape"),
        ({"variables/fc/w_a": np.zeros((2, 4, 1), dtype=bool)}, "'variables/fc/w_a' is bool"),
        ({"variables/none/w_a": np.zeros((2, 4, 1))}, "belongs to no layer"),
        ({"variables/fc": np.zeros((2, 4, 1))}, "belongs to no layer"),
        ({"variables/fc/a b": np.zeros((2, 4, 1))}, "belongs to no layer"),
        ({"potentials/fc": np.zeros((2, 4, 2))}, "'potentials/fc' is float64 of shape"),
        ({"potentials/fc": np.full((2, 4, 1), np.nan)}, "are not numbers in steps that were taken"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(tmp_path, changes, message):
    recording().save(tmp_path)
    changed_arrays(tmp_path, **changes)
    with pytest.raises(DataError, match=f"holds no complete recording: .*{message}"):
        Recording.load(tmp_path)


def test_early_decisions_are_loaded(tmp_path):
    early = recording(steps=np.array([2, 4]), decided=np.array([True, False]), early_decision=0.5)
    early.scores[0, 2:] = np.nan
    early.potentials["fc"].values[0, 2:] = np.nan
    early.save(tmp_path)
    np.testing.assert_array_equal(Recording.load(tmp_path).decisions, early.decisions)


def test_damaged_recordings_are_refused_or_can_be_used(tmp_path):
    recording(score_of_one=np.arange(1.0, 5)).save(tmp_path)
    refused = 0
    for name in ("recording.json", "recording.npz"):
        content = (tmp_path / name).read_bytes()
        for copy in damaged(content, 300):
            (tmp_path / name).write_bytes(copy)
            try:
                loaded = Recording.load(tmp_path)
            except DataError:
                refused += 1
                continue
            assert loaded.accuracy_by_step(LABELS).shape == (4,) and loaded.outputs().shape == (2, 3)
            assert loaded.spikes_per_image >= 0 and all(loaded.latency_steps(LABELS))
            for name_of_layer, spikes in loaded.spikes.items():
                spikes.dense(2, 4, int(np.prod(loaded.shapes[name_of_layer])))
        (tmp_path / name).write_bytes(content)
    assert refused > 300


def test_recordings_are_regular_files(tmp_path):
    recording().save(tmp_path)
    for name in ("recording.json", "recording.npz"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="is a pipe; a file is needed"):
            Recording.load(tmp_path)
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize("labels", [[], [[1], [1, 2]], [np.nan, 1.0], [True, False]])
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(DataError, match="labels"):
        recording().accuracy(labels)
