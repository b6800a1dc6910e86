"""Files are complete or absent, and what a killed process left behind is removed by the next one."""

import os
import subprocess
import sys

import pytest

from brianconv.errors import OutputError
from brianconv.files import remove_orphans, working_folder, writable_folder, write_atomically


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nothing_half_written_is_left(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail(file):
        file.write(b"half of")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_orphans_of_dead_processes_are_removed_and_others_kept(tmp_path):
    dead, alive = dead_process(), os.getpid()
    (tmp_path / f".result.json.{dead}.tmp").write_text("half")
    (tmp_path / f"run.{dead}.tmp").mkdir()
    (tmp_path / f"run.{dead}.tmp" / "weights").write_text("")
    (tmp_path / f"run.{alive}.tmp").mkdir()
    (tmp_path / "notes.123.txt").write_text("mine")
    remove_orphans(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {f"run.{alive}.tmp", "notes.123.txt"}


def test_working_folders_are_distinct(tmp_path):
    assert working_folder(tmp_path / "runs") != working_folder(tmp_path / "runs")


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write into"):
        writable_folder(tmp_path / "file" / "below")
