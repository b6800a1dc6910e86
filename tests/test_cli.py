"""The command line, as a user calls it."""

import json
import subprocess
import sys

import pytest

from brianconv.cli import main


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
