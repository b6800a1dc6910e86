"""`brianconv run`: pictures, and conversion options that are flags."""

import json

import numpy as np
import pytest

from brianconv.cli import main
from brianconv.recording import Recording
from tests.helpers.model_files import write_network


@pytest.fixture
def command(tmp_path, monkeypatch, numpy_target):
    write_network(tmp_path, "nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10)")
    monkeypatch.chdir(tmp_path)
    return ["run", "net.py", "--data", "digits", "--images", "3", "--steps", "12", "--mode", "runtime", "--out", "o"]


def test_pictures_are_drawn_of_what_is_asked_for(command, tmp_path, capsys):
    neurons = ["--neurons", "layer_0:1,2,3", "layer_3:7"]
    kinds = ["--plot", "raster", "traces", "accuracy", "rates", "--format", "pdf", "--show-image", "2"]
    assert main([*command, *kinds, *neurons]) == 0
    names = {path.name for path in (tmp_path / "o").glob("*.pdf")}
    assert names == {"raster.pdf", "traces_layer_0.pdf", "traces_layer_3.pdf", "accuracy.pdf", "rates.pdf"}
    assert all((tmp_path / "o" / name).read_bytes().startswith(b"%PDF") for name in names)
    recording = Recording.load(tmp_path / "o")
    assert recording.positions("layer_0") == [(1, 2, 3)] and recording.positions("layer_3") == [(7,)]
    assert "raster.pdf" in capsys.readouterr().out


def test_traces_are_those_of_neurons_that_are_active(command, tmp_path):
    assert main([*command, "--plot", "traces"]) == 0
    recording = Recording.load(tmp_path / "o")
    assert len(recording.positions("layer_0")) == 3
    assert (np.diff(recording.potentials["layer_0"].values[0], axis=0) != 0).any(axis=0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--neurons", "layer_0"], "--neurons 'layer_0': name a layer and a position, such as conv2:3,5,5"),
        (["--neurons", "layer_0:1,x,3"], "name a layer and a position"),
        (["--neurons", "layer_0:1,2"], "there is no neuron (1, 2) of 'layer_0'"),
        (["--neurons", "conv9:1,2,3"], "there is no layer 'conv9'"),
        (["--show-image", "3"], "--show-image is 3; there are images 0 to 2"),
        (["--record", "conv9"], "there is no layer 'conv9'"),
        (["--percentile", "101"], "percentile"),
        (["--normalization", "size"], "size"),
        (["--calibration", "0"], "calibration"),
    ],
)
def test_what_cannot_be_drawn_or_converted_is_refused_before_anything_is_built(
    command, monkeypatch, capsys, arguments, message
):
    monkeypatch.setattr("brianconv.simulation.run.build_network", lambda *_, **__: pytest.fail("it was built"))
    assert main([*command, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_flags_of_the_conversion_are_settings(command, tmp_path):
    def scores(*options):
        assert main([*command, *options]) == 0
        return Recording.load(tmp_path / "o").scores

    flags = scores(
        "--normalization", "max", "--per-channel", "--tau-m", "30", "--refractory", "2", "--weight-bits", "4"
    )
    short = scores("--set", "normalization=max", "per=channel", "tau_m=30", "refractory=2", "weight_bits=4")
    np.testing.assert_array_equal(flags, short)
    assert not np.array_equal(flags, scores("--normalization", "max"))
    stored = json.loads((tmp_path / "o" / "result.json").read_text())
    assert "max" in stored["coding_parameters"]["normalization"]


def test_help_of_a_coding_scheme_lists_its_parameters(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--coding", "phase", "--help"])
    said = capsys.readouterr().out
    assert "n_phases = 8 in [1, 24]: number of phases K of a period" in said and "--normalization percentile" in said
    with pytest.raises(SystemExit):
        main(["run", "--coding=morse", "--help"])
    assert "morse" in capsys.readouterr().out
