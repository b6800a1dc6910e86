"""Commands that are killed, or that find a full disk, folders without permission, and compilers that fail.

Whatever happens to a command: no result is half written, no process outlives it, the user's own files stay, and the
next command works.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from safetensors.numpy import load_file

from .campaign import Kind, Refused, insist, snapshot
from .words import write_files

ROOT = Path(__file__).parents[2]
NETWORK = ("fuzzed.py", "--data", "mine.npz")
TUNED = "out/tuned.json"
COMMANDS = {
    "run": ("run", *NETWORK, "--images", "2", "--steps", "20", "--jobs", "2", "--record", "layer_1", "--out", "out",
            "--plot", "raster", "--report"),
    "compare": ("compare", *NETWORK, "--images", "2", "--codes", "rate,hybrid", "--out", "out"),
    "verify": ("verify", *NETWORK, "--images", "2", "--steps", "20", "--mode", "standalone", "--out", "out"),
    "pcmp": ("tune", "pcmp", *NETWORK, "--images", "4", "--steps", "30", "--out", TUNED),
    "kernels": ("tune", "kernels", *NETWORK, "--images", "4", "--batch", "4", "--epochs", "2", "--out", TUNED),
    "auto": ("tune", "auto", *NETWORK, "--images", "4", "--steps", "20", "--out", TUNED),
    "stdb": ("tune", "stdb", "unbiased.py", *NETWORK[1:], "--images", "4", "--test", "2", "--batch", "2",
             "--epochs", "2", "--steps", "3", "--out", TUNED),
    "export": ("export", *NETWORK, "--steps", "20", "--out", "exported"),
    "demo": ("demo", "--out", "out"),
}  # fmt: skip
RESULTS = {
    "run": ("result.json", "recording.npz", "recording.json", "raster.png", "report.html"),
    "compare": ("result.json", "comparison.csv", "comparison.pdf", "comparison.png"),
    "verify": ("result.json",),
    "pcmp": ("tuned.json",),
    "kernels": ("tuned.json",),
    "auto": ("tuned.json", "tuned.curves.json"),
    "stdb": ("tuned.json", "tuned.safetensors"),
    "export": ("Makefile", "main.cpp", "network.txt"),
    "demo": ("result.json", "report.html"),
}
# the limits on compilers are shorter here; there is no other setting for them
STARTED = """
import importlib
import sys
started = importlib.import_module("brianconv.cli.main")
def import_module(name):  # what a command imports first, once it heeds signals
    importlib.import_module(name)
    compiler = importlib.import_module("brianconv.simulation.compiler")
    compiler.ANSWER_LIMIT_S, compiler.BUILD_LIMIT_S = map(float, sys.argv[1].split(","))
started.import_module = import_module
sys.exit(started.main(sys.argv[2:]))
"""
PATIENCE_S = 400.0
DROP_FROM_BOUNDS, OVERRIDE = 24, (1, 2)  # prctl: what lets root write where it may not


def _write_files(folder: Path) -> None:
    """Write the user's files, and a network without biases, as training with spikes needs it."""
    model = write_files(folder) / NETWORK[0]
    (folder / "unbiased.py").write_text(re.sub(r"(nn\.Linear\(\d, \d)\)", r"\1, bias=False)", model.read_text()))


def _prepare(folder: Path) -> Path:
    """Write the user's files, and run every command with nothing compiled, to fill the cache, and from the cache.

    How long each takes is kept, so that it can be stopped at any moment.
    """
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for cache in ("cold", "cache", "cache"):
        for name, command in COMMANDS.items():
            _write_files(folder / "user")
            start = time.monotonic()
            done = _finished(_start(folder / "user", folder / cache, command))
            insist(done[0] == 0, f"{name} fails: {done[1][-500:]}")
            seconds[name].append(time.monotonic() - start)
            shutil.rmtree(folder / "user")
            shutil.rmtree(folder / "cold", ignore_errors=True)
    _write_files(folder / "user")
    (folder / "seconds.json").write_text(json.dumps(seconds))
    return folder


def _start(
    here: Path, cache: Path, arguments: tuple[str, ...], compiler: str = "", **options: Any
) -> subprocess.Popen[str]:
    """Start a command in a session of its own, by which its processes are found."""
    environment = {**os.environ, "BRIANCONV_CACHE": str(cache), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"CXX": compiler} if compiler else {}
    limits = "5,8" if compiler else "120,3600"
    return subprocess.Popen(
        [sys.executable, "-c", STARTED, limits, *arguments], cwd=here, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        **options,
    )  # fmt: skip


def _finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        insist(False, "the command hangs")
    return process.returncode, said


def _left_of(session: int) -> list[str]:
    """Return the processes of a session, once those that are ending have had the time to."""
    end = time.monotonic() + 30
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline())[:100])
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def _check_afterwards(here: Path, own: Mapping[str, Any], session: int) -> None:
    left = _left_of(session)
    insist(not left, f"processes are left: {left}")
    after = snapshot(here)
    insist(all(after.get(name) == state for name, state in own.items()), "a file of the user is changed")
    for path in here.rglob("*"):
        if path.name.startswith(".") or any(part.startswith(".brianconv-") for part in path.parts) or path.is_dir():
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())  # whole
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                insist(all(arrays[name].size >= 0 for name in arrays.files), "an array is not whole")
        elif path.suffix == ".html":
            insist(path.read_text().endswith("</html>\n"), "a report is not whole")
        elif path.suffix in (".png", ".pdf"):
            insist(path.read_bytes()[-9:].strip().endswith((b"IEND\xaeB`\x82", b"%%EOF")), "a picture is not whole")
        elif path.suffix == ".safetensors":
            insist(len(load_file(path)) > 0, "weights are not whole")
    if (here / "exported").exists():
        insist((here / "exported" / "network.txt").exists(), "a project is exported in part")


def _check_next(here: Path, cache: Path, name: str) -> None:
    """Insist that the same command works now, and leaves nothing temporary."""
    if (here / "exported").exists():
        shutil.rmtree(here / "exported")
    process = _start(here, cache, COMMANDS[name])
    status, said = _finished(process)
    insist(status == 0, f"the next command ends with status {status}: {said[-500:]}")
    folder = here / ("exported" if name == "export" else "out")
    missing = [result for result in RESULTS[name] if not (folder / result).exists()]
    insist(not missing, f"the next command has no {missing}")
    left = [str(path) for path in here.rglob("*.tmp")]
    insist(not left, f"temporary files are left: {left}")
    runs = cache / "runs"
    insist(not (runs.exists() and list(runs.iterdir())), "a working folder is left in the cache")


def _own_copy(draw: random.Random, folder: Path, prepared: Path) -> tuple[Path, Path, dict[str, Any]]:
    here, cache = folder / "user", folder / "cache"
    shutil.copytree(prepared / "user", here)
    shutil.copytree(prepared / "cache", cache)
    return here, cache, snapshot(here)


def signals(draw: random.Random, folder: Path, prepared: Path) -> None:
    """SIGKILL, SIGTERM and SIGINT at any moment."""
    here, cache, own = _own_copy(draw, folder, prepared)
    name = draw.choice(list(COMMANDS))
    cold, _, warm = json.loads((prepared / "seconds.json").read_text())[name]
    takes = warm
    if draw.random() < 0.3:
        shutil.rmtree(cache)
        takes = cold
    number = draw.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    process = _start(here, cache, COMMANDS[name])
    time.sleep(draw.uniform(0.0, takes))
    if process.poll() is None:
        os.kill(process.pid, number)
    status, said = _finished(process)
    # Python itself ends with status 1 if it is interrupted before it runs anything
    interrupted_early = status == 1 and "site" in said and "brianconv" not in said
    insist(
        status in (0, -number, 128 + number) or interrupted_early, f"{name} ends with status {status}: {said[-3000:]}"
    )
    _check_afterwards(here, own, process.pid)
    _check_next(here, cache, name)


def _limited_files(draw: random.Random) -> Callable[[], None]:
    limit = draw.choice((0, 1, 100, 1000, 4096, 20_000, 100_000, 1_000_000))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _without_override() -> None:
    for capability in OVERRIDE:
        ctypes.CDLL(None).prctl(DROP_FROM_BOUNDS, capability, 0, 0, 0)


def _refused_or_complete(name: str, here: Path, own: Mapping[str, Any], process: subprocess.Popen[str]) -> str:
    """Return the message of a command that is refused, empty if it is complete."""
    status, said = _finished(process)
    insist("Traceback" not in said, f"{name}: a traceback: {said[-600:]}")
    insist(status in (0, 2), f"{name} ends with status {status}: {said[-300:]}")
    _check_afterwards(here, own, process.pid)
    if status == 0:
        return ""
    found = re.search(r"^brianconv: error: .*", said, re.MULTILINE | re.DOTALL)
    insist(found is not None, f"{name}: no clear message: {said[-300:]!r}")
    return found.group() if found else ""


def disks(draw: random.Random, folder: Path, prepared: Path) -> None:
    """Files that cannot grow, as on a full disk, and folders that may not be written."""
    here, cache, own = _own_copy(draw, folder, prepared)
    name = draw.choice(list(COMMANDS))
    if draw.random() < 0.5:
        process = _start(here, cache, COMMANDS[name], preexec_fn=_limited_files(draw))
        said = _refused_or_complete(name, here, own, process)
    else:
        place = draw.choice((here, cache, cache / "runs", cache / "programs", here / "out"))
        place.mkdir(exist_ok=True)
        place.chmod(draw.choice((0o555, 0o500, 0o000)) if place != here else 0o555)
        process = _start(here, cache, COMMANDS[name], preexec_fn=_without_override)
        said = _refused_or_complete(name, here, {} if place == here else own, process)
        place.chmod(0o700)
    _check_next(here, cache, name)
    if said:
        raise Refused(said)


COMPILERS = {
    "fails": "exit 1",
    "fails late": 'case "$*" in *.cpp*) echo "broken: error" >&2; exit 1;; esac',
    "does nothing": "exit 0",
    "does not answer": "sleep 1000",
    "hangs": 'case "$*" in *main.cpp*) sleep 1000;; *-c*) exec g++ "$@";; esac',
    "crashes": "kill -SEGV $$",
    "prints much": "yes error | head -c 3000000 >&2; exit 1",
    "cannot be read": "printf 'caf\\351\\377' >&2; exit 1",
}


def compilers(draw: random.Random, folder: Path, prepared: Path) -> None:
    """Compilers that fail, hang, are missing, or make nothing."""
    here, cache, own = _own_copy(draw, folder, prepared)
    name = draw.choice(("run", "verify"))
    compiler = folder / "c++"
    if draw.random() < 0.9:
        compiler.write_text("#!/bin/sh\n" + draw.choice(list(COMPILERS.values())) + "\n")
        compiler.chmod(draw.choice((0o755, 0o755, 0o755, 0o644)))
    process = _start(here, cache, COMMANDS[name], str(compiler))
    said = _refused_or_complete(name, here, own, process)
    insist(said, "a program is there without a compiler")
    _check_next(here, cache, name)
    raise Refused(said)


KINDS = [
    Kind("signals", 60 * len(COMMANDS), signals, _prepare, 400.0),
    Kind("disks", 30, disks, _prepare, 400.0),
    Kind("compilers", 16, compilers, _prepare, 400.0),
]
