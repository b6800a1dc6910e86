"""The examples of the documentation run."""

import re
from pathlib import Path

import pytest

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
