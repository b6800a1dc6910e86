"""Arguments: those of the commands, and those of convert() and simulate() in Python."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import brian2
import numpy as np

import brianconv.simulation.export
import brianconv.tuning.auto
import brianconv.tuning.kernels.descent
import brianconv.tuning.pcmp.search
import brianconv.tuning.stdb.training
import brianconv.verification.comparison
from brianconv.cli import main
from brianconv.coding import CODINGS
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from studies.speed.run import main as measure_speed
from tests.helpers.networks import convert_flat

from .campaign import Kind, Refused, insist, snapshot
from .networks import IMAGES, LABELS, MODEL, N_CLASSES, perceptron
from .stored import check_spiking

LONGEST = 40  # steps x images of a simulation that is run

# ---- the command line

WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "2", "3", "0.5", "1e3", "1e400", "nan", "inf", "-inf", "NaN", "None",
    "null", "[]",
    "{}", "1,2", "1,2,3", "a,b", "text", "ü", "\udcff", "a\nb", "٣", "1_0", "0x10", "9" * 30, "9" * 5000,
    "x" * 5000, "*", "~",
    "/", "/dev/null", "/dev/zero", "/nowhere/at/all", ".", "..", "@", "@missing", "@.", "%s", "${HOME}", "$(id)", "a=b",
    "2147483647", "2147483648", "-2147483649", "1000000", "1000001", "float16", "cuda", "max", "none", "layer_1",
    "input",
)  # fmt: skip
KEYS = (
    "v_init", "v_threshold", "normalization", "percentile", "per", "weight_bits", "threshold_factor", "synaptic_delay",
    "tau_m", "refractory", "noise", "noise_seed", "encoding", "readout", "seed", "skip", "calibration", "mean", "std",
    "window", "period", "tau", "t_d", "decay", "beta", "n_bits", "other", "input_shape", "coding", "model",
)  # fmt: skip
NETWORK = ("data", "data-root", "weights", "seed", "set", "coding", "steps")
RUN = (*NETWORK, "delay", "early-decision", "synapses", "dtype")
OPTIONS = {
    ("run",): (*RUN, "images", "mode", "jobs", "record", "out"),
    ("verify",): (*RUN, "images", "mode", "out"),
    ("export",): (*RUN, "out"),
    ("tune", "pcmp"): (*NETWORK, "images", "out", "refine"),
    ("tune", "kernels"): (*NETWORK[:-1], "images", "epochs", "batch", "out"),
    ("tune", "auto"): (*NETWORK, "images", "within", "mode", "out"),
    ("tune", "stdb"): (
        *NETWORK, "images", "test", "epochs", "batch", "learning-rate", "decay-every", "shift", "average", "out",
        "flip",
    ),
    ("codes",): (),
    ("bench",): ("model", "weights", "data", "data-root", "out"),
    ("demo",): ("out",),
}  # fmt: skip
CODES = tuple(sorted(CODINGS))


class _Reached(Exception):  # noqa: N818
    """All arguments are accepted, and what follows would take long."""


def write_files(folder: Path) -> Path:
    """Write a model and images for it."""
    folder.mkdir(exist_ok=True)
    (folder / "fuzzed.py").write_text(MODEL)
    images = IMAGES[:, None, :2].reshape(6, 1, 1, 2).repeat(2, axis=2).astype(np.float32)
    np.savez(folder / "mine.npz", images=images, labels=LABELS, train_images=images, train_labels=LABELS)
    np.savez(folder / "wide.npz", images=images.repeat(2, axis=3), labels=LABELS)
    return folder


def command_line(draw: random.Random, folder: Path, prepared: Path) -> None:
    """A command with arguments that are out of range, of another kind, twice there, absent or in another order."""
    os.chdir(shutil.copytree(prepared, folder / "here"))
    command = draw.choice(list(OPTIONS))
    if command in (("bench",), ("demo",), ("codes",)) and draw.random() < 0.7:
        command = ("run",)
    arguments = _arguments(draw, command)
    before = snapshot(Path())
    said = io.StringIO()
    reached = False
    with (
        _nothing_long(draw.random() < 0.2),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            status: Any = measure_speed(arguments[1:]) if command == ("bench",) else main(arguments)
        except SystemExit as error:  # of the parser
            status = error.code
        except _Reached:
            reached, status = True, 0
    shown, message = shown_as_command(arguments), said.getvalue()
    insist("Traceback" not in message, f"{shown}: a traceback: {message[-300:]}")
    after = snapshot(Path())
    lost = {name for name in before if before[name] != after.get(name)}
    insist(not lost, f"{shown}: files are changed: {lost}")
    added = {name for name in {*after} - {*before} if "__pycache__" not in name}
    insist(not any(name.endswith(".tmp") for name in added), f"{shown}: temporary files are left: {sorted(added)}")
    if status == 2:
        last = message.strip().splitlines()[-1] if message.strip() else ""
        longest = 2000 + 4 * max(map(len, arguments))  # it may name an argument
        one = re.search(r"^(brianconv( \w+)*|(python -m )?studies\.speed(\.run)?): error: ", message, re.MULTILINE)
        insist(one is not None and len(last) < longest, f"{shown}: no clear message: {message[-500:]!r}")
        files = {name for name in added if not Path(name).is_dir()}
        insist(not files, f"{shown}: refused, but files are written: {files}")
        raise Refused(message.strip().splitlines()[-1])
    insist(status == 0 or (command == ("verify",) and status == 1), f"{shown}: exit status {status}: {message[-300:]}")
    if not reached:
        for name in added:
            if name.endswith("result.json"):
                _check_result(json.loads(Path(name).read_text()), command)


def shown_as_command(arguments: list[str]) -> str:
    """Return arguments as they are, if they are short."""
    return " ".join(ascii(word) if len(word) < 80 else f"{word[:20]!a}..." for word in arguments)


def _arguments(draw: random.Random, command: tuple[str, ...]) -> list[str]:
    options: dict[str, list[str]] = {}
    if "steps" in OPTIONS[command]:
        options["steps"] = ["3"]
    for name, value in (("data", "mine.npz"), ("images", "2"), ("mode", "runtime")):
        if name in OPTIONS[command]:
            options[name] = [value]
    if command[0] == "tune":
        options["out"] = ["out.json"]
    elif "out" in OPTIONS[command]:
        options["out"] = ["out"]
    if command == ("tune", "stdb"):
        options |= {"test": ["2"], "epochs": ["1"], "batch": ["2"]}
    if draw.random() < 0.5 and "coding" in OPTIONS[command]:
        options["coding"] = [draw.choice(CODES)]
    for _ in range(draw.choice((1, 1, 2, 3))):
        if not OPTIONS[command]:
            break
        name = draw.choice(OPTIONS[command])
        if name == "set":
            options.setdefault(name, []).append(_setting(draw))
        else:
            options[name] = [_word(draw, name)]
    words = [[f"--{name}", *values] for name, values in options.items()]
    if command[0] not in ("codes", "bench", "demo"):
        model = (
            "fuzzed.py" if draw.random() < 0.9 else draw.choice((*WORDS, "fuzzed.py:", "fuzzed.py:torch", "os:getpid"))
        )
        words.insert(0, [model])
    elif command == ("codes",):
        words.append([draw.choice((*CODES, *WORDS))])
    if draw.random() < 0.1:
        draw.shuffle(words)
    if draw.random() < 0.05:
        words.append(words[-1])
    if draw.random() < 0.05:
        words.append([draw.choice(WORDS)])
    if draw.random() < 0.05 and words:
        del words[draw.randrange(len(words))]
    arguments = [*command, *(word for group in words for word in group)]
    if command == ("demo",) and "--out" not in arguments:
        arguments += ["--out", "/dev/null/below"]
    return arguments


def _word(draw: random.Random, name: str) -> str:
    right = {
        "data": ("mine.npz", "wide.npz", "digits", "mnist", "fuzzed.py", "missing.npz"), "coding": CODES,
        "synapses": ("structured", "explicit"), "dtype": ("float32", "float64"), "mode": ("runtime", "standalone"),
        "record": ("layer_1", "input", "layer_3"), "weights": ("mine.npz", "fuzzed.py", "missing.pt"),
        "out": ("out", "fuzzed.py", "out.json", "new/deeper", "mine.npz", "mine.json/deeper.json"),
    }.get(name, ())  # fmt: skip
    return draw.choice(right) if right and draw.random() < 0.5 else draw.choice(WORDS)


def _setting(draw: random.Random) -> str:
    if draw.random() < 0.1:
        return draw.choice(WORDS)
    return f"{draw.choice(KEYS)}{draw.choice(('=', '=', '=', '=', '==', ''))}{draw.choice(WORDS)}"


@contextlib.contextmanager
def _nothing_long(run_it: bool) -> Iterator[None]:
    """Let simulations of a few steps run, and stop before longer ones, compilers and trainings."""
    brian2.prefs.codegen.target = "numpy"

    def reached(*_: Any, **__: Any) -> Any:
        raise _Reached

    def short_only(
        spiking: SpikingNetwork, images: np.ndarray, n_steps: int | None = None, **options: Any
    ) -> Recording:
        steps = n_steps or spiking.default_steps
        if steps * len(images) > LONGEST or options.get("mode") == "standalone" or not run_it:
            raise _Reached
        return simulate(spiking, images, n_steps, **options)

    def short_reference(spiking: SpikingNetwork, images: np.ndarray, n_steps: int, *rest: Any, **options: Any) -> Any:
        if n_steps * len(images) > LONGEST or not run_it:
            raise _Reached
        return reference(spiking, images, n_steps, *rest, **options)

    reference = brianconv.verification.comparison.simulate_reference
    long = {
        "brianconv.verification.comparison.simulate_reference": short_reference,
        "brianconv.verification.comparison.simulate": short_only,
        "brianconv.simulation.run.simulate": short_only,
        "brianconv.simulation.export.generate_sources": reached,
        "brianconv.tuning.pcmp.search.LayerwiseSimulation": reached,
        "brianconv.tuning.kernels.descent.Training.run_epoch": reached,
        "brianconv.tuning.stdb.training._train_epoch": reached,
        "brianconv.tuning.auto._tried": reached,
        "studies.speed.run.run_bench": reached,
        "brianconv.demo.train": reached,
    }
    with contextlib.ExitStack() as stack:
        for name, function in long.items():
            stack.enter_context(mock.patch(name, function))
        yield


RESULT = {"run": ("accuracy", "decisions", "n_images", "n_steps", "versions"), "verify": ("passed", "n_spikes")}


def _check_result(result: dict[str, Any], command: tuple[str, ...]) -> None:
    for key in RESULT[command[0]]:
        insist(key in result, f"result.json has no {key}")
    if command == ("run",):
        insist(0 <= result["accuracy"] <= 1, "an accuracy is no share")
        insist(len(result["decisions"]) == result["n_images"], "there are not as many decisions as images")
        insist(all(0 <= decision < N_CLASSES for decision in result["decisions"]), "a decision is no class")


# ---- Python

THINGS: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 3, 10**6 + 1, 2**31, 2**63, 10**30, 0.0, 0.5, 1.5, -0.5, 1e300, 1e-300, math.nan,
    math.inf, -math.inf, "", "rate", "max", "none", "layer_0", "input", "ü\udcff", b"bytes", (), (1,), [], [1],
    [0.1, 0.2, 0.3],
    {}, {"layer_0": 1}, {"layer_0": math.nan}, {"other": 1}, {1: 1}, {"layer_0": "a"}, set(), object(), int, len, 1j,
    np.float32(0.5), np.int64(2), np.nan, np.array(0.5), np.array([]), np.zeros((2, 2)), np.array(["a"]),
    np.array([None]),
    np.ones(3), np.array([0.1, 0.2, 0.3]), np.datetime64("2020"), range(3), slice(1), Ellipsis, [[1, 2], [3]],
    ["layer_0"],
)  # fmt: skip
CONVERT = (
    "coding", "encoding", "readout", "normalization", "percentile", "per", "weight_bits", "threshold_factor",
    "synaptic_delay", "tau_m", "refractory", "noise", "noise_seed", "input_shape", "v_init", "v_threshold", "seed",
    "window",
)  # fmt: skip
PICTURES: tuple[Any, ...] = (
    IMAGES, IMAGES[:1], IMAGES[:0], IMAGES.astype(np.float16), IMAGES > 0.5, IMAGES.astype(complex),
    IMAGES.astype(object),
    IMAGES.astype(str), IMAGES[0], IMAGES[:, :3], IMAGES[:, None], IMAGES[:, :, None, None], np.full((2, 4), np.nan),
    np.full((2, 4), np.inf),
    IMAGES * 2, -IMAGES, IMAGES * 0, np.zeros((0, 4)), np.zeros((3, 0)), np.ones((2, 4), ">f8"), IMAGES[::-1, ::-1],
    IMAGES.T,
    IMAGES.tolist(), np.asfortranarray(IMAGES), (IMAGES * 255).astype(np.uint8), np.ma.masked_array(IMAGES,
    IMAGES > 0.5),
    *THINGS,
)  # fmt: skip


def conversions(draw: random.Random, folder: Path, _: Any) -> None:
    """Arguments of convert_flat() of any type and value."""
    options = {draw.choice(CONVERT): draw.choice(THINGS) for _ in range(draw.choice((1, 1, 2)))}
    if draw.random() < 0.3:
        options.setdefault("coding", draw.choice(CODES))
    images = draw.choice(PICTURES) if draw.random() < 0.4 else IMAGES
    model: Any = draw.choice(THINGS) if draw.random() < 0.05 else perceptron(bias=draw.random() < 0.7)
    spiking = convert_flat(model, images, **options)
    check_spiking(spiking)
    insist(spiking.n_classes == N_CLASSES, "other classes than the network has")
    spiking.describe()


MEMBRANE = ("layers", "tau_m", "refractory", "noise", "noise_seed")
SIMULATE = (
    "n_steps", "mode", "synapses", "dtype", "dt", "record_spikes", "record_potentials", "evaluation_delay", "skip",
    "early_decision",
    "jobs",
    "v_init", "v_threshold", "other",
)  # fmt: skip


def simulations(draw: random.Random, folder: Path, _: Any) -> None:
    """Arguments of simulate() and of changes of the network, of any type and value."""
    brian2.prefs.codegen.target = "numpy"
    spiking = convert_flat(perceptron(), IMAGES, coding=draw.choice(("rate", "rate", "phase", "hybrid")))
    if draw.random() < 0.25:
        changes = {draw.choice(MEMBRANE): draw.choice(THINGS) for _ in range(2)}
        spiking = spiking.with_membrane(**changes)
    elif draw.random() < 0.1:
        spiking = spiking.in_millivolts(draw.choice(THINGS), draw.choice(THINGS))
    options: dict[str, Any] = {"n_steps": 4}
    for _ in range(draw.choice((1, 1, 2))):
        options[draw.choice(SIMULATE)] = draw.choice(THINGS)
    images = draw.choice(PICTURES) if draw.random() < 0.4 else IMAGES[:2]
    if options["n_steps"] == 10**6 + 1 and draw.random() < 0.5:
        options["n_steps"] = 10**7
    recording = simulate(spiking, images, **options)
    count = len(np.asarray(images))
    n_steps = spiking.default_steps if options["n_steps"] is None else options["n_steps"]
    insist(recording.scores.shape == (count, n_steps, N_CLASSES), f"scores of shape {recording.scores.shape}")
    taken = np.arange(1, recording.n_steps + 1) <= recording.steps[:, None]
    insist(np.isfinite(recording.scores[taken]).all(), "scores are not finite")
    insist(((recording.decisions >= 0) & (recording.decisions < N_CLASSES)).all(), "decisions are no classes")


KINDS = [
    Kind("command_line", 1400, command_line, write_files),
    Kind("conversions", 600, conversions),
    Kind("simulations", 300, simulations),
]
