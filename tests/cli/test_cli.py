"""The command line, as a user calls it."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest

from brianconv.cli import main
from brianconv.cli.logs import logs_shown
from brianconv.coding import CODINGS
from studies.speed.run import main as measure_speed


def test_demo_writes_pictures_and_results(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    for mode in ("runtime", "standalone"):
        outcome = result["modes"][mode]
        assert outcome["accuracy"] >= outcome["ann_accuracy"] - 0.01
        assert outcome["ann_accuracy"] > 0.95
    assert result["modes"]["runtime"]["decisions"] == result["modes"]["standalone"]["decisions"]
    assert {p.name for p in tmp_path.glob("*.png")} == {"raster.png", "traces.png", "accuracy.png", "correlation.png"}
    assert "equal" in capsys.readouterr().out


def test_an_unwritable_folder_is_refused_before_anything_runs(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert "cannot write into" in captured.err and "training" not in captured.out


@pytest.mark.parametrize("arguments", [["explode"], []])
def test_an_unknown_command_ends_with_code_2(arguments):
    done = subprocess.run([sys.executable, "-m", "brianconv", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "usage: brianconv" in done.stderr and "Traceback" not in done.stderr


MODEL = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))

def broken():
    return 3

def needy(n):
    return nn.Linear(n, n)

def raising():
    return [] + 1
"""


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "mlp.py"
    path.write_text(MODEL)
    return str(path)


@pytest.fixture
def trained(model_file, tmp_path):
    """The model with weights fitted to the digits for a moment."""
    import torch

    from brianconv import datasets
    from brianconv.conversion.weights import load_model

    model, _ = load_model(model_file)
    data = datasets.load("digits", "train")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(torch.as_tensor(data.images)), torch.as_tensor(data.labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), tmp_path / "mlp.pt")
    return str(tmp_path / "mlp.pt")


RESULT_KEYS = {
    "model", "data", "coding", "coding_parameters", "n_images", "n_steps", "ann_accuracy", "accuracy",
    "accuracy_by_step", "latency_steps", "spikes_per_image", "spikes_per_image_by_layer",
    "spikes_per_image_std", "synaptic_operations_per_image_std",
    "synaptic_operations_per_image", "analog_operations_per_image", "mean_decision_step", "decisions", "timing",
    "peak_memory_mb", "versions",
}  # fmt: skip


def test_run_writes_result_and_recording(model_file, trained, tmp_path, capsys):
    arguments = ["run", model_file, "--weights", trained, "--data", "digits", "--images", "60", "--steps", "40",
                 "--set", "v_init=0.1,0.2,0.3", "normalization=max", "--record", "layer_1", "--jobs", "2"]  # fmt: skip
    assert main([*arguments, "--out", str(tmp_path / "all")]) == 0
    result = json.loads((tmp_path / "all" / "result.json").read_text())
    assert set(result) == RESULT_KEYS
    assert set(result["timing"]) == {"convert_s", "build_s", "simulate_s", "ms_per_image"}
    assert result["coding_parameters"]["v_init"] == {"input": 0.1, "layer_1": 0.2, "layer_3": 0.3}
    assert result["accuracy"] > 0.8 and result["mean_decision_step"] is None and len(result["decisions"]) == 60
    with np.load(tmp_path / "all" / "recording.npz") as arrays:
        assert arrays["scores"].shape == (60, 40, 10) and arrays["spike_counts"].shape == (40, 3)
        spikes = arrays["spikes/layer_1"]
        assert len(spikes) == arrays["spike_counts"][:, 1].sum() and spikes[:, 1].min() >= 1
    assert "ANN accuracy" in capsys.readouterr().out

    early = [*arguments, "--early-decision", "0.5", "--out", str(tmp_path / "early")]
    assert main(early) == 0
    decided = json.loads((tmp_path / "early" / "result.json").read_text())
    assert 1 < decided["mean_decision_step"] < 40
    assert decided["spikes_per_image"] < result["spikes_per_image"]


def test_run_says_when_no_class_was_ahead(model_file, trained, tmp_path, capsys):
    arguments = ["run", model_file, "--weights", trained, "--data", "digits", "--images", "5", "--set", "v_init=0"]
    assert main([*arguments, "--steps", "1", "--out", str(tmp_path / "short")]) == 0
    assert "in 5 of 5 images after 1 steps" in capsys.readouterr().out
    assert main([*arguments, "--steps", "40", "--out", str(tmp_path / "long")]) == 0
    assert "all scores equal" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "imagenet"], "'imagenet' is unknown; choose one of digits"),
        (["--data", "mnist", "--data-root", "/nowhere"], "t10k-images-idx3-ubyte' or "),
        (["--data", "digits", "--set", "v_init"], "is not KEY=VALUE"),
        (["--data", "digits", "--set", "v_init=3"], "must lie in [0, 0.99]"),
        (["--data", "digits", "--set", "gamma=3"], "no parameter 'gamma'; it has v_init"),
        (["--data", "digits", "--set", "@missing.json"], "@missing.json: the file does not exist"),
        (["--data", "digits", "--set", "skip=x"], "skip=x: it is a whole number"),
        (["--data", "digits", "--set", "calibration=-5"], "1 or more"),
        (["--data", "digits", "--set", "percentile=abc"], "percentile is 'abc'"),
        (["--data", "digits", "--set", "input_shape=3"], "input_shape"),
        (["--data", "digits", "--set", "coding=phase"], "it is chosen with --coding"),
        (["--data", "digits", "--set", "model=3"], "it is the first argument"),
        (["--data", "digits", "--set", "encoding=1,2"], "takes input encoded as current"),
        (["--data", "digits", "--set", "readout=3"], "is read out by spike_count"),
        (["--data", "digits", "--coding", "ttfs", "--delay", "3", "--set", "readout=first_spike"], "does not count"),
        (["--data", "digits", "--record", "conv7"], "no layer 'conv7'"),
        (["--data", "digits", "--weights", "none.safetensors"], "do not exist"),
        (["--data", "digits", "--delay", "200"], "delay is 200"),
        (["--data", "digits", "--early-decision", "0"], "early_decision is 0"),
        (["--data", "digits", "--mode", "runtime", "--jobs", "2"], "standalone mode only"),
    ],
)
def test_run_refuses_bad_input_with_code_2(model_file, tmp_path, capsys, arguments, message):
    assert main(["run", model_file, *arguments, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert not list((tmp_path / "out").glob("*"))


def test_labels_that_do_not_fit_are_refused_before_the_run(model_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("brianconv.simulation.run.Simulation.__init__", lambda *_, **__: pytest.fail("it was built"))
    images = np.random.default_rng(0).random((4, 1, 8, 8))
    np.savez(tmp_path / "data.npz", images=images, labels=np.array([1, 2, 3, 10]))
    assert main(["run", model_file, "--data", str(tmp_path / "data.npz"), "--out", str(tmp_path / "out")]) == 2
    assert "labels must be whole numbers from 0 to 9" in capsys.readouterr().err


def test_the_seed_reaches_poisson_input_of_other_codes(model_file, tmp_path, numpy_target):
    scores = []
    for seed in ("1", "1", "7"):
        command = ["run", model_file, "--data", "digits", "--images", "2", "--steps", "9", "--mode", "runtime"]
        assert main([*command, "--set", "encoding=poisson", "--seed", seed, "--out", str(tmp_path)]) == 0
        with np.load(tmp_path / "recording.npz") as arrays:
            scores.append(arrays["spike_counts"])
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.any(scores[0] != scores[2])


@pytest.mark.parametrize("seed", ["-1", str(2**40)])
def test_seeds_that_cannot_be_taken_are_refused(model_file, capsys, seed):
    with pytest.raises(SystemExit):
        main(["run", model_file, "--data", "digits", "--seed", seed])
    assert "is not a seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coding", "phase", "--delay", "5"], "use skip=5"),
        (["--early-decision", "-3"], "early_decision is -3.0"),
        (["--early-decision", "nan"], "early_decision is nan"),
    ],
)
def test_export_refuses_what_run_refuses(model_file, tmp_path, capsys, arguments, message):
    assert main(["export", model_file, "--data", "digits", *arguments, "--out", str(tmp_path / "cpp")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "cpp").exists()


def test_bench_takes_data_of_a_model_only(capsys, tmp_path):
    assert measure_speed(["--weights", "w.pt", "--out", str(tmp_path)]) == 2
    assert "belong to a --model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{file}:missing", "no function 'missing'"),
        ("{file}:broken", "returned int"),
        ("{file}:needy", "cannot be called without arguments"),
        ("{file}:raising", "raising() raised TypeError: can only concatenate"),
        ("nowhere.py", "does not exist"),
        ("no.such.package:build", "cannot be imported"),
    ],
)
def test_models_that_cannot_be_made_are_refused(model_file, tmp_path, capsys, model, message):
    assert main(["run", model.format(file=model_file), "--data", "digits", "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_weights_that_hold_code_are_not_loaded(model_file, tmp_path, capsys):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harmed"), "w"))

    import torch

    torch.save({"0.weight": Harm()}, tmp_path / "evil.pt")
    command = ["run", model_file, "--data", "digits", "--weights", str(tmp_path / "evil.pt")]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "not loaded" in capsys.readouterr().err and not (tmp_path / "harmed").exists()


def test_export_writes_a_project(model_file, trained, tmp_path, capsys):
    command = ["export", model_file, "--weights", trained, "--data", "digits", "--steps", "20"]
    assert main([*command, "--out", str(tmp_path / "project")]) == 0
    assert (tmp_path / "project" / "Makefile").exists()
    assert "schedule.n_steps=20" in (tmp_path / "project" / "parameters.txt").read_text()
    assert main([*command, "--out", str(tmp_path / "project")]) == 2
    assert "not an empty folder" in capsys.readouterr().err


@pytest.mark.slow
def test_bench_measures_every_contender_and_keeps_the_contract(tmp_path, capsys):
    assert measure_speed(["--quick", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    programs = {"explicit", "structured_float64", "structured_float32"}
    names = programs | {"handwritten", "dense_torch", "spikingjelly", "sinabs"}
    for key in ("ms_per_image", "events_per_second", "peak_memory_mb", "speedup"):
        assert set(result[key]) == names
    run = [name for name in names if result["ms_per_image"][name] is not None]
    assert programs | {"handwritten", "dense_torch"} <= set(run)
    assert all(share == 1 for share in result["same_decisions"].values())
    assert result["speedup"]["structured_float32"] == 1
    assert (tmp_path / "speed.png").stat().st_size > 10_000
    assert "propagation alone" in capsys.readouterr().out


def test_codes_are_listed_and_printed_with_latex(capsys):
    assert main(["codes"]) == 0
    listed = capsys.readouterr().out
    assert all(any(line.startswith(name) for line in listed.splitlines()) for name in CODINGS)
    for name, scheme in CODINGS.items():
        assert main(["codes", name]) == 0
        shown = capsys.readouterr().out
        assert (
            scheme.neuron.threshold in shown and scheme.source in shown and all(p in shown for p in scheme.parameters)
        )
        assert "LaTeX, hidden neurons" in shown and r"\text{fires if }" in shown


def test_a_log_file_that_cannot_grow_shows_no_traceback(tmp_path, capsys):
    """Brian2 writes a log file of its own; on a full disk, Python would print a traceback for each of its messages."""

    class Full(logging.StreamHandler):
        def emit(self, record):
            try:
                raise OSError(28, "No space left on device")
            except OSError:
                self.handleError(record)

    handler, brian = Full(), logging.getLogger("brian2")
    brian.addHandler(handler)
    try:
        with logs_shown():
            brian.warning("that nobody can write down")
        assert "Traceback" not in capsys.readouterr().err
        brian.warning("outside of a command, as Python has it")
        assert "No space left on device" in capsys.readouterr().err
    finally:
        brian.removeHandler(handler)


@pytest.mark.parametrize(
    "arguments", [["codes"], ["--help"], ["run", "--help"], ["run", "--coding", "phase", "--help"]]
)
def test_what_only_lists_starts_without_torch_and_brian(arguments):
    script = (
        "import sys, brianconv.cli\n"
        "try:\n    brianconv.cli.main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'brian2', 'matplotlib', 'scipy', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
