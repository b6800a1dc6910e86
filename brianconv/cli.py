"""The command line: `brianconv COMMAND`, or `python -m brianconv COMMAND`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

from brianconv import datasets
from brianconv.coding import SCHEMES, describe_code, find_scheme
from brianconv.errors import BrianconvError, DataError, ParameterError
from brianconv.files import writable_folder, write_json
from brianconv.spiking import SpikingNetwork, convert
from brianconv.tuning.command import add_methods, check_out, run_auto, run_method
from brianconv.tuning.stdb_command import run_stdb

INTERRUPTED = 130
N_CALIBRATION = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 after a message about bad input, or 130 if interrupted."""
    parsed = _parser().parse_args(arguments)
    matplotlib.use("Agg")
    try:
        parsed.run(parsed)
    except BrianconvError as error:
        print(f"brianconv: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("brianconv: interrupted; no result was written", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianconv", description="Trained torch networks as Brian2 simulations.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train, convert and run a small network on real digits")
    demo.add_argument("--out", default="demo_output", help="folder for pictures and result.json")
    demo.set_defaults(run=_demo)
    _add_run(commands.add_parser("run", help="convert a trained network and run it on a data set"))
    tune = commands.add_parser("tune", help="fit a code's parameters to a network, for run --set @FILE")
    add_methods(tune, _add_model, _positive, _tune)
    _add_export(commands.add_parser("export", help="write a self-contained C++ project"))
    codes = commands.add_parser("codes", help="list the neural codes, or print the equations of one")
    codes.add_argument("name", nargs="?", choices=sorted(SCHEMES), metavar="NAME", help=", ".join(sorted(SCHEMES)))
    codes.set_defaults(run=_codes)
    _add_bench(commands.add_parser("bench", help="measure the speed beside that of other simulators"))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument("--images", type=_positive, metavar="N", help="test images to run (default: all)")
    parser.add_argument("--mode", choices=("runtime", "standalone"), default="standalone")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes that share the images")
    parser.add_argument("--record", nargs="+", default=[], metavar="LAYER", help="layers whose spikes are recorded")
    parser.add_argument("--out", default="run_output", metavar="DIR", help="folder for result.json and recording.npz")
    parser.set_defaults(run=_run)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_network(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="new or empty folder of the project")
    parser.set_defaults(run=_export)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer images and repeats, no growth curves")
    parser.add_argument("--out", default="bench_output", metavar="DIR", help="folder for result.json and speed.png")
    parser.add_argument("--model", help="a trained network instead of one trained for some seconds on digits")
    parser.add_argument("--weights", metavar="FILE", help="of the model")
    parser.add_argument("--data", default="mnist", metavar="NAME|FILE.npz", help="data set of the model")
    parser.add_argument("--data-root", metavar="DIR", help="folder of the data sets")
    parser.set_defaults(run=_bench)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="path/to/file.py[:factory] or package.module:factory")
    parser.add_argument(
        "--data", required=True, metavar="NAME|FILE.npz", help=f"{', '.join(datasets.NAMES)}, or a file"
    )
    parser.add_argument(
        "--data-root", metavar="DIR", help="folder of the data sets (default: $BRIANCONV_DATA, or data)"
    )
    parser.add_argument("--weights", metavar="FILE", help=".safetensors or state dict; default: beside the model")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of models that are made at random, and of Poisson input"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
        help="parameters of the code and of the conversion, such as v_init=0.4, v_init=0.5,0.4,0.3, normalization=max, "
        "percentile=99.9, per=channel, encoding=phase, readout=first_spike, synaptic_delay=1, tau_m=20, refractory=2, "
        "noise=0.1, weight_bits=8, skip=5, calibration=1000, mean=0.49,0.48,0.45; @FILE reads them from JSON",
    )  # fmt: skip


def _add_network(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("--coding", choices=sorted(SCHEMES), default="rate")
    parser.add_argument("--steps", type=_positive, metavar="N", help="steps an image (default: the code's)")
    parser.add_argument("--delay", type=int, default=0, metavar="N", help="delayed evaluation: steps that do not count")
    parser.add_argument("--early-decision", type=float, metavar="THETA", help="stop an image once it is decided")
    parser.add_argument(
        "--synapses", choices=("structured", "explicit"), default="structured",
        help="kernels shared by place, or every synapse stored",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def _demo(parsed: argparse.Namespace) -> None:
    from brianconv.demo import run_demo

    run_demo(parsed.out)


def _codes(parsed: argparse.Namespace) -> None:
    if parsed.name:
        from brianconv.simulation.latex import latex_condition, latex_equations

        scheme = SCHEMES[parsed.name]
        print(describe_code(scheme))
        for title, model in (("input neurons", scheme.encoding.neuron), ("hidden neurons", scheme.neuron)):
            lines = [*latex_equations(model), rf"\text{{fires if }} {latex_condition(model.threshold)}"]
            print("\n".join([f"\nLaTeX, {title}", *(f"    {line}" for line in lines)]))
        return
    for name in sorted(SCHEMES):
        scheme = SCHEMES[name]
        print(f"{name:<10}{scheme.source}\n          {', '.join(scheme.all_parameters)}")


def _bench(parsed: argparse.Namespace) -> None:
    from brianconv.bench.report import run_bench

    run_bench(parsed.out, parsed.quick, parsed.model, parsed.weights, parsed.data, parsed.data_root)


@dataclass(frozen=True)
class _Converted:
    spiking: SpikingNetwork
    n_steps: int
    skip: int
    convert_s: float
    mean: list[float]
    std: list[float]


def _run(parsed: argparse.Namespace) -> None:
    from brianconv.analysis.metrics import summarize, table
    from brianconv.simulation.run import checked_settings, simulate

    folder = writable_folder(parsed.out)
    test = datasets.load(parsed.data, "test", parsed.data_root).head(parsed.images)
    converted = _converted(parsed)
    test = test.standardized(converted.mean, converted.std)
    for note in test.notes:
        print(f"{parsed.data}: {note}", flush=True)
    run = {"delay": parsed.delay, "skip": converted.skip, "theta": parsed.early_decision}
    checked_settings(converted.spiking, test.images, converted.n_steps, **run)
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
    summary = summarize(recording, test.labels)
    summary["timing"] = {"convert_s": converted.convert_s, **summary["timing"]}
    about = {
        "model": parsed.model,
        "data": parsed.data,
        "coding": parsed.coding,
        "coding_parameters": _shown_parameters(converted.spiking, parsed, converted.skip),
    }
    recording.save(folder)
    write_json(folder / "result.json", about | summary)
    print(table({parsed.mode: summary}))
    if parsed.early_decision is not None:
        print(f"undecided at the last step  {int((~recording.decided).sum())}")
    print(f"result.json and recording.npz are in {folder}")


def _tune(parsed: argparse.Namespace) -> None:
    out, settings = check_out(parsed.out), _settings(parsed.settings)
    if parsed.method == "auto":
        run_auto(parsed, settings, out)
        return
    if parsed.method == "stdb":
        run_stdb(parsed, settings, out)
        return
    converted = _converted(parsed)
    images = _calibration_images(parsed, parsed.images).standardized(converted.mean, converted.std).images
    run_method(parsed, converted.spiking, images, settings, out)


def _export(parsed: argparse.Namespace) -> None:
    from brianconv.simulation.export import export_program
    from brianconv.simulation.network import Settings

    converted = _converted(parsed)
    settings = Settings(converted.n_steps, parsed.delay, converted.skip, parsed.early_decision)
    folder = export_program(converted.spiking, parsed.out, settings, synapses=parsed.synapses, dtype=parsed.dtype)
    print(f"the C++ project is in {folder}; its README.md says how to build and run it")


def _converted(parsed: argparse.Namespace) -> _Converted:
    """Load model and calibration images, and convert."""
    from brianconv.conversion.weights import image_statistics, load_model

    settings = _settings(parsed.settings)
    start = time.perf_counter()
    model, weights = load_model(parsed.model, parsed.weights, parsed.seed)
    print(f"weights: {weights or 'as the model was made'}", flush=True)
    mean, std = image_statistics(weights)
    mean, std = _numbers(settings, "mean", mean), _numbers(settings, "std", std)
    calibration = _calibration_images(parsed, _whole(settings, "calibration", N_CALIBRATION, 1))
    images = calibration.standardized(mean, std).images
    skip = _whole(settings, "skip", 0, 0)
    if "input_shape" in settings:
        raise ParameterError("--set input_shape: the shape of an image is that of the data")
    if "seed" in find_scheme(parsed.coding).all_parameters:
        settings.setdefault("seed", parsed.seed)
    spiking = convert(model, images, coding=parsed.coding, **settings)
    n_steps = parsed.steps or spiking.default_steps
    return _Converted(spiking, n_steps, skip, time.perf_counter() - start, mean, std)


def _numbers(settings: dict[str, Any], key: str, default: list[float]) -> list[float]:
    """Take a number a channel out of the settings."""
    value = settings.pop(key, default)
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, (int, float)) for number in numbers):
        raise ParameterError(f"--set {key}={value}: it is one number a channel, such as 0.49,0.48,0.45")
    return [float(number) for number in numbers]


def _calibration_images(parsed: argparse.Namespace, n_images: int) -> datasets.Dataset:
    try:
        return datasets.load(parsed.data, "train", parsed.data_root).head(n_images)
    except DataError:
        if not parsed.data.endswith(".npz"):
            raise
        print(f"{parsed.data} has no train_images: its first {n_images} images serve in their place", flush=True)
        return datasets.load(parsed.data, "test").head(n_images)


def _settings(given: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE and @FILE arguments; a value is a number, numbers with commas, JSON, or text."""
    settings: dict[str, Any] = {}
    for argument in given:
        if argument.startswith("@"):
            settings |= _settings_file(Path(argument[1:]))
            continue
        key, equals, value = argument.partition("=")
        if not equals or not key:
            raise ParameterError(f"--set {argument!r} is not KEY=VALUE or @FILE")
        settings[key] = _value(value)
    return settings


def _whole(settings: dict[str, Any], key: str, default: int, lowest: int) -> int:
    """Take a whole number out of the settings."""
    value = settings.pop(key, default)
    if not isinstance(value, int) or value < lowest:
        raise ParameterError(f"--set {key}={value}: it is a whole number, {lowest} or more")
    return value


def _settings_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ParameterError(f"--set @{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise ParameterError(f"--set @{path}: holds {type(content).__name__}, not an object of keys and values")
    return content


def _value(text: str) -> Any:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    try:
        return float(text)  # .5, which JSON does not know
    except ValueError:
        return text


def _shown_parameters(spiking: SpikingNetwork, parsed: argparse.Namespace, skip: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, by_population in spiking.parameters.items():
        values = set(by_population.values())
        parameters[name] = values.pop() if len(values) == 1 else dict(by_population)
    delays = set(spiking.synaptic_delay.values())
    return parameters | {
        "normalization": spiking.normalized.method,
        "synaptic_delay": delays.pop() if len(delays) == 1 else dict(spiking.synaptic_delay),
        "delay": parsed.delay,
        "skip": skip,
        "early_decision": parsed.early_decision,
        "synapses": parsed.synapses,
        "dtype": parsed.dtype,
    }
