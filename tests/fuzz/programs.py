"""Compiled programs: those in the cache, and an exported one with the files that it reads at start."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.files import WorkingFolder
from brianconv.simulation.cache import fetch_program, part_of_cache
from brianconv.simulation.export import export_program
from brianconv.simulation.run_settings import RunSettings
from brianconv.spiking import SpikingNetwork
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import convert_flat

from .campaign import GIBIBYTE, Kind, Refused, insist, untouched
from .damage import NUMBERS, damaged_bytes, exchange_by_link, replace_by_another_kind
from .networks import IMAGES, N_CLASSES, N_PIXELS, perceptron
from .stored import damage_json

# ---- the cache

PROGRAM = b"#!/bin/sh\necho whole\n" + bytes(500)
KEY = "0123456789abcdef" * 2


def cache(draw: random.Random, folder: Path, _: Any) -> None:
    """A program, its manifest, their folder and its lock."""
    os.environ["BRIANCONV_CACHE"] = str(folder / "cache")
    (folder / "own").write_bytes(b"own")
    _fetch()
    place = folder / "cache" / "programs" / KEY
    main, manifest, lock = place / "main", place / "manifest.json", place.with_name(f"{KEY}.lock")
    chosen = draw.choice((main, main, manifest, manifest, lock))
    match draw.randrange(8):
        case 0 | 1 if chosen == manifest:
            damage_json(draw, manifest)
        case 0 | 1 | 2:
            chosen.write_bytes(damaged_bytes(draw, chosen.read_bytes() or b"0"))
        case 3:
            lock.touch()
            replace_by_another_kind(draw, chosen)
        case 4:
            lock.touch()
            exchange_by_link(chosen)
        case 5:
            chosen.unlink(missing_ok=True)
            chosen.symlink_to(draw.choice(("/bin/true", folder / "own", "/nowhere")))
        case 6:
            draw.choice((chosen, place, place.parent)).chmod(draw.choice((0, 0o777, 0o600, 0o4755, 0o1777)))
        case _:
            shutil.rmtree(place)
            place.write_bytes(PROGRAM) if draw.random() < 0.5 else place.symlink_to(folder)
    for _ in range(2):
        _fetch()
        insist((folder / "own").read_bytes() == b"own", "a file of the user is changed")


def _fetch() -> None:
    with WorkingFolder(part_of_cache("runs")) as working:

        def compile_program() -> Path:
            (working / "made").write_bytes(PROGRAM)
            return working / "made"

        program = fetch_program(KEY, working, compile_program)
        insist(program.read_bytes() == PROGRAM, "another program is taken")
        insist(os.access(program, os.X_OK) and not program.is_symlink(), "what is taken is no program")


# ---- an exported project

N_STEPS, DELAY, THETA = 12, 2, 0.25
STARTING = "parameters.txt", "static_arrays"


def _spiking(**parameters: Any) -> SpikingNetwork:
    return convert_flat(perceptron(), normalization="none", input_shape=(N_PIXELS,), **{"v_init": 0.25, **parameters})


def _images(rows: np.ndarray) -> bytes:
    return b"brianimg" + np.array([len(rows), N_PIXELS], "<i8").tobytes() + rows.astype("<f8").tobytes()


def _exported(folder: Path) -> Path:
    project = export_program(_spiking(), folder / "project", RunSettings(N_STEPS, DELAY, early_decision=THETA))
    command = ["make", "-j2", "CXXFLAGS=-w -O1 -g -std=c++11"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project


def project(draw: random.Random, folder: Path, compiled: Path) -> None:
    """Images, parameters.txt and static_arrays of a program, which runs without Python."""
    here = folder / "project"
    here.mkdir()
    os.link(compiled / "main", here / "main")
    shutil.copy(compiled / "parameters.txt", here)
    shutil.copytree(compiled / "static_arrays", here / "static_arrays")
    images = folder / "IMAGES"
    images.write_bytes(_images(IMAGES))
    match draw.randrange(10):
        case 0 | 1 | 2:
            path, damage = images, draw.choice((damaged_bytes, _other_pixels))
        case 3 | 4 | 5 | 6:
            path, damage = here / "parameters.txt", draw.choice((damaged_bytes, _other_lines, _other_lines))
        case _:
            path, damage = draw.choice(sorted((here / "static_arrays").iterdir())), damaged_bytes
    match draw.randrange(10):
        case 0:
            replace_by_another_kind(draw, path)
        case 1:
            exchange_by_link(path)
        case _:
            path.write_bytes(damage(draw, path.read_bytes()))
    out = folder / "OUT"
    with untouched(folder, "OUT"):
        done = subprocess.run(
            [here / "main", images, out], cwd="/", capture_output=True, timeout=100, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GIBIBYTE, GIBIBYTE)),
        )  # fmt: skip
    said = done.stderr.decode(errors="replace")
    if done.returncode == 2:
        lines = [line for line in said.splitlines() if not line.startswith("images ")]
        insist(len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) < 10_000, f"says {said[:300]!r}")
        insist(done.stdout == b"" and not (out.exists() and list(out.iterdir())), "refused, but something is written")
        raise Refused(lines[0])
    insist(done.returncode == 0, f"ended with status {done.returncode}: {said[:300]!r}")
    insist([path.name for path in out.iterdir()] == ["decisions.csv"], "other files than the table are written")
    _check_decisions(out / "decisions.csv", here / "parameters.txt", np.frombuffer(images.read_bytes()[24:], "<f8"))


def _other_pixels(draw: random.Random, content: bytes) -> bytes:
    pixels = np.frombuffer(content[24:], "<f8").copy()
    for _ in range(draw.choice((1, 2))):
        pixels[draw.randrange(pixels.size)] = draw.choice((*map(float, NUMBERS), draw.random(), draw.random()))
    return content[:24] + pixels.tobytes()


VALUES = (
    "0", "1", "-1", "0.5", "0.25", ".125", "1e-3", "2", "7", "20", "1e400", "-0", "nan", "inf", "0x10", "1,5", " 1",
    "1 ", "",
    "1e1", "9" * 400, "1.5", "1000000", "1000001", "2147483648", "+3", "--3", "1e", "ü", "\0", "1=1",
)  # fmt: skip


def _other_lines(draw: random.Random, content: bytes) -> bytes:
    lines = content.decode().splitlines()
    settable = [k for k, line in enumerate(lines) if line and not line.startswith("#")]
    for _ in range(draw.choice((1, 1, 2))):
        k = draw.choice(settable)
        name = lines[k].split("=")[0]
        match draw.randrange(8):
            case 0:
                lines[k] = ""
            case 1:
                lines.append(lines[k])
            case 2:
                lines[k] = draw.choice(
                    (name, f" {name}=1", f"{name}x=1", f"{name[:-1]}=1", "=", "=1", "x" * 5000, "\t")
                )
            case _:
                lines[k] = f"{name}={draw.choice(VALUES)}"
    if draw.random() < 0.2:
        draw.shuffle(lines)
    return draw.choice(("\n", "\n", "\n", "\r\n")).join(lines).encode() + b"\n"


def _check_decisions(table: Path, parameters: Path, pixels: np.ndarray) -> None:
    """Insist that a table holds what the reference decides with the same images and parameters."""
    heading, *rows = [line.split(",") for line in table.read_text().splitlines()]
    insist(heading == ["image", "decision", "steps", "latency_ms"], "another heading")
    found = np.array(rows, float).astype(int)
    images = pixels.reshape(-1, N_PIXELS)
    insist(len(found) == len(images), "not one row per image")
    text = parameters.read_bytes().decode("latin-1")
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    given = {name: float(value) for name, value in (line.split("=") for line in lines)}
    insist(given.get("schedule.n_steps", 0) >= found[:, 2].max(), "more steps than there may be")
    insist(((found[:, 1] >= 0) & (found[:, 1] < N_CLASSES) & (found[:, 2] >= 1)).all(), "impossible decisions")
    if given["schedule.n_steps"] > 1000:
        return
    spiking = _spiking()
    own: dict[str, dict[str, float]] = {}
    for name, value in given.items():
        population, _, variable = name.partition(".")
        if population in spiking.populations and variable in spiking.parameters:
            own.setdefault(variable, {})[population] = value
    expected = simulate_reference(
        spiking.with_parameters(**own), images, int(given["schedule.n_steps"]),
        evaluation_delay=int(given[f"{spiking.output}.evaluation_delay"]), skip=int(given[f"{spiking.output}.skip"]),
        early_decision=given["schedule.early_decision"] or None,
    )  # fmt: skip
    insist(np.array_equal(found[:, 2], expected.steps), "other steps than those of the reference")
    last = expected.scores[np.arange(len(images)), expected.steps - 1]
    insist(np.array_equal(found[:, 1], last.argmax(axis=1)), "other decisions than those of the reference")


KINDS = [Kind("cache", 600, cache)]
PROJECTS = [Kind("project", 1400, project, _exported)]
