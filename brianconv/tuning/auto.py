"""Automatic settings of a coding scheme: the cheapest that keeps the accuracy near that of the ANN.

Every combination of a grid of parameters is simulated once with held-out training images. The recording then says what
any number of steps, evaluation delay or skipped steps, and any threshold of early decision would have given, without
another simulation. Test images are never needed.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from brianconv.coding import find_coding
from brianconv.coding.delayed_evaluation import skipped_scores
from brianconv.conversion.settings import convert_with_settings
from brianconv.datasets.dataset import Dataset
from brianconv.early_decision import early_decisions
from brianconv.errors import DataError, ParameterError
from brianconv.graph import INPUT
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.values import MOST_STEPS, known, mapping, real, sequence, shown, whole

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from torch import nn

Options = dict[str, Any]
PERCENTILES = (100.0, 99.99, 99.9, 99.0)
THETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
DELAYS = (0, 2, 5, 10, 20, 40)
GRIDS: dict[str, list[Options]] = {
    "rate": [{"v_init": v} for v in (0.0, 0.2, 0.3, 0.4, 0.5)],
    "analog": [{"v_init": v} for v in (0.0, 0.2, 0.3, 0.4, 0.5)],
    "phase": [{"n_phases": k} for k in (4, 6, 8)],
    "ttfs": [{"window": t, "start": start} for t in (10, 20, 40) for start in (0, t // 2)],
}
ACCUMULATING = ("phase", "burst")  # codes whose output adds up its input without leak, and may begin later
PERIODS = (0, 1, 2, 5, 10, 20)  # that it skips
PERIOD = 5  # steps, of a coding scheme without phases


@dataclass(frozen=True)
class Candidate:
    """A way to run a network, and its results on held-out images.

    Attributes
    ----------
    options : mapping
        Of the conversion and the coding scheme, including `skip`.
    n_steps, evaluation_delay : int
    early_decision : float or None
        Threshold of early decision.
    accuracy : float
    mean_steps : float
        Steps that an image takes; below n_steps with early decision.
    operations : float
        Synaptic operations per image; with early decision estimated as if all images had the same number per step.
    """

    options: Mapping[str, Any]
    n_steps: int
    evaluation_delay: int
    early_decision: float | None
    accuracy: float
    mean_steps: float
    operations: float


@dataclass(frozen=True)
class AutoResult:
    """Outcome of a search: the cheapest setting that is accurate enough, all others, and the target."""

    best: Candidate
    tried: Sequence[Candidate]
    ann_accuracy: float
    target: float


def tune_auto(
    model: nn.Module,
    calibration_images: np.ndarray,
    held_out: Dataset,
    coding: str = "rate",
    *,
    within: float = 0.005,
    n_steps: int | None = None,
    options: Mapping[str, Any] | None = None,
    checkpoint: Checkpoint | None = None,
    **simulation: Any,
) -> AutoResult:
    """Find the setting with the fewest synaptic operations that keeps the accuracy.

    Parameters
    ----------
    model : torch.nn.Module
    calibration_images : array, shape (n_images, channels, rows, columns)
        Training images from which activations are normalised.
    held_out : Dataset
        Other training images, on which the settings are judged.
    coding : str
    within : float
        Largest distance of the accuracy from the ANN's on the held-out images, as a share of images.
    n_steps : int, optional
        Longest simulation; by default that of the coding scheme.
    options : mapping, optional
        Options of conversion and code that are not searched.
    checkpoint : Checkpoint, optional
        Keeps what was found of each combination.
    **simulation
        Passed to `simulate`, such as ``mode="standalone"``.

    Raises
    ------
    ParameterError
        If there is no grid for the coding scheme, or nothing that was tried is accurate enough.
    DataError
        If there are no held-out images.
    """
    chosen = combinations(coding, dict(options or {}))
    if n_steps is not None and find_coding(coding).schedule is not None:
        raise ParameterError(f"the steps of coding {coding!r} follow from its window: leave out --steps, or set window")
    if not len(held_out):
        raise DataError("there are no held-out training images to judge settings with")
    if not 0 <= within < 1:
        raise ParameterError(f"within is {within:g}; it must be a share of images, 0 or more and below 1")
    found = checkpoint.load(lambda state: _check_found(state, chosen)) if checkpoint else {}
    for index, combination in enumerate(chosen):
        if str(index) not in found:
            found[str(index)] = _tried(
                model, calibration_images, held_out, coding, combination, n_steps, within, simulation
            )
            if checkpoint:
                checkpoint.save(found)
        logger.info("%d/%d %s", index + 1, len(chosen), _line(combination, found[str(index)]))
    tried = [Candidate(**setting) for rows in found.values() for setting in rows["settings"]]
    ann_accuracy = max(rows["ann_accuracy"] for rows in found.values())
    return AutoResult(_cheapest(tried, ann_accuracy - within), tried, ann_accuracy, ann_accuracy - within)


def _check_found(state: Mapping[str, Any], chosen: Sequence[Options]) -> None:
    """Raise ValueError unless a state holds settings of the first combinations."""
    for index, rows in mapping(state, "the state", [str(k) for k in range(len(chosen))][: len(state)]).items():
        what, options = f"combination {index}", json.loads(json.dumps(chosen[int(index)]))
        real(mapping(rows, what, ("ann_accuracy", "settings"))["ann_accuracy"], f"ann_accuracy of {what}", 0, 1)
        for k, setting in enumerate(sequence(rows["settings"], f"settings of {what}")):
            _check_setting(setting, f"setting {k} of {what}", options)


def _check_setting(setting: Any, what: str, options: Options) -> None:
    mapping(setting, what, [field.name for field in fields(Candidate)])
    n_steps = whole(setting["n_steps"], f"n_steps of {what}", 1, MOST_STEPS)
    stored = known(setting["options"], f"options of {what}", [*options, "skip"])
    whole(stored.get("skip", 0), f"skip of {what}", 0, n_steps - 1)
    if {"skip": 0, **stored} != {"skip": stored.get("skip", 0), **options}:
        raise ValueError(f"{what} has other options than the combination")
    whole(setting["evaluation_delay"], f"evaluation_delay of {what}", 0, n_steps - 1)
    if setting["early_decision"] is not None and setting["early_decision"] not in THETAS:
        raise ValueError(
            f"early_decision of {what} is {shown(setting['early_decision'])}; it is one of {THETAS}, or null"
        )
    real(setting["accuracy"], f"accuracy of {what}", 0, 1)
    real(setting["mean_steps"], f"mean_steps of {what}", 1, n_steps)
    real(setting["operations"], f"operations of {what}", 0)


def combinations(coding: str, fixed: Options) -> list[Options]:
    """Return the options of each simulation; those that are given are not searched."""
    scheme = find_coding(coding)
    grid = GRIDS.get(scheme.name, [{}])
    normalizations: list[Options] = [{"percentile": p} for p in PERCENTILES]
    if scheme.normalization != "percentile" or "normalization" in fixed or "percentile" in fixed:
        normalizations = [{}]
    pairs = itertools.product(normalizations, grid)
    merged = [{**normalization, **parameters, **fixed} for normalization, parameters in pairs]
    return [options for k, options in enumerate(merged) if options not in merged[:k]]


def _tried(
    model: nn.Module,
    calibration_images: np.ndarray,
    held_out: Dataset,
    coding: str,
    options: Options,
    n_steps: int | None,
    within: float,
    simulation: Options,
) -> dict[str, Any]:
    """Simulate one combination, and return its settings as they are stored."""
    of_network = {key: value for key, value in options.items() if key != "skip"}
    spiking = convert_with_settings(model, calibration_images, coding, of_network)
    steps = spiking.default_steps if n_steps is None or spiking.coding.schedule else n_steps
    skip = options.get("skip", 0)
    recording = simulate(spiking, held_out.images, steps, skip=skip, **simulation)
    target = recording.ann_accuracy(held_out.labels) - within
    can_be_delayed = spiking.coding.readout.can_be_delayed
    delays = [delay for delay in DELAYS if delay < steps and (can_be_delayed or not delay)]
    settings: list[Candidate] = []
    for later in _skips(spiking, options, steps):
        scores = skipped_scores(recording.scores, later) if later else recording.scores
        seen = replace(recording, scores=scores)
        begin = later or skip
        found = [
            *_by_steps(seen, held_out.labels, target, delays, begin),
            *_by_theta(seen, held_out.labels, begin),
        ]
        shown = {**options, "skip": later} if later else options
        settings += [replace(setting, options=shown) for setting in found]
    return {
        "ann_accuracy": recording.ann_accuracy(held_out.labels),
        "settings": [asdict(setting) for setting in settings],
    }


def _skips(spiking: SpikingNetwork, options: Options, n_steps: int) -> list[int]:
    """Return after how many steps the output may begin, as far as one recording can tell."""
    leaky = spiking.output in spiking.membranes
    if "skip" in options or leaky or spiking.coding.name not in ACCUMULATING or spiking.coding.readout.fires:
        return [0]
    period = int(spiking.parameters.get("n_phases", {}).get(INPUT, PERIOD))
    return [k * period for k in PERIODS if k * period < n_steps]


def _by_steps(
    recording: Recording, labels: np.ndarray, target: float, delays: Sequence[int], skip: int
) -> Iterator[Candidate]:
    """For each delay, the first step from which the accuracy stays at the target, or the last step."""
    operations = recording.synaptic_operations.sum(axis=1).cumsum() / recording.n_images
    for evaluation_delay in delays:
        accuracy = (recording.delayed(evaluation_delay) if evaluation_delay else recording).accuracy_by_step(labels)
        below = np.flatnonzero(accuracy < target - 1e-12)
        step = min(max(int(below[-1]) + 2 if below.size else 1, evaluation_delay + 1, skip + 1), recording.n_steps)
        yield Candidate(
            {}, step, evaluation_delay, None, float(accuracy[step - 1]), float(step), float(operations[step - 1])
        )


def _by_theta(recording: Recording, labels: np.ndarray, skip: int) -> Iterator[Candidate]:
    """What early decision would have given; its rule starts when the output does."""
    operations = recording.synaptic_operations.sum(axis=1) / recording.n_images
    for early_decision in THETAS:
        early = early_decisions(recording.scores, early_decision, skip + 1)
        running = (early.steps[:, None] >= np.arange(1, recording.n_steps + 1)).mean(axis=0)
        accuracy = float((early.decisions == labels).mean())
        cost = float((running * operations).sum())
        yield Candidate({}, recording.n_steps, 0, early_decision, accuracy, float(early.steps.mean()), cost)


def _cheapest(tried: Sequence[Candidate], target: float) -> Candidate:
    enough = [setting for setting in tried if setting.accuracy >= target - 1e-12]
    if not enough:
        best = max(tried, key=lambda setting: setting.accuracy)
        raise ParameterError(
            f"none of {len(tried)} settings reaches {target:.2%} of the held-out images; the best has "
            f"{best.accuracy:.2%}: allow a larger distance (--within) or more steps (--steps)"
        )
    return min(enough, key=lambda setting: (setting.operations, setting.mean_steps))


def _line(options: Options, rows: Mapping[str, Any]) -> str:
    settings = [Candidate(**setting) for setting in rows["settings"]]
    best = max(settings, key=lambda setting: (setting.accuracy, -setting.operations))
    shown = " ".join(f"{key}={value}" for key, value in options.items())
    return f"{shown}: up to {best.accuracy:.2%} with {best.mean_steps:.1f} steps, {best.operations:,.0f} operations"
