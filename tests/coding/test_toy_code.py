"""A new code is one file and one registry entry; everything else takes it as it is."""

import json

import numpy as np
import pytest

from brianconv import simulate
from brianconv.analysis.energy import operation_counts
from brianconv.cli import main
from brianconv.coding import CODINGS
from tests.helpers.model_files import write_network
from tests.helpers.networks import SMALL_SHAPE, convert_flat, dyadic_images, small_cnn
from tests.helpers.toy_code import CODING


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(CODINGS, "toy", CODING)


def test_a_toy_code_runs_in_both_modes_with_the_same_spikes(toy):
    spiking = convert_flat(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding="toy", tau_m=1000.0)
    images = dyadic_images(3, SMALL_SHAPE)
    runs = [simulate(spiking, images, mode=mode) for mode in ("runtime", "standalone")]
    np.testing.assert_array_equal(runs[0].spike_counts, runs[1].spike_counts)
    np.testing.assert_allclose(runs[0].scores, runs[1].scores, atol=1e-9)
    assert runs[0].spike_counts[:, 1:].sum() > 0
    assert operation_counts("toy", 10).multiplications == 10
    assert "v_post += w * 2" in spiking.describe()


def test_a_toy_code_follows_the_network(toy, numpy_target):
    spiking = convert_flat(small_cnn(), dyadic_images(30, SMALL_SHAPE), coding="toy")
    recording = simulate(spiking, dyadic_images(4, SMALL_SHAPE), 200)
    ann, snn = recording.ann_scores, recording.scores[:, -1] / 200
    assert np.corrcoef(ann.ravel(), snn.ravel())[0, 1] > 0.95


def test_the_command_line_knows_it(toy, tmp_path, monkeypatch, capsys):
    write_network(tmp_path, "nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10)")
    monkeypatch.chdir(tmp_path)
    assert main(["codes", "toy"]) == 0 and "v >= 2" in capsys.readouterr().out
    command = ["run", "net.py", "--data", "digits", "--images", "2", "--coding", "toy", "--steps", "9", "--out", "o"]
    assert main(command) == 0
    assert json.loads((tmp_path / "o" / "result.json").read_text())["coding_parameters"]["v_init"] == 1.0
