"""The studies: results belong to the parameters that are written down, and a stopped run goes on."""

import importlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from studies.hwang2021_net3.params import PATCH
from studies.hwang2021_net3.patches import joined, patches
from studies.kernels import params as kernels
from studies.pcmp import params as pcmp
from studies.stored import Stored


@dataclass(frozen=True)
class Network:
    n_images: int
    delays: range = range(3)
    paper: tuple[int, ...] = (1, 2)


def test_results_go_on_with_the_same_settings_and_begin_anew_with_others(tmp_path):
    path = tmp_path / "results.json"
    first = Stored(path, "a", Network(5), leave_out=("paper",))
    first.results["row"] = 1
    first.save()
    Stored(path, "b", Network(5)).save()
    assert Stored(path, "a", Network(5, paper=(3,)), leave_out=("paper",)).results["row"] == 1
    assert "row" not in Stored(path, "a", Network(6), leave_out=("paper",)).results
    assert "row" not in Stored(path, "b", Network(5)).results
    assert list(json.loads(path.read_text())) == ["a", "b"]


@pytest.mark.parametrize("study", [pcmp, kernels])
def test_stored_results_are_those_of_the_parameters(study):
    path = Path(study.__file__).with_name("results.json")
    for name in json.loads(path.read_text()):
        results = Stored(path, name, study.NETWORKS[name], leave_out=("paper",) * (study is pcmp)).results
        assert len(results) > 2, f"{path}: {name} was run with other settings"


STUDIES = sorted(path.parent for path in Path(pcmp.__file__).parents[1].glob("*/plot.py"))


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_readmes_show_the_tables_of_the_results(folder, tmp_path, monkeypatch, capsys):
    plot = importlib.import_module(f"studies.{folder.name}.plot")
    for path in (*folder.glob("*.json"), *folder.glob("*.npz")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(plot, "FOLDER", tmp_path)
    plot.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    readme = (folder / "README.md").read_text().splitlines()
    assert len(lines) > 4
    assert not [line for line in lines if line not in readme], "the README shows other figures than results.json"
    drawn, kept = ({path.name for path in place.glob("*.png")} for place in (tmp_path, folder))
    assert drawn == kept


def test_patches_put_together_are_the_picture():
    picture = np.random.default_rng(0).random((2 * PATCH, 3 * PATCH, 3))
    cut = patches(picture)
    assert cut.shape == (6, 3, PATCH, PATCH)
    np.testing.assert_array_equal(cut[4], picture[PATCH:, PATCH : 2 * PATCH].transpose(2, 0, 1))
    np.testing.assert_array_equal(joined(cut, 3), picture)
