"""`brianconv tune`, as a user calls it."""

import json
import shlex

import numpy as np
import pytest
from safetensors.torch import save_file

from brianconv.cli import main
from brianconv.conversion.weights import load_model
from brianconv.tuning.pcmp import search as pcmp

MODEL = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
"""


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "mlp.py"
    path.write_text(MODEL)
    return str(path)


def test_pcmp_writes_settings_that_run_takes(model_file, tmp_path, capsys, numpy_target):
    out = tmp_path / "tuned.json"
    command = ["tune", "pcmp", model_file, "--data", "digits", "--images", "5", "--steps", "30"]
    assert main([*command, "--set", "normalization=max", "v_init=0.3", "--out", str(out)]) == 0
    settings = json.loads(out.read_text())
    assert list(settings) == ["normalization", "v_init"] and list(settings["v_init"]) == ["input", "layer_1", "layer_3"]
    curves = json.loads((tmp_path / "tuned.curves.json").read_text())
    assert {name: len(errors) for name, errors in curves["errors"].items()} == dict.fromkeys(settings["v_init"], 51)
    assert curves["method"] == "pcmp" and curves["data"] == "digits" and curves["n_images"] == 5
    assert {path.name for path in tmp_path.glob("[!_]*")} == {"mlp.py", "tuned.json", "tuned.curves.json"}
    printed = capsys.readouterr().out
    assert "51 candidates" in printed and "layer_1" in printed and f"--coding rate --set @{out}" in printed

    run = ["run", model_file, "--data", "digits", "--images", "3", "--steps", "10", "--mode", "runtime"]
    assert main([*run, "--set", f"@{out}", "--out", str(tmp_path / "run")]) == 0
    parameters = json.loads((tmp_path / "run" / "result.json").read_text())["coding_parameters"]
    assert parameters["v_init"] == settings["v_init"] and parameters["normalization"] == "max per layer"


def test_the_printed_command_names_weights_and_data_and_runs(model_file, tmp_path, capsys, numpy_target):
    model, _ = load_model(model_file)
    weights = tmp_path / "of mlp.safetensors"
    save_file(model.state_dict(), weights)
    weights.with_suffix(".json").write_text('{"recipe": {"mean": [0.5], "std": [0.25]}}')
    out = tmp_path / "auto.json"
    given = ["--data", "digits", "--data-root", str(tmp_path), "--weights", str(weights)]
    asked = ["--coding", "direct", "--steps", "4", "--images", "8", "--within", "99", "--mode", "runtime"]
    command = ["tune", "auto", model_file, *given, *asked, "--set", "percentile=100", "mean=0.4", "--out", str(out)]
    assert main(command) == 0
    printed = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert printed[:5] == ["brianconv", "run", model_file, "--weights", str(weights)]
    assert printed[5:9] == given[:4]
    assert json.loads(out.read_text())["mean"] == 0.4
    assert main([*printed[1:], "--images", "3", "--mode", "runtime", "--out", str(tmp_path / "run")]) == 0


def test_kernels_write_settings_that_run_takes(model_file, tmp_path, capsys, numpy_target):
    out = tmp_path / "kernels.json"
    command = ["tune", "kernels", model_file, "--data", "digits", "--images", "40", "--epochs", "2", "--batch", "10"]
    assert main([*command, "--set", "tau=18", "window=16", "--out", str(out)]) == 0
    settings = json.loads(out.read_text())
    assert settings["window"] == 16 and set(settings["tau"]) == set(settings["t_d"]) == {"input", "layer_1"}
    assert settings["tau"]["input"] < 18
    assert "8 batches" in capsys.readouterr().out
    run = ["run", model_file, "--data", "digits", "--images", "3", "--coding", "ttfs", "--mode", "runtime"]
    assert main([*run, "--set", f"@{out}", "--out", str(tmp_path / "run")]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["n_steps"] == 32 and result["coding_parameters"]["tau"]["layer_1"] == settings["tau"]["layer_1"]


def test_an_interrupted_search_goes_on(model_file, tmp_path, monkeypatch, capsys):
    out = tmp_path / "tuned.json"
    command = ["tune", "pcmp", model_file, "--data", "digits", "--images", "4", "--steps", "20", "--out", str(out)]
    original, calls = pcmp.LayerwiseSimulation.errors, []

    def interrupted(self, name, *arguments):
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, name, *arguments)

    monkeypatch.setattr(pcmp.LayerwiseSimulation, "errors", interrupted)
    assert main(command) == 130 and not out.exists()
    assert "interrupted, no result was written; the same command resumes where it stopped" in capsys.readouterr().err
    assert main([*command, "--images", "5"]) == 2  # other images
    assert "belongs to another run" in capsys.readouterr().err
    assert main(command) == 0 and out.exists()
    assert calls == ["input", "layer_1", "layer_1", "layer_3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pcmp", "--coding", "phase"], "use coding 'rate'"),
        (["kernels", "--coding", "rate"], "use coding 'ttfs'"),
        (["pcmp", "--coding", "morse"], "'morse' is unknown"),
        (["pcmp", "--data", "imagenet"], "'imagenet' is unknown"),
        (["pcmp", "--set", "v_init=3"], "must lie in [0, 0.99]"),
        (["kernels", "--set", "gamma=3"], "no parameter 'gamma'"),
        (["kernels", "--images", "5", "--batch", "6"], "it must lie in [1, 5]"),
        (["kernels", "--weights", "none.pt"], "do not exist"),
    ],
)
def test_bad_input_is_refused_with_code_2(model_file, tmp_path, capsys, arguments, message):
    method, *options = arguments
    command = ["tune", method, model_file, "--data", "digits", *options, "--out", str(tmp_path / "out.json")]
    assert main(command) == 2
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert not (tmp_path / "out.json").exists()


def test_a_file_that_cannot_be_written_is_refused_before_anything_else(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for out, message in ((tmp_path / "file" / "x.json", "cannot write into"), (tmp_path, "is a folder")):
        assert main(["tune", "pcmp", "nowhere.py", "--data", "digits", "--out", str(out)]) == 2
        assert message in capsys.readouterr().err


def test_images_of_a_file_without_training_images_serve(model_file, tmp_path):
    images = np.random.default_rng(0).random((6, 1, 8, 8))
    np.savez(tmp_path / "data.npz", images=images, labels=np.zeros(6, dtype=int))
    command = ["tune", "pcmp", model_file, "--data", str(tmp_path / "data.npz"), "--images", "3", "--steps", "9"]
    assert main([*command, "--out", str(tmp_path / "out.json")]) == 0


@pytest.mark.slow
def test_refinement_lowers_the_error_of_the_output(model_file, tmp_path, capsys):
    command = ["tune", "pcmp", model_file, "--data", "digits", "--images", "5", "--steps", "30", "--refine"]
    assert main([*command, "--out", str(tmp_path / "tuned.json")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error of the output")]
    errors = [float(line.split()[4]) for line in lines]
    curves = json.loads((tmp_path / "tuned.curves.json").read_text())
    assert errors[0] == pytest.approx(min(curves["errors"]["layer_3"]), rel=1e-3)
    assert min(errors) <= min(errors[:7]) and len(errors) > 7
    assert {path.name for path in tmp_path.glob("[!_]*")} == {"mlp.py", "tuned.json", "tuned.curves.json"}
