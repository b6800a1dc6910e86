"""Cases of a campaign: each one runs in a process of its own, with limits, so that none can spoil the others.

A case is named by the seed, the kind of input and a number, from which everything that is random in it follows.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import resource
import select
import shutil
import signal
import stat
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from brianconv.errors import BrianconvError

GIBIBYTE = 2**30
REFUSED, ACCEPTED, FAILED = "refused", "accepted", "failed"
LONGEST_MESSAGE = 30_000  # characters: it may repeat an argument
WAITING = 5
SPARE = 3 * GIBIBYTE  # of memory, beyond what a process has at the start of a case


class Wrong(AssertionError):  # noqa: N818 (what is found, not an error of the program under test)
    """An outcome that no input may have."""


class Refused(Exception):  # noqa: N818
    """The program under test has refused the input as it should, by an exit status and a message."""


def insist(condition: Any, what: str) -> None:
    """Raise Wrong unless a condition holds."""
    if not condition:
        raise Wrong(what)


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes
    ----------
    name : str
    share : int
        Of the cases of a campaign, in proportion to those of other kinds.
    case : callable
        Called with random numbers, an empty folder and what `prepare` returned: writes a damaged input, uses it and
        insists on what must hold of an accepted one. A refused one raises BrianconvError or Refused.
    prepare : callable
        Called once with a folder; makes what is too slow to be made for every case.
    limit_s : float
        Seconds of a processor that a case may take; it may wait for five times as long.
    """

    name: str
    share: int
    case: Callable[[random.Random, Path, Any], None]
    prepare: Callable[[Path], Any] = lambda folder: None
    limit_s: float = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes
    ----------
    name : str
        ``seed/kind/number``.
    verdict : {"refused", "accepted", "failed"}
    message : str
        Of the error, or what failed.
    """

    name: str
    verdict: str
    message: str
    seconds: float = 0.0


class Campaign:
    """Runs cases, one after the other.

    Parameters
    ----------
    kinds : sequence of Kind
    folder : Path
        For the files of the cases.
    prepared : mapping
        What `prepare` returned, by the name of the kind.
    """

    def __init__(self, kinds: Sequence[Kind], folder: Path, prepared: Mapping[str, Any]) -> None:
        self.kinds = {kind.name: kind for kind in kinds}
        self.folder = folder
        self.prepared = prepared

    def run(self, names: Sequence[str]) -> Iterator[Outcome]:
        """Run cases in processes of their own, several in each, and yield what became of them."""
        left = list(names)
        while left:
            found = list(self._supervised(left))
            yield from found
            left = left[len(found) :]

    def _supervised(self, names: Sequence[str]) -> Iterator[Outcome]:
        """Run cases in one process, up to the first that ends or hangs it."""
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            self._child(names, writing)
        os.close(writing)
        n_done, reason = 0, ""
        with os.fdopen(reading, "rb") as results:
            for name in names:
                ready, _, _ = select.select([results], [], [], WAITING * self.kinds[name.split("/")[1]].limit_s)
                line = results.readline() if ready else b""
                if not line:
                    reason = "the process ended" if ready else "hangs"
                    break
                yield Outcome(name, *json.loads(line))
                n_done += 1
            if reason == "hangs":
                _kill_group(process)
        _, status = os.waitpid(process, 0)
        _kill_group(process)
        if n_done < len(names):
            ended = f"crash: {signal.Signals(status & 127).name}" if status & 127 and reason != "hangs" else reason
            yield Outcome(names[n_done], FAILED, ended)

    def _child(self, names: Sequence[str], writing: int) -> None:
        """Run cases, say what became of each, and end."""
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            memory = psutil.Process().memory_info().vms + SPARE
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            warnings.simplefilter("ignore")
            _be_quiet()
            for name in names:
                kind = self.kinds[name.split("/")[1]]
                used = resource.getrusage(resource.RUSAGE_SELF)
                seconds = int(used.ru_utime + used.ru_stime + kind.limit_s) + 1
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
                folder = Path(tempfile.mkdtemp(dir=self.folder))
                start = time.monotonic()
                result = _verdict(kind, name, folder, self.prepared[kind.name])
                seconds = time.monotonic() - start
                _make_removable(folder)
                os.chdir(self.folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.write(writing, json.dumps((*result, seconds)).encode() + b"\n")
        finally:
            os._exit(0)


def prepared_by(kinds: Iterable[Kind], folder: Path) -> dict[str, Any]:
    """Prepare each kind in a folder of its own, once; kinds that are prepared in the same way share it."""
    made: dict[Callable[[Path], Any], Any] = {}
    for kind in kinds:
        if kind.prepare not in made:
            place = folder / f"prepared_{kind.name}"
            place.mkdir()
            made[kind.prepare] = kind.prepare(place)
    return {kind.name: made[kind.prepare] for kind in kinds}


def names_of_cases(kinds: Sequence[Kind], n_cases: int, seed: int) -> list[str]:
    """Divide cases among the kinds by their shares; return their names, mixed."""
    total = sum(kind.share for kind in kinds)
    ends = [0]
    for kind in kinds:
        ends.append(ends[-1] + kind.share)
    counts = [end * n_cases // total - start * n_cases // total for start, end in itertools.pairwise(ends)]
    names = [f"{seed}/{kind.name}/{k}" for kind, count in zip(kinds, counts, strict=True) for k in range(count)]
    random.Random(seed).shuffle(names)
    return names


def _kill_group(process: int) -> None:
    """Kill a process with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _verdict(kind: Kind, name: str, folder: Path, prepared: Any) -> tuple[str, str]:
    draw = random.Random(name)
    try:
        kind.case(draw, folder, prepared)
    except (BrianconvError, Refused) as error:
        message = str(error)
        if not message.strip():
            return FAILED, "an error without a message"
        if len(message) > LONGEST_MESSAGE:
            return FAILED, f"a message of {len(message)} characters"
        return REFUSED, f"{type(error).__name__}: {message[:300]}"
    except Wrong as error:
        return FAILED, f"wrong: {error}"
    except BaseException:
        return FAILED, traceback.format_exc(limit=-6)[-3000:]
    return ACCEPTED, ""


def _be_quiet() -> None:
    """Send what cases print nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what is in a folder: kind, size and checksum of every name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        regular = stat.S_ISREG(state.st_mode)
        size = state.st_size if regular else 0
        found[str(path.relative_to(folder))] = (
            stat.S_IFMT(state.st_mode), size, zlib.crc32(path.read_bytes()) if regular and size < 2**24 else 0,
        )  # fmt: skip
    return found


@contextlib.contextmanager
def untouched(folder: Path, *except_for: str) -> Iterator[None]:
    """Insist that nothing in a folder is changed, lost or added, whether or not an error is raised."""
    before = snapshot(folder)

    def difference() -> set[str]:
        after = snapshot(folder)
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        return {name for name in changed if not any(name == e or name.startswith(f"{e}/") for e in except_for)}

    try:
        yield
    except BrianconvError:
        insist(not (found := difference()), f"files are changed although the input was refused: {sorted(found)}")
        raise
    insist(not (found := difference()), f"files are changed: {sorted(found)}")


def _make_removable(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(path).chmod(0o700)
