"""Options that commands share, and the kinds of values that they take."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from typing import Any

from brianconv import datasets
from brianconv.values import MOST_STEPS, shown

LARGEST_WHOLE = LARGEST_SEED = 2**31 - 1
MOST_JOBS = 1024
MODES = ("runtime", "standalone")
CODING_NAMES = ("analog", "burst", "direct", "hybrid", "phase", "poisson", "rate", "reverse", "ttfs")  # of this package


# options of the conversion, each a setting of its own: flag, setting, metavar, help
CONVERSION = (
    ("--normalization", "normalization", "NAME", "percentile, max or none (default: the coding scheme's)"),
    ("--percentile", "percentile", "P", "percentile of a layer's activations that becomes 1 (default: 99.9)"),
    ("--calibration", "calibration", "N", "training images from which weights are normalised (default: 1000)"),
    ("--weight-bits", "weight_bits", "N", "bits of a weight (default: as trained)"),
    ("--encoding", "encoding", "NAME", "input encoding, where the coding scheme has several"),
    ("--readout", "readout", "NAME", "readout, where the coding scheme has several"),
    ("--tau-m", "tau_m", "STEPS", "time constant of a leak (default: no leak)"),
    ("--refractory", "refractory", "STEPS", "refractory period (default: 0)"),
    ("--noise", "noise", "X", "standard deviation of the charge in a step (default: 0)"),
    ("--synaptic-delay", "synaptic_delay", "STEPS", "delay of every connection (default: 0)"),
)


class _Setting(argparse.Action):
    """Takes an option as if it were given to --set."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: Any = None) -> None:
        value = values if self.nargs != 0 else self.const
        namespace.settings = [*namespace.settings, f"{self.dest}={value}"]


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name model, data, weights, seed, conversion and settings."""
    parser.add_argument("model", type=text, metavar="MODEL", help="path/to/file.py[:factory] or package.module:factory")
    parser.add_argument(
        "--data",
        type=text,
        required=True,
        metavar="NAME|FILE.npz|FOLDER",
        help=f"{', '.join(datasets.NAMES)}, or a file, or a folder with PNG files by class",
    )
    parser.add_argument(
        "--data-root", type=text, metavar="DIR", help="folder of the data sets (default: $BRIANCONV_DATA, or data)"
    )
    parser.add_argument(
        "--weights", type=text, metavar="FILE", help=".safetensors or state dict; default: beside the model"
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of randomly initialised models and of Poisson input"
    )
    parser.add_argument(
        "--set", type=text, nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="settings",
        help="parameters of the coding scheme, such as v_init=0.4 or, layer by layer, v_init=0.5,0.4,0.3 "
        "(`brianconv codes NAME` lists them), skip=5, mean=0.49,0.48,0.45, and the options of the conversion by their "
        "names; @FILE reads them from JSON",
    )  # fmt: skip
    group = parser.add_argument_group("conversion")
    for flag, setting, metavar, described in CONVERSION:
        group.add_argument(
            flag, type=text, action=_Setting, dest=setting, metavar=metavar, help=described, default=argparse.SUPPRESS
        )
    group.add_argument(
        "--per-channel", action=_Setting, dest="per", nargs=0, const="channel", default=argparse.SUPPRESS,
        help="normalise each channel by itself instead of each layer",
    )  # fmt: skip


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a network, its coding scheme, and how it is run."""
    add_model(parser)
    parser.add_argument("--coding", type=text, default="rate", metavar="NAME", help=", ".join(CODING_NAMES))
    parser.add_argument("--steps", type=steps, metavar="N", help="steps per image (default: the coding scheme's)")
    parser.add_argument(
        "--delay",
        "--evaluation-delay",
        type=delay,
        default=0,
        metavar="N",
        help="delayed evaluation: steps that do not count",
    )
    parser.add_argument("--early-decision", type=float, metavar="THETA", help="stop an image once it is decided")
    parser.add_argument(
        "--synapses", choices=("structured", "explicit"), default="structured",
        help="kernels shared across positions, or every synapse stored",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Add the choice between Brian2's run-time mode and generated C++."""
    parser.add_argument("--mode", choices=MODES, default="standalone")


def add_fields(parser: argparse.ArgumentParser, kind: type, flags: dict[str, str]) -> None:
    """Add flags that fill fields of a dataclass: their defaults and help texts are those of the dataclass.

    Parameters
    ----------
    parser : ArgumentParser
    kind : dataclass
        With numpydoc ``Attributes``, whose first sentence is the help text.
    flags : dict
        Name of the flag for each field, such as ``{"n_epochs": "--epochs"}``.
    """
    for field in fields(kind):
        if field.name not in flags:
            continue
        about: dict[str, Any] = {"dest": field.name, "default": field.default}
        described = f"{_described(kind, field.name)} (default: {field.default})"
        if isinstance(field.default, bool):
            parser.add_argument(flags[field.name], action="store_true", help=described, **about)
            continue
        number = positive if isinstance(field.default, int) else float
        parser.add_argument(flags[field.name], type=number, metavar="N", help=described, **about)


def from_fields(kind: Any, parsed: argparse.Namespace, flags: dict[str, str], **others: Any) -> Any:
    """Return a dataclass with the fields that `add_fields` has added flags for, and others."""
    return kind(**{name: getattr(parsed, name) for name in flags}, **others)


def _described(kind: type, name: str) -> str:
    """Return the first sentence of a field's entry in a docstring."""
    entry = re.search(
        rf"^    (?:[\w, ]*, )?{name}(?:, [\w, ]*)? : [^\n]*\n((?:        [^\n]*\n)+)", kind.__doc__ or "", re.MULTILINE
    )
    return " ".join(entry[1].split()).split(". ")[0].rstrip(".") if entry else name.replace("_", " ")


def positive(text: str, highest: int = LARGEST_WHOLE) -> int:
    """Read a whole number above 0."""
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    if number > highest:
        raise argparse.ArgumentTypeError(f"{number} is not a whole number from 1 to {highest}")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number") from error


def steps(text: str) -> int:
    """Read a number of steps of an image."""
    return positive(text, MOST_STEPS)


def jobs(text: str) -> int:
    """Read a number of processes."""
    return positive(text, MOST_JOBS)


def delay(text: str) -> int:
    """Read a number of steps that do not count."""
    return 0 if _whole(text) == 0 else positive(text, MOST_STEPS)


def seed(text: str) -> int:
    """Read a seed."""
    number = _whole(text)
    if not 0 <= number <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{number} is not a seed: it must lie in [0, {LARGEST_SEED}]")
    return number


def text(given: str) -> str:
    """Read a name or a setting, which is stored and printed at the end of a run and so must be text."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{given!a} is not text in UTF-8: choose another name") from error
    if "\0" in given:
        raise argparse.ArgumentTypeError(f"{given!a} has a zero byte")
    return given
