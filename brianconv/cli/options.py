"""What the commands share: settings from ``--set``, and model and data from their arguments."""

from __future__ import annotations

import argparse
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianconv import datasets
from brianconv.coding import find_coding
from brianconv.errors import DataError, NoTrainingImagesError, ParameterError
from brianconv.readers import parse_json, read_json
from brianconv.values import MOST_STEPS, shown

if TYPE_CHECKING:
    from torch import nn

N_CALIBRATION = 1000
LARGEST_WHOLE = LARGEST_SEED = 2**31 - 1
MOST_JOBS = 1024
LONGEST_TEXT = 200  # of a setting
LARGEST_SETTINGS = 2**24  # bytes of a file
ELSEWHERE = {
    "coding": "it is chosen with --coding",
    "model": "it is the first argument",
    "calibration_images": "calibration=N takes N training images",
    "input_shape": "the shape of an image is that of the data",
}
OPTIONAL = ("encoding", "readout", "normalization", "weight_bits", "threshold_factor", "tau_m")  # null is their default


@dataclass(frozen=True)
class Trained:
    """A model with its weights, and how it was trained.

    Attributes
    ----------
    model : torch.nn.Module
    weights : Path or None
    mean, std : list of float
        By channel, with which images are standardised; empty for images in [0, 1].
    recipe : mapping
        Stored beside the weights; empty if there is none.
    """

    model: nn.Module
    weights: Path | None
    mean: list[float]
    std: list[float]
    recipe: Mapping[str, Any]

    def prepared(self, dataset: datasets.Dataset) -> datasets.Dataset:
        """Return a data set with images as the model takes them."""
        return dataset.standardized(self.mean, self.std)


def load_trained(parsed: argparse.Namespace, settings: dict[str, Any]) -> Trained:
    """Load the model that is named on the command line; takes mean and std out of the settings."""
    from brianconv.conversion.weights import image_statistics, load_model, read_recipe

    model, weights = load_model(parsed.model, parsed.weights, parsed.seed)
    print(f"weights: {weights or 'as the model was made, none were loaded'}", flush=True)
    mean, std = image_statistics(weights)
    mean, std = _take_numbers(settings, "mean", mean), _take_numbers(settings, "std", std)
    return Trained(model, weights, mean, std, read_recipe(weights))


def load_training_images(parsed: argparse.Namespace, n_images: int | None) -> datasets.Dataset:
    """Load the first training images; those of a file without any are the images that it has."""
    try:
        return datasets.load(parsed.data, "train", parsed.data_root).head(n_images)
    except NoTrainingImagesError:
        count = "" if n_images is None else f"first {n_images} "
        print(f"{parsed.data} has no train_images: its {count}images serve in their place", flush=True)
        return datasets.load(parsed.data, "test").head(n_images)


def take_calibration(settings: dict[str, Any], default: int = N_CALIBRATION) -> int:
    """Take the number of calibration images out of the settings."""
    return take_whole(settings, "calibration", default, 1)


def run_command(parsed: argparse.Namespace, *options: str, weights: Path | None = None) -> str:
    """Return the `brianconv run` that takes model, data and code of another command."""
    words = ["brianconv", "run", parsed.model]
    for name, value in (("weights", weights or parsed.weights), ("data", parsed.data), ("data-root", parsed.data_root)):
        words += [f"--{name}", str(value)] if value else []
    words += ["--seed", str(parsed.seed)] if parsed.seed else []
    return shlex.join([*words, "--coding", parsed.coding, *options])


def read_settings(given: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE and @FILE arguments; a value is a number, numbers with commas, JSON, or text.

    Raises
    ------
    ParameterError
        If an argument is neither, or a file cannot be read.
    """
    settings: dict[str, Any] = {}
    for argument in given:
        if argument.startswith("@"):
            settings |= _settings_file(Path(argument[1:]))
            continue
        key, equals, value = argument.partition("=")
        if not equals or not key:
            raise ParameterError(f"--set {argument!r} is not KEY=VALUE or @FILE")
        settings[key] = _value(value)
    for key, value in settings.items():
        if key in ELSEWHERE:
            raise ParameterError(f"--set {key}: {ELSEWHERE[key]}")
        _check_setting(key, value)
    return settings


def _check_setting(key: str, value: Any) -> None:
    """Raise ParameterError unless a value is of a kind that the setting can have; its range is checked elsewhere."""
    parts = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    for part in parts:
        if type(part) not in (int, float, str) and not (part is None and part is value and key in OPTIONAL):
            raise ParameterError(f"--set {key}: {shown(part)} is not a number, a name, or one for each population")
        if isinstance(part, str) and len(part) > LONGEST_TEXT:
            raise ParameterError(f"--set {key}: {shown(part)} is too long")
        if isinstance(part, float) and not math.isfinite(part):
            raise ParameterError(f"--set {key}: {part} is not a finite number")


def add_seed(parsed: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Pass the seed on to the code, if it or its input encoding draws random numbers."""
    scheme = find_coding(parsed.coding)
    if "encoding" in settings:
        scheme = scheme.with_encoding(settings["encoding"])
    if "seed" in scheme.all_parameters:
        settings.setdefault("seed", parsed.seed)


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
        raise argparse.ArgumentTypeError(f"{number} is not a seed: it lies in [0, {LARGEST_SEED}]")
    return number


def text(given: str) -> str:
    """Read a name or a setting, which is stored and printed at the end of a run, so that it has to be text."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{given!a} is not text in UTF-8: choose another name") from error
    if "\0" in given:
        raise argparse.ArgumentTypeError(f"{given!a} has a zero byte")
    return given


def take_whole(settings: dict[str, Any], key: str, default: int, lowest: int) -> int:
    """Take a whole number out of the settings."""
    value = settings.pop(key, default)
    if type(value) is not int or not lowest <= value <= LARGEST_WHOLE:
        found = value if isinstance(value, str) else shown(value)
        raise ParameterError(f"--set {key}={found}: it is a whole number, {lowest} or more, up to {LARGEST_WHOLE}")
    return value


def _take_numbers(settings: dict[str, Any], key: str, default: list[float]) -> list[float]:
    """Take a number a channel out of the settings."""
    value = settings.pop(key, default)
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) in (int, float) for number in numbers):
        raise ParameterError(f"--set {key}={shown(value)}: it is one number a channel, such as 0.49,0.48,0.45")
    return [float(number) for number in numbers]


def _settings_file(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise ParameterError(f"--set @{path}: the file does not exist")
    try:
        content = read_json(path, LARGEST_SETTINGS)
    except DataError as error:
        raise ParameterError(f"--set @{path}: {error}") from error
    if not isinstance(content, dict):
        raise ParameterError(f"--set @{path}: holds {type(content).__name__}, not an object of keys and values")
    return content


def _value(text: str) -> Any:
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            return parse_json(candidate)
        except ValueError:
            continue
    try:
        return float(text)  # .5, which JSON does not know
    except ValueError:
        return text
