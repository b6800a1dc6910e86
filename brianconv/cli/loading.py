"""What commands load: model, weights and images from their arguments, converted."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianconv import datasets
from brianconv.cli.settings import read_settings, take_calibration, take_numbers, take_whole
from brianconv.errors import NoTrainingImagesError

if TYPE_CHECKING:
    from torch import nn

    from brianconv.spiking import SpikingNetwork


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
    mean, std = take_numbers(settings, "mean", mean), take_numbers(settings, "std", std)
    return Trained(model, weights, mean, std, read_recipe(weights))


def load_training_images(parsed: argparse.Namespace, n_images: int | None) -> datasets.Dataset:
    """Load the first training images; a file without any provides its images instead."""
    try:
        return datasets.load(parsed.data, "train", parsed.data_root).head(n_images)
    except NoTrainingImagesError:
        count = "" if n_images is None else f"first {n_images} "
        print(f"{parsed.data} has no train_images: its {count}images are used instead", flush=True)
        return datasets.load(parsed.data, "test").head(n_images)


def add_seed(parsed: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Pass the seed on to the coding scheme, if it or its input encoding draws random numbers."""
    from brianconv.coding import find_coding

    scheme = find_coding(parsed.coding)
    if "encoding" in settings:
        scheme = scheme.with_encoding(settings["encoding"])
    if "seed" in scheme.all_parameters:
        settings.setdefault("seed", parsed.seed)


def run_command(parsed: argparse.Namespace, *options: str, weights: Path | None = None) -> str:
    """Return the `brianconv run` command with the model, data and code of another command."""
    words = ["brianconv", "run", parsed.model]
    for name, value in (("weights", weights or parsed.weights), ("data", parsed.data), ("data-root", parsed.data_root)):
        words += [f"--{name}", str(value)] if value else []
    words += ["--seed", str(parsed.seed)] if parsed.seed else []
    return shlex.join([*words, "--coding", parsed.coding, *options])


@dataclass(frozen=True)
class Converted:
    spiking: SpikingNetwork
    trained: Trained
    n_steps: int
    skip: int
    convert_s: float


def load_converted(parsed: argparse.Namespace) -> Converted:
    """Load model and calibration images, and convert."""
    from brianconv.conversion.settings import convert_with_settings

    settings = read_settings(parsed.settings)
    start = time.perf_counter()
    trained = load_trained(parsed, settings)
    calibration = trained.prepared(load_training_images(parsed, take_calibration(settings)))
    skip = take_whole(settings, "skip", 0, 0)
    add_seed(parsed, settings)
    spiking = convert_with_settings(trained.model, calibration.images, parsed.coding, settings)
    return Converted(spiking, trained, parsed.steps or spiking.default_steps, skip, time.perf_counter() - start)


def load_converted_and_test(parsed: argparse.Namespace) -> tuple[Converted, datasets.Dataset]:
    """Load the test images, which are refused before anything slow, and the converted network."""
    test = datasets.load(parsed.data, "test", parsed.data_root).head(parsed.images)
    converted = load_converted(parsed)
    return converted, converted.trained.prepared(test)


def about_run(parsed: argparse.Namespace, converted: Converted) -> dict[str, Any]:
    """Return what was run, as written to result.json."""
    return {
        "model": parsed.model,
        "data": parsed.data,
        "coding": parsed.coding,
        "coding_parameters": _shown_parameters(converted.spiking, parsed, converted.skip),
    }


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
