"""Progress bars appear in terminals and notebooks, and nowhere else."""

import io
import sys
from types import SimpleNamespace

import pytest

from brianconv.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown", "visible"), [
    (Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False),
])  # fmt: skip
def test_a_bar_is_drawn_in_terminals_only(monkeypatch, stream, shown, visible):
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    with progress_bar(3, "compiling", "object", shown=shown, file=written) as bar:
        for _ in range(3):
            bar.update()
        bar.refresh()
    assert ("compiling" in written.getvalue()) == visible


def test_a_notebook_shows_bars_although_it_is_no_terminal(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with progress_bar(2, "simulating", "image", file=written) as bar:
        bar.update(2)
    assert "simulating" in written.getvalue()


def test_what_is_quick_shows_nothing(monkeypatch):
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    with progress_bar(1, "compiling", "object", delay=2.0, file=written) as bar:
        bar.update()
    assert "compiling" not in written.getvalue()
