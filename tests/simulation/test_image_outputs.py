"""Networks that return images: the score is the whole output, measured by its error."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import Recording, simulate, verify
from brianconv.analysis.result_json import summarize, table
from brianconv.cli import main
from brianconv.conversion.convert import convert
from brianconv.errors import ParameterError
from tests.helpers.model_files import write_network
from tests.helpers.networks import dyadic_, dyadic_images

SHAPE = (2, 6, 6)


def autoencoder() -> nn.Sequential:
    torch.manual_seed(0)
    return dyadic_(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        )
    )  # fmt: skip


@pytest.mark.parametrize("code", ["rate", "phase", "burst", "ttfs", "direct"])
def test_outputs_approach_those_of_the_network(numpy_target, code, tmp_path):
    model, images = autoencoder(), dyadic_images(20, SHAPE)
    spiking = convert(model, images, coding=code, **({"tau": 3.0} if code == "ttfs" else {}))
    recording = simulate(spiking, images[:3], None if code == "ttfs" else 300)
    with torch.no_grad():
        expected = model(torch.tensor(images[:3], dtype=torch.float32)).numpy()
    assert recording.returns_images and recording.outputs().shape == (3, *SHAPE)
    np.testing.assert_allclose(recording.ann_outputs, expected, atol=1e-5)
    error = recording.mean_squared_error_by_step
    tolerance = 0.2 if code == "ttfs" else 0.02  # in one window, values are coarse
    assert error[-1] < tolerance * np.var(expected), code
    if code != "ttfs":
        assert error[-1] < error[20]
    recording.save(tmp_path)
    np.testing.assert_array_equal(Recording.load(tmp_path).mean_squared_error_by_step, error)
    with pytest.raises(ParameterError, match="steps 1 to"):
        recording.outputs(0)


def test_summaries_have_an_error_and_no_accuracy(numpy_target):
    images = dyadic_images(4, SHAPE)
    recording = simulate(convert(autoencoder(), images), images, 10)
    summary = summarize(recording, np.zeros(4))
    assert summary["accuracy"] is None and len(summary["mean_squared_error_by_step"]) == 10
    assert "mean squared error" in table({"run": summary})


def test_an_autoencoder_equals_the_reference_in_a_generated_program():
    spiking = convert(autoencoder(), normalization="none", input_shape=SHAPE)
    assert verify(spiking, dyadic_images(2, SHAPE), 20, mode="standalone").passed


def test_the_command_line_reports_the_error(tmp_path, monkeypatch):
    write_network(tmp_path, "nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1), nn.ReLU()")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "net.py", "--data", "digits", "--images", "3", "--steps", "5", "--out", "o"]) == 0
    result = json.loads((tmp_path / "o" / "result.json").read_text())
    assert result["accuracy"] is None and len(result["mean_squared_error_by_step"]) == 5
    assert main(["run", "net.py", "--data", "digits", "--early-decision", "1", "--out", "o"]) == 2
