"""Faults that a campaign must find, each planted where a program under test would have it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from brianconv.errors import DataError

from .campaign import GIBIBYTE, Kind, insist, untouched


def _refuse(draw: random.Random, folder: Path, _: Any) -> None:
    raise DataError("this is refused as it should be")


def _accept(draw: random.Random, folder: Path, _: Any) -> None:
    pass


def _raise(draw: random.Random, folder: Path, _: Any) -> None:
    raise KeyError("field")


def _say_nothing(draw: random.Random, folder: Path, _: Any) -> None:
    raise DataError("")


def _crash(draw: random.Random, folder: Path, _: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _exit(draw: random.Random, folder: Path, _: Any) -> None:
    os._exit(0)


def _hang(draw: random.Random, folder: Path, _: Any) -> None:
    time.sleep(1000)


def _loop(draw: random.Random, folder: Path, _: Any) -> None:
    while True:
        pass


def _hang_with_a_child(draw: random.Random, folder: Path, _: Any) -> None:
    subprocess.run(["sleep", "1000"], check=False)


def _fill_memory(draw: random.Random, folder: Path, _: Any) -> None:
    bytearray(16 * GIBIBYTE)


def _accept_what_is_wrong(draw: random.Random, folder: Path, _: Any) -> None:
    insist(1 + 1 == 3, "a sum is wrong")


def _lose_a_file(draw: random.Random, folder: Path, _: Any) -> None:
    (folder / "own").write_text("own")
    with untouched(folder):
        (folder / "own").unlink()
        raise DataError("this is refused, but a file is gone")


def _leave_a_file(draw: random.Random, folder: Path, _: Any) -> None:
    with untouched(folder):
        (folder / "half").write_text("half")


HARMLESS = [Kind("refuse", 1, _refuse), Kind("accept", 1, _accept)]
FAULTS = [
    Kind("raise", 1, _raise), Kind("say_nothing", 1, _say_nothing), Kind("crash", 1, _crash), Kind("exit", 1, _exit),
    Kind("hang", 1, _hang, limit_s=1.0), Kind("loop", 1, _loop, limit_s=1.0),
    Kind("hang_with_a_child", 1, _hang_with_a_child, limit_s=1.0), Kind("fill_memory", 1, _fill_memory),
    Kind("accept_what_is_wrong", 1, _accept_what_is_wrong), Kind("lose_a_file", 1, _lose_a_file),
    Kind("leave_a_file", 1, _leave_a_file),
]  # fmt: skip
