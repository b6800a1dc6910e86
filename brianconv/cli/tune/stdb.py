"""`brianconv tune stdb`: train the spiking network itself (Datta et al. 2021).

FILE holds the settings that ``brianconv run --set @FILE`` reads, the weights are beside it, and the course of the
training is in FILE.curves.json.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianconv import datasets
from brianconv.cli.loading import Trained, add_seed, load_trained, run_command
from brianconv.cli.options import add_fields, add_model, from_fields, positive, steps
from brianconv.cli.settings import take_calibration
from brianconv.cli.tune.common import add_out, checked
from brianconv.errors import ParameterError
from brianconv.files import write_json
from brianconv.values import shown

if TYPE_CHECKING:
    from brianconv.spiking import SpikingNetwork

NAME = "stdb"
HELP = "train the spiking network itself, for hybrid coding (Datta et al. 2021)"
FLAGS = {
    "epochs": "--epochs",
    "batch_size": "--batch",
    "learning_rate": "--learning-rate",
    "decay_every": "--decay-every",
    "bf16": "--bf16",
    "average": "--average",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the method's arguments."""
    from brianconv.tuning.stdb.settings import Schedule

    add_model(parser)
    parser.add_argument("--coding", choices=("hybrid", "direct"), default="hybrid")
    parser.add_argument("--steps", type=steps, metavar="N", help="steps per image (default: the coding scheme's)")
    parser.add_argument("--images", type=positive, metavar="N", help="training images (default: all)")
    parser.add_argument("--test", type=positive, default=1000, metavar="N", help="test images to evaluate")
    add_fields(parser, Schedule, FLAGS)
    parser.add_argument("--shift", type=int, metavar="N", help="shift images by up to N pixels (default: the recipe's)")
    parser.add_argument("--flip", action="store_true", default=None, help="mirror images (default: the recipe's)")
    parser.add_argument("--no-dropout", action="store_true", help="leave out the dropout of the model")
    parser.add_argument("--keep-decay", "--keep-leak", action="store_true", help="do not train the decays")
    add_out(parser)


def run(parsed: argparse.Namespace) -> None:
    """Convert, train and write FILE, its weights and FILE.curves.json."""
    import torch

    from brianconv.tuning.stdb.augmentation import augment
    from brianconv.tuning.stdb.network import TrainableNetwork, save_trained
    from brianconv.tuning.stdb.settings import Schedule
    from brianconv.tuning.stdb.training import train_stdb

    out, settings = checked(parsed)
    _check_overwriting(parsed.weights, out)
    schedule = from_fields(Schedule, parsed, FLAGS, seed=parsed.seed)
    prepared = _prepared(parsed, settings)
    training, test = prepared.training.head(parsed.images), prepared.test.head(parsed.test)
    network = TrainableNetwork(
        prepared.trained.model,
        prepared.spiking,
        parsed.steps,
        train_decay=not parsed.keep_decay,
        dropout=not parsed.no_dropout,
    ).to("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{len(training)} images x {schedule.epochs} epochs, {network.n_steps} steps per image", flush=True)
    state = out.with_name(f".{out.name}.state")
    history = train_stdb(
        network, training.images, training.labels, schedule,
        augment=lambda images: augment(images, prepared.shift, prepared.flip),
        augmentation=f"shift {prepared.shift}, flip {prepared.flip}",
        test=(test.images, test.labels), state=state, progress=True,
    )  # fmt: skip
    weights = save_trained(network, out, prepared.trained.mean, prepared.trained.std)
    about = {"method": "stdb", "model": parsed.model, "data": parsed.data, "coding": parsed.coding}
    curves = out.with_suffix(".curves.json")
    write_json(curves, {**about, "schedule": dataclasses.asdict(schedule), **dataclasses.asdict(history)})
    state.unlink(missing_ok=True)
    print(_table(network.settings()))
    print(f"{sum(history.seconds):.0f} s; curves are in {curves}, settings in {out}, weights in {weights}:")
    print(run_command(parsed, "--steps", str(network.n_steps), "--set", f"@{out}", weights=weights))


def _check_overwriting(weights: str | None, out: Path) -> None:
    """Raise ParameterError if the trained weights would replace those that are loaded."""
    if weights and out.with_suffix("").resolve() == Path(weights).with_suffix("").resolve():
        raise ParameterError(f"--out {str(out)!r} would replace --weights {weights!r}: choose another name")


@dataclass(frozen=True)
class _Prepared:
    trained: Trained
    spiking: SpikingNetwork
    training: datasets.Dataset
    test: datasets.Dataset
    shift: int
    flip: bool


def _prepared(parsed: argparse.Namespace, settings: Mapping[str, Any]) -> _Prepared:
    """Load model and data as the model was trained with them, and convert."""
    from brianconv.conversion.settings import convert_with_settings

    options = dict(settings)
    n_calibration = take_calibration(options)
    trained = load_trained(parsed, options)
    training = trained.prepared(datasets.load(parsed.data, "train", parsed.data_root))
    test = trained.prepared(datasets.load(parsed.data, "test", parsed.data_root))
    shift = trained.recipe.get("shift", 0) if parsed.shift is None else parsed.shift
    flip = trained.recipe.get("flip", False) if parsed.flip is None else parsed.flip
    longest = min(training.images.shape[-2:])
    if type(shift) is not int or not 0 <= shift <= longest:
        raise ParameterError(f"--shift {shown(shift)}: it must be a number of pixels from 0 to {longest}")
    if not isinstance(flip, bool):
        raise ParameterError(f"flip of the recipe beside the weights is {shown(flip)}; it must be true or false")
    if (shift or flip) and training.images.ndim != 4:
        raise ParameterError("--shift and --flip need images of shape (channels, rows, columns)")
    if parsed.steps is not None and parsed.coding == "hybrid" and options.get("encoding") not in ("analog", "poisson"):
        options.setdefault("window", parsed.steps)
    add_seed(parsed, options)
    spiking = convert_with_settings(trained.model, training.images[:n_calibration], parsed.coding, options)
    return _Prepared(trained, spiking, training, test, int(shift), bool(flip))


def _table(settings: Mapping[str, Any]) -> str:
    """Return threshold and decay of each layer, one per line."""
    thresholds, decays = settings["v_threshold"], settings["decay"]
    names = list(dict.fromkeys([*decays, *thresholds]))
    width = max(len(name) for name in names)
    lines = [f"{'':<{width}}{'v_threshold':>13}{'decay':>10}"]
    for name in names:
        columns = [f"{by[name]:.4g}" if name in by else "-" for by in (thresholds, decays)]
        lines.append(f"{name:<{width}}{columns[0]:>13}{columns[1]:>10}")
    return "\n".join(lines)
