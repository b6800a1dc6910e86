"""`brianconv tune METHOD MODEL ...`: arguments, what is printed, and the files that are written.

The result is a small JSON file of settings that ``brianconv run --set @FILE`` reads: those that were given with
``--set``, and the tuned ones. The curves of the search are written beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brianconv import datasets
from brianconv.cli.options import (
    N_CALIBRATION,
    add_seed,
    load_trained,
    positive,
    run_command,
    steps,
    take_calibration,
    text,
)
from brianconv.cli.tune_stdb import add_stdb
from brianconv.coding import find_coding
from brianconv.errors import OutputError, ParameterError
from brianconv.files import writable_folder, write_json
from brianconv.spiking import SpikingNetwork

if TYPE_CHECKING:
    from brianconv.tuning.pcmp.search import PrechargeResult

N_IMAGES = {"pcmp": 100, "kernels": 1000, "auto": 500}
CODINGS = {"pcmp": "rate", "kernels": "ttfs", "auto": "rate"}


def add_methods(
    parser: argparse.ArgumentParser,
    add_model: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], None],
) -> None:
    """Add the methods and their arguments.

    Parameters
    ----------
    parser : ArgumentParser
    add_model : callable
        Adds the arguments that name model, data and settings.
    run : callable
        What the parsed arguments are passed to.
    """
    methods = parser.add_subparsers(dest="method", required=True, metavar="METHOD")
    pcmp = methods.add_parser("pcmp", help="pre-charge v_init of each layer, for rate coding (Hwang et al. 2021)")
    kernels = methods.add_parser("kernels", help="tau and t_d of each layer, for ttfs coding (Park et al. 2020)")
    auto = methods.add_parser("auto", help="cheapest setting of a code that keeps the accuracy")
    stdb = methods.add_parser("stdb", help="train the spiking network itself, for hybrid coding (Datta et al. 2021)")
    add_stdb(stdb, add_model)
    stdb.set_defaults(run=run)
    for name, method in (("pcmp", pcmp), ("kernels", kernels), ("auto", auto)):
        add_model(method)
        method.add_argument(
            "--coding", type=text, default=CODINGS[name], help=f"neural code (default: {CODINGS[name]})"
        )
        method.add_argument(
            "--images", type=positive, default=N_IMAGES[name], metavar="N",
            help=f"training images to tune with (default: {N_IMAGES[name]}); auto takes the last ones",
        )  # fmt: skip
        method.add_argument(
            "--out", type=text, required=True, metavar="FILE", help="JSON file, for brianconv run --set @FILE"
        )
        method.set_defaults(run=run)
    pcmp.add_argument("--steps", type=steps, default=255, metavar="N", help="steps of the error's sum (default: 255)")
    pcmp.add_argument(
        "--refine",
        action="store_true",
        help="then lower the error of the output layer, from the best of several starts",
    )
    auto.add_argument("--steps", type=steps, metavar="N", help="longest simulation (default: the code's)")
    auto.add_argument(
        "--within", type=float, default=0.5, metavar="POINTS",
        help="distance from the ANN's accuracy in percentage points (default: 0.5)",
    )  # fmt: skip
    auto.add_argument("--mode", choices=("runtime", "standalone"), default="standalone")
    kernels.set_defaults(steps=None)
    kernels.add_argument("--epochs", type=positive, default=4, metavar="N", help="passes over the images (default: 4)")
    kernels.add_argument(
        "--batch", type=positive, default=20, metavar="N", help="images a step of the descent (default: 20)"
    )


def check_out(out: str | Path) -> Path:
    """Return the file for the settings; raise OutputError or ParameterError if it cannot be written."""
    path = Path(out)
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder; --out takes the name of a file")
    if path.exists() and not path.is_file():
        raise OutputError(f"{str(path)!r} is not a file, and is not replaced; --out takes the name of a file")
    if path.suffix != ".json":
        raise ParameterError(f"--out {str(out)!r}: the name of the settings ends with .json; curves are put beside it")
    writable_folder(path.parent)
    return path


def run_method(
    parsed: argparse.Namespace, spiking: SpikingNetwork, images: np.ndarray, settings: Mapping[str, Any], out: Path
) -> None:
    """Tune a network and write FILE and FILE.curves.json.

    Parameters
    ----------
    parsed : Namespace
        With the arguments of `add_methods`.
    spiking : SpikingNetwork
        Converted with the code and the settings.
    images : array, shape (n_images, channels, rows, columns)
        Training images.
    settings : mapping
        RunSettings of the conversion, which are written together with the tuned ones.
    out : Path
    """
    start, state = time.perf_counter(), out.with_name(f".{out.name}.state.json")
    found = METHODS[parsed.method](parsed, spiking, images, state)
    seconds = time.perf_counter() - start
    about = {"method": parsed.method, "model": parsed.model, "data": parsed.data, "n_images": len(images)}
    curves = out.with_suffix(".curves.json")
    write_json(curves, {**about, "seconds": round(seconds, 1), **found.curves})
    write_json(out, {**settings, **found.settings})
    for path in (state, _refinement_state(state)):
        path.unlink(missing_ok=True)
    print(_table(found.settings))
    print(f"{seconds:.0f} s; curves are in {curves}, settings in {out}:")
    print(run_command(parsed, "--set", f"@{out}"))


def _tune_pcmp(parsed: argparse.Namespace, spiking: SpikingNetwork, images: np.ndarray, state: Path) -> Any:
    from brianconv.tuning.pcmp.cost import estimate_cost
    from brianconv.tuning.pcmp.search import CANDIDATES, check_pcmp, tune_pcmp

    check_pcmp(spiking, images, parsed.steps, CANDIDATES)
    print(estimate_cost(spiking, len(images), parsed.steps), flush=True)
    found = tune_pcmp(spiking, images, n_steps=parsed.steps, state=state, progress=True)
    return _refined(found, spiking, images, _refinement_state(state)) if parsed.refine else found


def _refined(found: PrechargeResult, spiking: SpikingNetwork, images: np.ndarray, state: Path) -> PrechargeResult:
    """Refine pre-charges with a compiled simulation."""
    from brianconv.simulation.run import Simulation
    from brianconv.tuning.checkpoint import Checkpoint, fingerprint
    from brianconv.tuning.pcmp.refinement import GLOBAL_STARTS, output_error, refine_pcmp

    simulation = Simulation(spiking, "standalone", dtype="float32")
    starts = [found.v_init, *(dict.fromkeys(found.v_init, v) for v in GLOBAL_STARTS)]
    about = {"network_and_images": fingerprint(spiking, images), "n_steps": found.n_steps, "start": dict(found.v_init)}
    refined = refine_pcmp(
        lambda v_init: output_error(simulation.run(images, found.n_steps, v_init=v_init)),
        starts,
        checkpoint=Checkpoint(state, about),
        progress=lambda v_init, error: print(f"error of the output {error:.4g} with {v_init}", flush=True),
    )
    return replace(found, v_init=refined.v_init)


def _refinement_state(state: Path) -> Path:
    return state.with_suffix(".refinement.json")


def _tune_kernels(parsed: argparse.Namespace, spiking: SpikingNetwork, images: np.ndarray, state: Path) -> Any:
    from brianconv.tuning.kernels.descent import Descent, check_kernels, tune_kernels

    descent = Descent(n_epochs=parsed.epochs, batch_size=parsed.batch)
    check_kernels(spiking, images, descent)
    n_batches = descent.n_epochs * (len(images) // descent.batch_size)
    print(f"{len(images)} images x {descent.n_epochs} epochs = {n_batches} batches", flush=True)
    return tune_kernels(spiking, images, descent, state=state, progress=True)


def run_auto(parsed: argparse.Namespace, settings: Mapping[str, Any], out: Path) -> None:
    """Search settings and write the cheapest one into FILE, and all that were tried into FILE.curves.json.

    Parameters
    ----------
    parsed : Namespace
        With the arguments of `add_methods`.
    settings : mapping
        RunSettings of conversion and code that are not searched.
    out : Path
    """
    from brianconv.tuning.auto import combinations, tune_auto
    from brianconv.tuning.checkpoint import Checkpoint, digest

    options = dict(settings)
    find_coding(parsed.coding)
    training = datasets.load(parsed.data, "train", parsed.data_root)
    others = len(training) - parsed.images
    n_calibration = take_calibration(options, default=max(min(N_CALIBRATION, others), 1))
    if n_calibration > others:
        raise ParameterError(
            f"calibration={n_calibration} and {parsed.images} held-out images do not fit into {len(training)} training "
            "images: choose fewer (--images, --set calibration=N)"
        )
    trained = load_trained(parsed, options)
    training = trained.prepared(training)
    add_seed(parsed, options)
    asked = ("model", "data", "coding", "images", "steps", "within", "seed")
    about = {
        **{key: getattr(parsed, key) for key in asked},
        "weights": str(trained.weights),
        "settings": dict(settings),
    }
    state = out.with_name(f".{out.name}.state.json")
    held_out = replace(training, images=training.images[-parsed.images :], labels=training.labels[-parsed.images :])
    weights = trained.model.state_dict().values()
    depends = {
        "combinations": combinations(parsed.coding, options),
        "weights_and_images": digest([*(w.numpy() for w in weights), training.images[:n_calibration], held_out.images]),
    }
    found = tune_auto(
        trained.model, training.images[:n_calibration], held_out, parsed.coding, within=parsed.within / 100,
        n_steps=parsed.steps, options=options, checkpoint=Checkpoint(state, about | depends), report=_print,
        mode=parsed.mode, dtype="float32",
    )  # fmt: skip
    tried = [asdict(setting) for setting in found.tried]
    write_json(out.with_suffix(".curves.json"), {**about, "ann_accuracy": found.ann_accuracy, "tried": tried})
    write_json(out, {**settings, **found.best.options})
    state.unlink(missing_ok=True)
    best = found.best
    print(
        f"{len(tried)} settings tried with {parsed.images} held-out training images; the ANN has "
        f"{found.ann_accuracy:.2%} of them\ncheapest with at least {found.target:.2%}: {best.accuracy:.2%}, "
        f"{best.mean_steps:.1f} steps and {best.operations:,.0f} synaptic operations an image"
    )
    decision = ["--early-decision", f"{best.early_decision:g}"] if best.early_decision else []
    decision += ["--delay", str(best.evaluation_delay)] if best.evaluation_delay else []
    print(run_command(parsed, "--steps", str(best.n_steps), *decision, "--set", f"@{out}"))


def _print(line: str) -> None:
    print(line, flush=True)


METHODS = {"pcmp": _tune_pcmp, "kernels": _tune_kernels}


def _table(settings: Mapping[str, Any]) -> str:
    """Return the values that differ between populations, one population a line."""
    by_population = {key: values for key, values in settings.items() if isinstance(values, dict)}
    populations = list(next(iter(by_population.values())))
    width = max(len(name) for name in populations)
    lines = [" " * width + "".join(f"{key:>10}" for key in by_population)]
    lines += [
        name.ljust(width) + "".join(f"{values[name]:>10.3g}" for values in by_population.values())
        for name in populations
    ]
    return "\n".join(lines)
