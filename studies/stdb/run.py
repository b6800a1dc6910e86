"""Train spiking networks of five steps, and compare their accuracy, spikes and energy with the network before.

    python -m studies.stdb.run NETWORK --data-root DIR [--weights FILE] [--jobs 2] [--part PART] [--variant TITLE]

PART is ann, converted, trained or variants; all of them otherwise.
Writes results.json after every part and keeps a checkpoint of every training; the same command resumes where it
stopped. Trained weights and settings are put into trained/.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from brianconv import datasets
from brianconv.analysis.energy import compute_energy, spikes_per_neuron
from brianconv.analysis.result_json import versions
from brianconv.conversion.settings import convert_with_settings
from brianconv.conversion.weights import image_statistics, load_model
from brianconv.files import write_json
from brianconv.readers import read_json
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.stdb.augmentation import augment
from brianconv.tuning.stdb.network import TrainableNetwork, save_trained
from brianconv.tuning.stdb.settings import Schedule
from brianconv.tuning.stdb.training import evaluate, train_stdb
from models.train import find_network
from studies.arguments import study_parser
from studies.stdb import params

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
TRAINED = FOLDER / "trained"
BY_EPOCH = ("loss_by_epoch", "test_accuracy_by_epoch", "epoch_s")


@dataclass(frozen=True)
class Setup:
    """A network with its data, standardised as in its training."""

    name: str
    network: params.Network
    model: nn.Module
    training: datasets.Dataset
    test: datasets.Dataset
    mean: list[float]
    std: list[float]
    jobs: int
    variants: list[str]

    def converted(self, coding: str, **options: Any) -> SpikingNetwork:
        return convert_with_settings(self.model, self.training.images[: params.N_CALIBRATION], coding, options)

    def augmented(self, images: torch.Tensor) -> torch.Tensor:
        recipe = find_network(f"datta2021.{self.name}")[1]
        return augment(images, recipe.shift, recipe.flip)


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("network", choices=params.NETWORKS)
    parser.add_argument("--weights", help="of the network before conversion (default: those of models/weights)")
    parser.add_argument("--part", choices=PARTS, action="append", help="this part only; may be repeated")
    parser.add_argument("--variant", choices=params.VARIANTS, action="append", help="of the variants this one only")
    arguments = parser.parse_args()
    setup = _setup(arguments)
    for part in arguments.part or PARTS:
        if not _is_done(setup, part):
            PARTS[part](setup)


def _setup(arguments: argparse.Namespace) -> Setup:
    network, variants = params.NETWORKS[arguments.network], arguments.variant or list(params.VARIANTS)
    model, weights = load_model(network.model, arguments.weights)
    mean, std = image_statistics(weights)
    training, test = (
        datasets.load(network.data, split, arguments.data_root).standardized(mean, std) for split in ("train", "test")
    )
    return Setup(arguments.network, network, model, training, test, mean, std, arguments.jobs, variants)


def _results(name: str) -> dict[str, Any]:
    return read_json(RESULTS)["networks"].get(name, {}) if RESULTS.exists() else {}


def _is_done(setup: Setup, part: str) -> bool:
    """Whether there are results, of the schedule of params.py where something was trained."""
    stored = _results(setup.name).get(part)
    if part == "trained" and stored:
        return stored["schedules"] == [dataclasses.asdict(schedule) for schedule in _schedules(setup)]
    return bool(stored) and part != "variants"


def _schedules(setup: Setup) -> list[Schedule]:
    return [setup.network.schedule, *setup.network.then]


def _store(name: str, part: str, result: dict[str, Any]) -> None:
    results: dict[str, Any] = {"versions": versions(), "networks": {}}
    if RESULTS.exists():
        results = read_json(RESULTS)
    results["networks"].setdefault(name, {})[part] = result
    write_json(RESULTS, results)
    print(f"{name}, {part}: {result}", flush=True)


@torch.no_grad()
def _ann(setup: Setup) -> None:
    batches = torch.from_numpy(setup.test.images).split(500)
    decisions = torch.cat([setup.model(batch).argmax(dim=1) for batch in batches]).numpy()
    _store(setup.name, "ann", {"accuracy": float((decisions == setup.test.labels).mean()), "images": len(decisions)})


def _converted(setup: Setup) -> None:
    """Without training: direct coding for many steps (Table I, column b), and hybrid coding for T."""
    few = setup.test.head(setup.network.n_converted)
    rows = {
        "direct": _simulated(setup, setup.converted("direct"), few, params.CONVERTED_STEPS),
        "hybrid": _simulated(setup, setup.converted("hybrid", window=params.T), setup.test, params.T),
    }
    _store(setup.name, "converted", rows)


def _trained(setup: Setup) -> None:
    spiking = setup.converted("hybrid", window=params.T)
    network, first = _train(setup, spiking, setup.network.schedule, setup.name)
    courses, stems = [first], [setup.name]
    for number, schedule in enumerate(setup.network.then, start=1):
        before, network = network, TrainableNetwork(setup.model, spiking, dropout=False)
        network.load_state_dict(before.state_dict())
        stems.append(f"{setup.name}_then{number}")
        courses.append(_fit(setup, network, schedule, stems[-1]))
    TRAINED.mkdir(exist_ok=True)
    save_trained(network, TRAINED / f"{setup.name}.json", setup.mean, setup.std)
    _store(setup.name, "trained", _joined(courses) | _compared(setup, network))
    for stem in stems:
        _checkpoint(stem).unlink(missing_ok=True)


def _variants(setup: Setup) -> None:
    done = _results(setup.name).get("variants", {})
    for title in setup.variants:
        if done.get(title, {}).get("schedule") != dataclasses.asdict(setup.network.variants):
            variant = params.VARIANTS[title]
            spiking = setup.converted("hybrid", **variant.options)
            stem = f"{setup.name}_{''.join(c if c.isalnum() else '_' for c in title)}"
            network, history = _train(setup, spiking, setup.network.variants, stem, params.VARIANT_IMAGES, variant)
            row = history | _compared(setup, network)
            _store(setup.name, "variants", _results(setup.name).get("variants", {}) | {title: row})
            _checkpoint(stem).unlink(missing_ok=True)


def _checkpoint(stem: str) -> Path:
    return FOLDER / f".{stem}.checkpoint"


def _train(
    setup: Setup,
    spiking: SpikingNetwork,
    schedule: Schedule,
    stem: str,
    n_images: int | None = None,
    variant: params.Variant | None = None,
) -> tuple[TrainableNetwork, dict[str, Any]]:
    variant = variant or params.Variant({})
    network = TrainableNetwork(
        setup.model, spiking, variant.n_steps, surrogate=variant.surrogate, train_decay=variant.train_decay
    )
    return network, _fit(setup, network, schedule, stem, n_images)


def _fit(
    setup: Setup, network: TrainableNetwork, schedule: Schedule, stem: str, n_images: int | None = None
) -> dict[str, Any]:
    """Train a network in place, and return how it went."""
    training, followed = setup.training.head(n_images), setup.test.head(params.N_FOLLOWED)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    history = train_stdb(
        network, training.images, training.labels, schedule,
        augment=setup.augmented, augmentation="that of the recipe",
        test=(followed.images, followed.labels), state=_checkpoint(stem), progress=True,
    )  # fmt: skip
    network.cpu()
    return {
        "schedule": dataclasses.asdict(schedule),
        "training_images": len(training),
        "loss_by_epoch": history.loss,
        "test_accuracy_by_epoch": history.accuracy,
        "epoch_s": history.seconds,
        "settings": network.settings(),
    }


def _joined(courses: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the courses of trainings behind each other."""
    lists = {key: [x for course in courses for x in course[key]] for key in BY_EPOCH}
    last = {key: value for key, value in courses[-1].items() if key != "schedule"}
    return {"schedules": [course["schedule"] for course in courses], **last, **lists}


def _compared(setup: Setup, network: TrainableNetwork) -> dict[str, Any]:
    """Run a trained network in torch and in Brian2."""
    in_torch = evaluate(network, setup.test.images)
    spiking = network.converted()
    recording = simulate(
        spiking, setup.test.images, network.n_steps, mode="standalone", dtype=params.DTYPE, jobs=setup.jobs
    )
    return {
        **_figures(spiking, recording, setup.test.labels),
        "torch_accuracy": float((in_torch.decisions == setup.test.labels).mean()),
        "different_decisions": int((in_torch.decisions != recording.decisions).sum()),
    }


def _simulated(setup: Setup, spiking: SpikingNetwork, test: datasets.Dataset, n_steps: int) -> dict[str, Any]:
    recording = simulate(spiking, test.images, n_steps, mode="standalone", dtype=params.DTYPE, jobs=setup.jobs)
    return _figures(spiking, recording, test.labels)


def _figures(spiking: SpikingNetwork, recording: Any, labels: np.ndarray) -> dict[str, Any]:
    energy = compute_energy(recording, spiking.graph)
    return {
        "accuracy": float((recording.decisions == labels).mean()),
        "images": len(labels),
        "n_steps": recording.n_steps,
        "spikes_per_neuron": spikes_per_neuron(recording),
        "snn_energy_nj": energy.snn_pj / 1000,
        "ann_energy_nj": energy.ann_pj / 1000,
        "energy_gain": energy.gain,
    }


PARTS = {"ann": _ann, "converted": _converted, "trained": _trained, "variants": _variants}

if __name__ == "__main__":
    main()
