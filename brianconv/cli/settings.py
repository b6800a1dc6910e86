"""Settings from the command line: ``--set KEY=VALUE`` and ``--set @FILE``."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brianconv.cli.options import LARGEST_WHOLE
from brianconv.errors import DataError, ParameterError
from brianconv.readers import parse_json, read_json
from brianconv.values import shown

N_CALIBRATION = 1000
LONGEST_TEXT = 200  # of a setting
LARGEST_SETTINGS = 2**24  # bytes of a file
ELSEWHERE = {
    "coding": "it is chosen with --coding",
    "model": "it is the first argument",
    "membrane": "tau_m, refractory, noise and noise_seed set it",
    "calibration_images": "calibration=N takes N training images",
    "input_shape": "the shape of an image is that of the data",
}
OPTIONAL = ("encoding", "readout", "normalization", "weight_bits", "threshold_factor", "tau_m")  # null is their default


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


def take_calibration(settings: dict[str, Any], default: int = N_CALIBRATION) -> int:
    """Take the number of calibration images out of the settings."""
    return take_whole(settings, "calibration", default, 1)


def take_whole(settings: dict[str, Any], key: str, default: int, lowest: int) -> int:
    """Take a whole number out of the settings."""
    value = settings.pop(key, default)
    if type(value) is not int or not lowest <= value <= LARGEST_WHOLE:
        found = value if isinstance(value, str) else shown(value)
        raise ParameterError(f"--set {key}={found}: it is a whole number, {lowest} or more, up to {LARGEST_WHOLE}")
    return value


def take_numbers(settings: dict[str, Any], key: str, default: list[float]) -> list[float]:
    """Take a number per channel out of the settings."""
    value = settings.pop(key, default)
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) in (int, float) for number in numbers):
        raise ParameterError(f"--set {key}={shown(value)}: it must be one number per channel, such as 0.49,0.48,0.45")
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
        return float(text)  # .5, which is not valid JSON
    except ValueError:
        return text
