"""The command line: `brianconv COMMAND`, or `python -m brianconv COMMAND`."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

import matplotlib

from brianconv import datasets
from brianconv.cli.options import (
    Trained,
    add_seed,
    delay,
    jobs,
    load_trained,
    load_training_images,
    positive,
    read_settings,
    seed,
    steps,
    take_calibration,
    take_whole,
    text,
)
from brianconv.cli.tune import add_methods, check_out, run_auto, run_method
from brianconv.cli.tune_stdb import run_stdb
from brianconv.coding import CODINGS
from brianconv.coding.description import describe_code
from brianconv.conversion.settings import convert_with_settings
from brianconv.errors import BrianconvError
from brianconv.files import writable_folder, write_json
from brianconv.recording import Recording
from brianconv.spiking import SpikingNetwork

DIFFERENT = 1
MODES = ("runtime", "standalone")
INTERRUPTED = 130
CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    It is 0, 1 if `verify` found a difference, 2 after a message about bad input, 130 if interrupted, 143 if terminated,
    129 if the terminal was closed, 141 if nobody reads on.
    """
    parsed = _parser().parse_args(arguments)
    matplotlib.use("Agg")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _signals_raised(), warnings.catch_warnings():
            warnings.showwarning = _show_note
            return parsed.run(parsed) or 0
    except BrianconvError as error:
        print(f"brianconv: error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, SystemExit, GeneratorExit, _Terminated) as ending:
        if type(ending) not in (KeyboardInterrupt, _Terminated):  # nothing but the user's model raises others
            print(f"brianconv: error: the model tried to end the program: {ending!r}", file=sys.stderr)
            return 2
        terminated = isinstance(ending, _Terminated)
        kept = "; the same command goes on where it was" if parsed.run is _tune else ""
        what = "terminated" if terminated else "interrupted"
        with suppress(OSError):  # the terminal may be gone
            print(f"brianconv: {what}, no result was written{kept}", file=sys.stderr, flush=True)
        return int(ending.args[0]) if terminated else INTERRUPTED
    except BrokenPipeError:  # whoever read the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


def _show_note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print what the conversion has to say without the line of code that said it."""
    ours = issubclass(category, UserWarning)
    text = f"note: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}"
    print(text, file=file or sys.stderr)


class _Terminated(BaseException):
    """A signal asked the command to end; its argument is the exit status."""


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let the signals that end a command unwind it, as Ctrl+C does, so that it removes its working folders."""

    def unwind(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # one is enough
        raise _Terminated(128 + number)

    chosen = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        chosen = []
    before = {number: signal.getsignal(number) for number in chosen}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # nohup ignores a closed terminal
            signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianconv", description="Trained torch networks as Brian2 simulations.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train, convert and run a small network on real digits")
    demo.add_argument("--out", type=text, default="demo_output", help="folder for pictures and result.json")
    demo.set_defaults(run=_demo)
    _add_run(commands.add_parser("run", help="convert a trained network and run it on a data set"))
    tune = commands.add_parser("tune", help="fit a code's parameters to a network, for run --set @FILE")
    add_methods(tune, _add_model, _tune)
    _add_verify(commands.add_parser("verify", help="compare Brian2 with an independent simulation, step by step"))
    _add_export(commands.add_parser("export", help="write a self-contained C++ project"))
    codes = commands.add_parser("codes", help="list the neural codes, or print the equations of one")
    codes.add_argument("name", nargs="?", choices=sorted(CODINGS), metavar="NAME", help=", ".join(sorted(CODINGS)))
    codes.set_defaults(run=_codes)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument("--images", type=positive, metavar="N", help="test images to run (default: all)")
    parser.add_argument("--mode", choices=MODES, default="standalone")
    parser.add_argument("--jobs", type=jobs, default=1, metavar="N", help="processes that share the images")
    parser.add_argument(
        "--record", type=text, nargs="+", default=[], metavar="LAYER", help="layers whose spikes are recorded"
    )
    parser.add_argument(
        "--out", type=text, default="run_output", metavar="DIR", help="folder for result.json and recording.npz"
    )
    parser.set_defaults(run=_run)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument("--images", type=positive, default=5, metavar="N", help="test images to compare (default: 5)")
    parser.add_argument("--mode", choices=MODES, default="standalone")
    parser.add_argument("--out", type=text, default="verify_output", metavar="DIR", help="folder for result.json")
    parser.set_defaults(run=_verify)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument("--out", type=text, required=True, metavar="DIR", help="new or empty folder of the project")
    parser.set_defaults(run=_export)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=text, metavar="MODEL", help="path/to/file.py[:factory] or package.module:factory")
    parser.add_argument(
        "--data", type=text, required=True, metavar="NAME|FILE.npz", help=f"{', '.join(datasets.NAMES)}, or a file"
    )
    parser.add_argument(
        "--data-root", type=text, metavar="DIR", help="folder of the data sets (default: $BRIANCONV_DATA, or data)"
    )
    parser.add_argument(
        "--weights", type=text, metavar="FILE", help=".safetensors or state dict; default: beside the model"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of models that are made at random, and of Poisson input"
    )
    parser.add_argument(
        "--set", type=text, nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
        help="parameters of the code and of the conversion, such as v_init=0.4, v_init=0.5,0.4,0.3, normalization=max, "
        "percentile=99.9, per=channel, encoding=phase, readout=first_spike, synaptic_delay=1, tau_m=20, refractory=2, "
        "noise=0.1, weight_bits=8, skip=5, calibration=1000, mean=0.49,0.48,0.45; @FILE reads them from JSON",
    )  # fmt: skip


def _add_network(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--coding", choices=sorted(CODINGS), default="rate")
    parser.add_argument("--steps", type=steps, metavar="N", help="steps an image (default: the code's)")
    parser.add_argument(
        "--delay", type=delay, default=0, metavar="N", help="delayed evaluation: steps that do not count"
    )
    parser.add_argument("--early-decision", type=float, metavar="THETA", help="stop an image once it is decided")
    parser.add_argument(
        "--synapses", choices=("structured", "explicit"), default="structured",
        help="kernels shared by place, or every synapse stored",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")


def _demo(parsed: argparse.Namespace) -> None:
    from brianconv.cli.demo import run_demo

    run_demo(parsed.out)


def _codes(parsed: argparse.Namespace) -> None:
    if parsed.name:
        from brianconv.coding.latex import latex_condition, latex_equations

        scheme = CODINGS[parsed.name]
        print(describe_code(scheme))
        for title, model in (("input neurons", scheme.encoding.neuron), ("hidden neurons", scheme.neuron)):
            lines = [*latex_equations(model), rf"\text{{fires if }} {latex_condition(model.threshold)}"]
            print("\n".join([f"\nLaTeX, {title}", *(f"    {line}" for line in lines)]))
        return
    for name in sorted(CODINGS):
        scheme = CODINGS[name]
        print(f"{name:<10}{scheme.source}\n          {', '.join(scheme.all_parameters)}")


@dataclass(frozen=True)
class _Converted:
    spiking: SpikingNetwork
    trained: Trained
    n_steps: int
    skip: int
    convert_s: float


def _run(parsed: argparse.Namespace) -> None:
    from brianconv.analysis.metrics import summarize, table
    from brianconv.recording import check_labels
    from brianconv.simulation.run import checked_settings, simulate

    folder = writable_folder(parsed.out)
    test = datasets.load(parsed.data, "test", parsed.data_root).head(parsed.images)
    converted = _converted(parsed)
    test = converted.trained.prepared(test)
    for note in test.notes:
        print(f"{parsed.data}: {note}", flush=True)
    run = {"evaluation_delay": parsed.delay, "skip": converted.skip, "early_decision": parsed.early_decision}
    checked_settings(converted.spiking, test.images, converted.n_steps, **run)
    if len(converted.spiking.graph.output.shape) == 1:
        check_labels(test.labels, len(test), converted.spiking.n_classes)
    recording = simulate(
        converted.spiking,
        test.images,
        converted.n_steps,
        mode=parsed.mode,
        synapses=parsed.synapses,
        dtype=parsed.dtype,
        record_spikes=parsed.record,
        jobs=parsed.jobs,
        progress=True,
        **run,
    )
    recording.save(folder)
    summary = summarize(recording, test.labels)
    summary["timing"] = {"convert_s": converted.convert_s, **summary["timing"]}
    about = {
        "model": parsed.model,
        "data": parsed.data,
        "coding": parsed.coding,
        "coding_parameters": _shown_parameters(converted.spiking, parsed, converted.skip),
    }
    write_json(folder / "result.json", about | summary)
    print(table({parsed.mode: summary}))
    if parsed.early_decision is not None:
        print(f"undecided at the last step  {int((~recording.decided).sum())}")
    if not recording.returns_images:
        _print_without_decision(recording, converted.spiking)
    print(f"result.json and recording.npz are in {folder}")


def _verify(parsed: argparse.Namespace) -> int:
    """Print how a network's Brian2 simulation compares with the reference; return DIFFERENT if it does not agree."""
    from brianconv.analysis.metrics import versions
    from brianconv.verification.comparison import verify

    folder = writable_folder(parsed.out)
    test = datasets.load(parsed.data, "test", parsed.data_root).head(parsed.images)
    converted = _converted(parsed)
    test = converted.trained.prepared(test)
    outcome = verify(
        converted.spiking,
        test.images,
        converted.n_steps,
        mode=parsed.mode,
        synapses=parsed.synapses,
        dtype=parsed.dtype,
        evaluation_delay=parsed.delay,
        skip=converted.skip,
        early_decision=parsed.early_decision,
    )
    about = {
        "model": parsed.model,
        "data": parsed.data,
        "coding": parsed.coding,
        "coding_parameters": _shown_parameters(converted.spiking, parsed, converted.skip),
        "mode": parsed.mode,
        "n_images": len(test),
        "n_steps": converted.n_steps,
    }
    write_json(folder / "result.json", about | outcome.as_dict() | {"versions": versions()})
    print(f"{len(test)} images, {converted.n_steps} steps, {parsed.mode} mode, {parsed.synapses} synapses")
    print(outcome)
    return 0 if outcome.passed else DIFFERENT


def _print_without_decision(recording: Recording, spiking: SpikingNetwork) -> None:
    """Say in how many images no class was ahead, if there are any."""
    if count := recording.without_decision.sum():
        print(
            f"all scores equal  in {count} of {recording.n_images} images after {recording.n_steps} steps, so that the "
            f"first class stands for a decision: take more steps (--steps; default {spiking.default_steps})"
        )


def _tune(parsed: argparse.Namespace) -> None:
    out, settings = check_out(parsed.out), read_settings(parsed.settings)
    if parsed.method == "auto":
        run_auto(parsed, settings, out)
        return
    if parsed.method == "stdb":
        run_stdb(parsed, settings, out)
        return
    converted = _converted(parsed)
    images = converted.trained.prepared(load_training_images(parsed, parsed.images)).images
    run_method(parsed, converted.spiking, images, settings, out)


def _export(parsed: argparse.Namespace) -> None:
    from brianconv.simulation.export import export_program
    from brianconv.simulation.run import checked_run

    converted = _converted(parsed)
    settings = checked_run(converted.spiking, converted.n_steps, parsed.delay, converted.skip, parsed.early_decision)
    folder = export_program(converted.spiking, parsed.out, settings, synapses=parsed.synapses, dtype=parsed.dtype)
    print(f"the C++ project is in {folder}; its README.md says how to build and run it")


def _converted(parsed: argparse.Namespace) -> _Converted:
    """Load model and calibration images, and convert."""
    settings = read_settings(parsed.settings)
    start = time.perf_counter()
    trained = load_trained(parsed, settings)
    calibration = trained.prepared(load_training_images(parsed, take_calibration(settings)))
    skip = take_whole(settings, "skip", 0, 0)
    add_seed(parsed, settings)
    spiking = convert_with_settings(trained.model, calibration.images, parsed.coding, settings)
    return _Converted(spiking, trained, parsed.steps or spiking.default_steps, skip, time.perf_counter() - start)


def _shown_parameters(spiking: SpikingNetwork, parsed: argparse.Namespace, skip: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, by_population in spiking.parameters.items():
        values = set(by_population.values())
        parameters[name] = values.pop() if len(values) == 1 else dict(by_population)
    delays = set(spiking.synaptic_delay.values())
    return parameters | {
        "normalization": spiking.normalized.method,
        "synaptic_delay": delays.pop() if len(delays) == 1 else dict(spiking.synaptic_delay),
        "evaluation_delay": parsed.delay,
        "skip": skip,
        "early_decision": parsed.early_decision,
        "synapses": parsed.synapses,
        "dtype": parsed.dtype,
    }
