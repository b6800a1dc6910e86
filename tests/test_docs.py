"""The examples of the documentation and of the README run."""

import re
from pathlib import Path

import pytest
import torch

from brianconv import datasets
from brianconv.demo import small_cnn

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_examples_run(page, numpy_target, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), str(page), "exec"), {})
    shown = capsys.readouterr().out
    if page.name == "structured_synapses.md":
        preferring, neighbour = (int(n) for n in re.findall(r"\d+", shown))
        assert preferring > 2 * neighbour


def test_the_blocks_of_the_readme_run(numpy_target, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    training, test = datasets.load("digits", "train"), datasets.load("digits", "test").head(6)
    given = {
        "model": small_cnn().eval(),
        "training_images": training.images,
        "images": test.images,
        "labels": test.labels,
    }
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), "README.md", "exec"), given)
    assert "equal, " in capsys.readouterr().out, "verify"
    assert (tmp_path / "millivolts.png").stat().st_size > 10_000
