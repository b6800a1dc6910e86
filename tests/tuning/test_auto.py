"""Automatic settings: what the recording says is what a run gives, the cheapest is taken, test images stay unseen."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import datasets
from brianconv.cli import main
from brianconv.demo import fit
from brianconv.errors import DataError, ParameterError
from brianconv.simulation.run import simulate
from brianconv.tuning import auto
from brianconv.tuning.auto import tune_auto
from tests.helpers.networks import convert_flat


@pytest.fixture(scope="module")
def trained():
    training = datasets.load("digits", "train")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    fit(model, training.images, training.labels, 5, 64, 1e-2)
    return model.eval()


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(auto, "PERCENTILES", (100.0,))
    monkeypatch.setattr(auto, "DELAYS", (0, 2, 5))
    monkeypatch.setitem(auto.GRIDS, "rate", [{"v_init": 0.0}, {"v_init": 0.4}])
    monkeypatch.setattr(auto, "PERIODS", (0, 1))
    monkeypatch.setitem(auto.GRIDS, "phase", [{"n_phases": 4}])


@pytest.mark.parametrize("coding", ["rate", "phase"])
def test_a_setting_gives_what_it_promises(trained, few, numpy_target, coding):
    training = datasets.load("digits", "train")
    held_out = training.head(16)
    found = tune_auto(trained, training.images[-200:], held_out, coding, within=0.1, n_steps=16)
    assert found.best.accuracy >= found.target == pytest.approx(found.ann_accuracy - 0.1)
    cheaper = [s for s in found.tried if s.operations < found.best.operations]
    assert all(setting.accuracy < found.target for setting in cheaper) and len(found.tried) > len(cheaper)
    fixed = next(
        s
        for s in found.tried
        if s.early_decision is None and s.evaluation_delay == max(t.evaluation_delay for t in found.tried)
    )
    early = next(s for s in found.tried if s.early_decision is not None and s.mean_steps < 16)
    late = [s for s in found.tried if "skip" in s.options]
    assert bool(late) == (coding == "phase")
    for setting in (fixed, early, *late[:1], *late[-1:]):
        options = dict(setting.options)
        skip = options.pop("skip", 0)
        spiking = convert_flat(trained, training.images[-200:], coding=coding, **options)
        run = simulate(
            spiking,
            held_out.images,
            setting.n_steps,
            evaluation_delay=setting.evaluation_delay,
            early_decision=setting.early_decision,
            skip=skip,
        )
        assert run.accuracy(held_out.labels) == pytest.approx(setting.accuracy)
        assert run.steps.mean() == pytest.approx(setting.mean_steps)
        operations = run.synaptic_operations.sum() / run.n_images
        assert operations == pytest.approx(setting.operations, rel=1e-9 if setting.early_decision is None else 0.2)


def test_what_is_given_is_not_searched(few):
    assert auto.combinations("rate", {"v_init": 0.3}) == [{"percentile": 100.0, "v_init": 0.3}]
    assert auto.combinations("rate", {"normalization": "max"})[0] == {"v_init": 0.0, "normalization": "max"}


def test_settings_without_effect_are_not_searched(trained):
    assert all("percentile" not in options for options in auto.combinations("hybrid", {}))
    with pytest.raises(ParameterError, match="follow from its window: leave out --steps"):
        tune_auto(trained, np.zeros((1, 1, 8, 8)), datasets.load("digits", "train").head(2), "ttfs", n_steps=20)


def test_nothing_accurate_enough_is_said(trained, few, numpy_target):
    training = datasets.load("digits", "train")
    with pytest.raises(ParameterError, match="the best has"):
        tune_auto(trained, training.images[:50], training.head(8), within=0.0, n_steps=1)
    with pytest.raises(DataError, match="no held-out"):
        tune_auto(trained, training.images[:50], training.head(0))


def test_the_command_says_what_it_tried_and_sees_no_test_image(
    trained, few, tmp_path, capsys, monkeypatch, numpy_target
):
    (tmp_path / "mlp.py").write_text(
        "from torch import nn\n\ndef build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))\n"
    )
    torch.save(trained.state_dict(), tmp_path / "mlp.pt")
    original, asked = datasets.load, []
    monkeypatch.setattr(
        datasets, "load", lambda name, split, *rest: asked.append(split) or original(name, split, *rest)
    )
    out = tmp_path / "auto.json"
    command = ["tune", "auto", str(tmp_path / "mlp.py"), "--weights", str(tmp_path / "mlp.pt"), "--data", "digits",
               "--images", "12", "--steps", "16", "--mode", "runtime", "--within", "20", "--out", str(out)]  # fmt: skip
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "1/2 percentile=100.0 v_init=0.0" in printed and "held-out training images" in printed
    assert f"--set @{out}" in printed and set(asked) == {"train"}
    assert json.loads(out.read_text())["percentile"] == 100.0
    assert len(json.loads((tmp_path / "auto.curves.json").read_text())["tried"]) == 2 * (3 + len(auto.THETAS))
    assert main([*command, "--images", "5000"]) == 2
    assert "do not fit" in capsys.readouterr().err
    assert np.all([not path.name.startswith(".auto") for path in tmp_path.iterdir()])


def test_calibration_images_are_those_that_are_not_held_out(tmp_path, monkeypatch, capsys):
    taken = []

    def stopped(model, calibration_images, held_out, *arguments, **options):
        taken.append((len(calibration_images), len(held_out)))
        raise ParameterError("enough")

    monkeypatch.setattr(auto, "tune_auto", stopped)
    (tmp_path / "mlp.py").write_text(
        "from torch import nn\nbuild = lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    command = ["tune", "auto", str(tmp_path / "mlp.py"), "--data", "digits", "--out", str(tmp_path / "auto.json")]
    assert main(command) == 2 and main([*command, "--images", "300"]) == 2
    assert taken == [(1437 - 500, 500), (1000, 300)]
    assert main([*command, "--set", "calibration=1000"]) == 2
    assert "calibration=1000 and 500 held-out images do not fit into 1437" in capsys.readouterr().err
