"""Files are complete or absent, and only what a killed process of this package left behind is removed."""

import gc
import json
import os
import signal

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from brianconv.errors import OutputError
from brianconv.files import (
    KERNEL,
    LOCK,
    WorkingFolder,
    remove_orphans,
    writable_folder,
    write_atomically,
    write_json,
    write_together,
)
from tests.helpers.processes import file_size_limit, forked, names


def test_nothing_half_written_is_left(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail(file):
        file.write(b"half of")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def figure():
    drawn = Figure()
    drawn.subplots().plot(np.random.default_rng(0).random(500))
    return drawn


WRITERS = {
    "bytes": lambda file: file.write(bytes(20_000)),
    "numpy": lambda file: np.save(file, np.random.default_rng(0).random(5000)),
    "npz": lambda file: np.savez_compressed(file, a=np.random.default_rng(0).random(5000), b=np.zeros(9)),
    "torch": lambda file: torch.save({"weight": torch.zeros(5000)}, file),
    "picture": lambda file: figure().savefig(file),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_clear_error_and_keeps_what_was_there(tmp_path, writer):
    path = tmp_path / "result"
    path.write_text("old")
    with file_size_limit(1000), pytest.raises(OutputError, match=rf"cannot write into '{path}' \(.+\); "):
        write_atomically(path, WRITERS[writer])
    gc.collect()  # what the writer left open says nothing either
    assert path.read_text() == "old" and names(tmp_path) == {"result"}


def test_the_remedy_suits_the_reason(tmp_path):
    def on_full_disk(_):
        with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
            full.write(b"1")

    with pytest.raises(OutputError, match=r"No space left on device\); free some space there or choose"):
        write_atomically(tmp_path / "result", on_full_disk)
    assert not names(tmp_path)


def test_errors_of_the_content_stay_what_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "result", lambda file: 1 / 0)
    assert not names(tmp_path)


def test_files_that_belong_together_are_replaced_together(tmp_path, monkeypatch):
    data, about = tmp_path / "data", tmp_path / "about"

    def write(content, last=None):
        write_together({data: lambda file: file.write(content), about: last or (lambda file: file.write(content))})

    write(b"first")
    with file_size_limit(1000), pytest.raises(OutputError):
        write(b"second", lambda file: file.write(bytes(5000)))
    assert data.read_bytes() == about.read_bytes() == b"first" and names(tmp_path) == {"data", "about"}

    original = type(data).replace

    def killed_before_the_last(self, target):
        if target == about:
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(type(data), "replace", killed_before_the_last)
    with pytest.raises(KeyboardInterrupt):
        write(b"third")
    assert names(tmp_path) == {"data"}, "without the last file a reader takes none"


def test_a_link_is_followed_and_only_files_are_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_json(tmp_path / "link", {"new": 1})
    assert (tmp_path / "link").is_symlink() and json.loads((tmp_path / "real").read_text()) == {"new": 1}
    for place in (tmp_path, "/dev/null"):
        with pytest.raises(OutputError, match="it is not a file"):
            write_json(type(tmp_path)(place), {})
    os.umask(mask := os.umask(0))
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o666 & ~mask, "as other programs write files"


def test_what_others_made_is_never_removed(tmp_path):
    (tmp_path / "notes.99999.tmp").write_text("mine")
    (tmp_path / ".result.json.99999.tmp").write_text("mine")
    (tmp_path / "thesis.99999.tmp").mkdir()
    (tmp_path / "thesis.99999.tmp" / "chapter").write_text("mine")
    another_host = tmp_path / f".brianconv-{'0' * 12}-{'1' * 16}.tmp"
    another_host.mkdir()
    (another_host / LOCK).write_text("")
    without_lock = tmp_path / f".brianconv-{KERNEL}-{'2' * 16}.tmp"
    without_lock.mkdir()
    (without_lock / "mine").write_text("")
    (tmp_path / f".brianconv-{KERNEL}-{'3' * 16}.tmp").symlink_to(tmp_path / "thesis.99999.tmp")
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    remove_orphans(tmp_path)
    write_json(tmp_path / "result.json", {})
    WorkingFolder(tmp_path).remove()
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} - before == {type(tmp_path)("result.json")}
    assert before <= {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}


def test_leftovers_are_kept_while_their_owner_lives_and_removed_after_it_was_killed(tmp_path):
    def own(say):
        folder = WorkingFolder(tmp_path)
        (folder.path / "weights").mkdir()
        (folder.path / "weights" / "w").write_text("")

        def wait(file):
            file.write(b"half")
            say("ready")
            signal.pause()

        write_atomically(tmp_path / "result", wait)

    with forked(own) as (_, said):
        assert said.readline() == "ready\n"
        remove_orphans(tmp_path)
        assert len(names(tmp_path)) == 2
    assert len(names(tmp_path)) == 2
    remove_orphans(tmp_path)
    assert not names(tmp_path)


def test_a_forked_process_leaves_the_folder_to_its_parent(tmp_path):
    folders = [WorkingFolder(tmp_path)]

    def end(say):
        folders[0].remove()  # what Python does at its end
        remove_orphans(tmp_path)
        say("ended")

    with forked(end) as (_, said):
        assert said.readline() == "ended\n"
    assert names(folders[0].path) == {LOCK}
    folders.clear()
    gc.collect()
    assert not names(tmp_path)


def test_working_folders_are_distinct(tmp_path):
    with WorkingFolder(tmp_path / "runs") as one, WorkingFolder(tmp_path / "runs") as other:
        assert one != other
    assert not names(tmp_path / "runs")


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for make in (writable_folder, WorkingFolder):
        with pytest.raises(OutputError, match="cannot write into"):
            make(tmp_path / "file" / "below")
