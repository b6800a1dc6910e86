"""Decisions and latencies of a recording, and its files."""

import json

import numpy as np
import pytest

from brianconv import simulate
from brianconv.errors import DataError, OutputError, ParameterError, UnknownLayerError
from brianconv.recording import ARRAYS, Potentials, Recording, Spikes


def recording(**changes) -> Recording:
    scores = np.zeros((2, 4, 3))
    scores[0, 1:, 2] = 1.0  # image 0: class 2 from step 2 on
    scores[1, 3:, 1] = 1.0  # image 1: class 1 at step 4
    fields = {
        "layers": ("input", "fc"),
        "scores": scores,
        "spike_counts": np.array([[3, 0], [2, 1], [1, 1], [0, 2]]),
        "synaptic_operations": np.array([[9, 0], [6, 0], [3, 0], [0, 0]]),
        "analog_operations": np.array([5, 0, 0, 0]),
        "steps": np.array([4, 4]),
        "decided": np.array([False, False]),
        "delay": 0,
        "ann_scores": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]),
        "shapes": {"input": (1, 1, 3), "fc": (3,)},
        "spikes": {"fc": Spikes(np.array([0, 1]), np.array([2, 4]), np.array([2, 1]))},
        "potentials": {"fc": Potentials(np.array([2]), np.arange(8.0).reshape(2, 4, 1))},
        "timing": {"build_s": 1.0, "simulate_s": 2.0},
        "parameters": {"v_threshold": {"input": 1.0, "fc": 1.0}, "v_init": {"input": 0.0, "fc": 0.5}},
        "dt_ms": 1.0,
    }
    return Recording(**(fields | changes))


LABELS = np.array([2, 1])


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


def test_a_latency_that_is_never_reached_is_none():
    silent = recording(scores=np.zeros((2, 4, 3)))
    assert silent.latency_steps(LABELS) == {"99.0": None, "99.5": None, "99.9": None}


def test_no_decision_counts_during_the_delay():
    np.testing.assert_array_equal(recording(delay=2).accuracy_by_step(LABELS), [0.0, 0.0, 0.5, 1.0])


def test_delayed_is_what_a_simulation_with_that_delay_gives(small_spiking, small_images, numpy_target):
    options = {"v_init": 0.5, "mode": "runtime"}
    later = simulate(small_spiking, small_images, 12, **options).delayed(5)
    run = simulate(small_spiking, small_images, 12, delay=5, **options)
    assert run.scores[:, 5:].any()
    np.testing.assert_allclose(later.scores, run.scores, rtol=1e-6)
    np.testing.assert_array_equal(later.decisions_by_step[:, 5:], run.decisions_by_step[:, 5:])
    assert later.delay == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay": 1}, "this one had a delay of 1 steps"),
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
    assert loaded.parameters == recording().parameters and loaded.dt_ms == 1.0 and loaded.theta is None
    np.testing.assert_array_equal(loaded.potentials["fc"].values, recording().potentials["fc"].values)
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
