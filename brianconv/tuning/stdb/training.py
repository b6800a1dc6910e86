"""Spike-timing-dependent backpropagation (STDB): train a converted network as the spiking network that it is.

Weights, one threshold and one decay per layer follow the gradient of a cross-entropy on potential and spike time of the
output through all steps; it turns a network converted at some hundred steps into one that needs five.

Source: Datta et al. (2021), arXiv:2107.12374, sections IV and V-A. The optimiser, which the paper does not name, is
Adam; decays are kept in [0, 1].
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from brianconv.conversion.weights import load_tensors
from brianconv.errors import DataError, OutputError, ParameterError
from brianconv.files import write_atomically
from brianconv.progress import progress_bar
from brianconv.tuning.checkpoint import differences
from brianconv.tuning.stdb.network import TrainableNetwork
from brianconv.tuning.stdb.neurons import hybrid_cross_entropy
from brianconv.tuning.stdb.settings import Schedule
from brianconv.tuning.stdb.training_state import check_fields, check_optimizer, check_random, check_tensors
from brianconv.values import mapping, real, reals, whole

logger = logging.getLogger(__name__)

Augment = Callable[[Tensor], Tensor]
KEYS = ("about", "network", "averaged", "optimizer", "random", "random_gpu", "history")  # of a checkpoint
MOST_EPOCHS = 2**31 - 1
ROUNDING = 1e-5  # of averages in float32


@dataclass
class History:
    """What has been trained so far.

    Attributes
    ----------
    epoch, batch : int
        Completed epochs, and batches of the current one.
    total : float
        Sum of the loss over these batches.
    seconds : list of float
        Duration of each epoch, without pauses in which no process ran.
    loss, accuracy : list of float
        Mean training loss of each epoch, and accuracy on the test images after it if there are any.
    spent : float
        Seconds spent in the current epoch.
    """

    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    spent: float = 0.0
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)

    def line(self, epochs: int) -> str:
        """Say how far the training is and how much longer it will take."""
        left = median(self.seconds) * (epochs - self.epoch) / 60
        tested = f", test accuracy {self.accuracy[-1]:.4f}" if self.accuracy else ""
        return f"epoch {self.epoch}/{epochs}: training loss {self.loss[-1]:.4f}{tested}, {left:.0f} min left"


@dataclass(frozen=True)
class Evaluation:
    """A network's output for images.

    Attributes
    ----------
    decisions : array of int, shape (n_images,)
    spikes_per_neuron : mapping of str to float
        Average over images and neurons of each population (Datta et al., 2021, Figure 3), the input first.
    """

    decisions: np.ndarray
    spikes_per_neuron: dict[str, float]


def train_stdb(
    network: TrainableNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    schedule: Schedule | None = None,
    *,
    augment: Augment | None = None,
    augmentation: str = "",
    test: tuple[np.ndarray, np.ndarray] | None = None,
    state: Path | None = None,
    progress: bool = False,
) -> History:
    """Train a network in place; the weights are those after the last epoch, or their moving average.

    Parameters
    ----------
    network : TrainableNetwork
        On a GPU if it was moved there.
    images, labels : arrays, shape (n_images, channels, rows, columns) and (n_images,)
        Training images, standardised as those from which it was converted.
    schedule : Schedule, optional
    augment : callable, optional
        Changes a batch of images at random, such as shifts and flips.
    augmentation : str
        What `augment` does: a checkpoint made with a different one is refused.
    test : (images, labels), optional
        For the accuracy after every epoch, which is only reported.
    state : Path, optional
        Checkpoint; a training that was stopped resumes from it, on a CPU to the same result.
    progress : bool

    Raises
    ------
    DataError, ParameterError, OutputError
        If images do not fit, or the checkpoint belongs to another training or cannot be written.
    """
    schedule = schedule or Schedule()
    _check_data(network, images, labels, schedule)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=schedule.learning_rate)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(schedule.average))
    about = _about(network, images, labels, schedule, augmentation)
    checkpoint = _Checkpoint(state, network, averaged, optimizer, about, len(images) // schedule.batch_size)
    history = checkpoint.load_at_most(schedule.epochs)
    pixels, classes = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)), torch.from_numpy(labels).long()
    while history.epoch < schedule.epochs:
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * schedule.decay ** (history.epoch // schedule.decay_every)
        _train_epoch(checkpoint, (pixels, classes), schedule, augment, history, progress)
        if test is not None:
            tested = evaluate(cast("TrainableNetwork", averaged.module), test[0])
            history.accuracy.append(float((tested.decisions == test[1]).mean()))
        if progress:
            logger.info(history.line(schedule.epochs))
        checkpoint.save(history)
    network.load_state_dict(averaged.module.state_dict())
    return history


def _train_epoch(
    checkpoint: _Checkpoint,
    data: tuple[Tensor, Tensor],
    schedule: Schedule,
    augment: Augment | None,
    history: History,
    progress: bool,
) -> None:
    """Train with every image once, from the batch that the history has reached."""
    images, labels = data
    generator = torch.Generator().manual_seed(schedule.seed + history.epoch + 1)
    order = torch.randperm(len(images), generator=generator)
    n_batches = len(images) // schedule.batch_size
    if history.batch == 0:
        torch.manual_seed(schedule.seed + history.epoch + 1)  # the same whether or not it was interrupted
    start = time.perf_counter() - history.spent
    title = f"epoch {history.epoch + 1}"
    # hours of training are watched in files too
    shown = progress_bar(
        n_batches, title, "batch", disable=not progress, initial=history.batch, mininterval=5, leave=True
    )  # fmt: skip
    with shown:
        while history.batch < n_batches:
            first = history.batch * schedule.batch_size
            chosen = order[first : first + schedule.batch_size]
            history.total += _train_batch(
                checkpoint.network, checkpoint.optimizer, images[chosen], labels[chosen], schedule, augment
            )
            checkpoint.averaged.update_parameters(checkpoint.network)
            history.batch, history.spent = history.batch + 1, time.perf_counter() - start
            if history.batch % schedule.save_every == 0 and history.batch < n_batches:
                checkpoint.save(history)
            shown.set_postfix(loss=f"{history.total / history.batch:.4f}", refresh=False)
            shown.update()
    history.loss.append(history.total / n_batches)
    history.seconds.append(history.spent)
    history.epoch, history.batch, history.total, history.spent = history.epoch + 1, 0, 0.0, 0.0


def _train_batch(
    network: TrainableNetwork,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    schedule: Schedule,
    augment: Augment | None,
) -> float:
    network.train()
    device = _device(network)
    inputs = _channels_last(images.to(device))
    inputs = augment(inputs) if augment else inputs
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=schedule.bf16):
        outcome = network(inputs)
    loss = hybrid_cross_entropy(outcome.potentials[-1], outcome.time, labels.to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    network.confine()
    return float(loss.detach())


@torch.no_grad()
def evaluate(
    network: TrainableNetwork, images: np.ndarray, batch_size: int = 200, dtype: str = "float32"
) -> Evaluation:
    """Return decisions and spikes of a network, with its own arithmetic.

    Parameters
    ----------
    network : TrainableNetwork
    images : array, shape (n_images, channels, rows, columns)
    batch_size : int
    dtype : {"float32", "float64"}
        Of weights and potentials.
    """
    training, real = network.training, getattr(torch, dtype)
    network.eval().to(real)
    decisions, totals = [], dict[str, float]()
    for first in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.asarray(images[first : first + batch_size])).to(_device(network), real)
        outcome = network(_channels_last(batch), first)
        decisions.append(outcome.decisions)
        totals = {name: totals.get(name, 0.0) + float(count) for name, count in outcome.spikes.items()}
    network.train(training).to(torch.float32)
    sizes = {name: int(np.prod(shape)) for name, shape in network.spiking.graph.shapes.items()}
    return Evaluation(
        np.concatenate(decisions), {name: count / len(images) / sizes[name] for name, count in totals.items()}
    )


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


def _device(network: TrainableNetwork) -> torch.device:
    return next(network.parameters()).device


def _check_data(network: TrainableNetwork, images: np.ndarray, labels: np.ndarray, schedule: Schedule) -> None:
    shape, n_classes = network.spiking.graph.input_shape, network.spiking.n_classes
    if not len(images):
        raise DataError("there are no images to train with")
    if images.shape[1:] != shape:
        raise DataError(f"images have shape {images.shape[1:]}, the network takes {shape}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(f"{len(images)} images need as many labels, whole numbers; got {labels.dtype} {labels.shape}")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise DataError(f"labels run from {labels.min()} to {labels.max()}, the network has {n_classes} classes")
    if not np.isfinite(images).all():
        raise DataError("images contain values that are not finite")
    if schedule.batch_size > len(images):
        raise ParameterError(f"batch_size is {schedule.batch_size}, but there are {len(images)} training images")


def _about(
    network: TrainableNetwork, images: np.ndarray, labels: np.ndarray, schedule: Schedule, augmentation: str
) -> dict[str, Any]:
    """What a checkpoint depends on."""
    digest = hashlib.sha256(np.ascontiguousarray(labels).tobytes())
    digest.update(np.ascontiguousarray(images[:: max(1, len(images) // 1000)]).tobytes())
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return {
        "network_and_images": digest.hexdigest(),
        "n_steps": network.n_steps,
        "surrogate": dataclasses.asdict(network.surrogate),
        "dropout": network.dropout,
        "encoding": network.spiking.coding.encoding.name,
        "parameters": {name: dict(values) for name, values in network.spiking.parameters.items()},
        "trained_leaks": all(decay.requires_grad for decay in network.decay.values()),
        "augmentation": augmentation,
        "schedule": {key: v for key, v in dataclasses.asdict(schedule).items() if key not in ("epochs", "save_every")},
    }


@dataclass(frozen=True)
class _Checkpoint:
    """State of a training in a file: network, its average, optimiser, random numbers and history."""

    path: Path | None
    network: TrainableNetwork
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    about: dict[str, Any]
    n_batches: int

    def load(self) -> History:
        if self.path is None or not os.path.lexists(self.path):
            return History()
        try:
            saved = load_tensors(self.path, _device(self.network))
            about = mapping(saved, "it", KEYS)["about"]
            if not isinstance(about, dict):
                raise ValueError("about is a mapping")
        except ValueError as error:
            raise ParameterError(f"{str(self.path)!r} is not the state of a training ({error}); delete it") from error
        if about != self.about:
            changed = ", ".join(differences(about, self.about))
            raise ParameterError(f"{str(self.path)!r} belongs to another training ({changed}); delete it to start anew")
        try:
            self._check(saved)
            torch.set_rng_state(saved["random"].cpu())
            if saved["random_gpu"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(saved["random_gpu"].cpu())
            self.network.load_state_dict(saved["network"])
            self.averaged.load_state_dict(saved["averaged"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (ValueError, RuntimeError) as error:
            raise ParameterError(
                f"{str(self.path)!r} holds a state that this training cannot have written: {error}; delete it to start "
                "anew"
            ) from error
        return History(**saved["history"])

    def _check(self, saved: dict[str, Any]) -> None:
        """Raise ValueError unless a state is possible for this training."""
        check_tensors(saved["network"], self.network.state_dict(), "network")
        check_tensors(saved["averaged"], self.averaged.state_dict(), "averaged")
        for prefix, weights in (("", saved["network"]), ("module.", saved["averaged"])):
            for name, lowest in self.network.lowest.items():
                threshold = float(weights[f"{prefix}v_threshold.{name}"])
                real(threshold, f"v_threshold of {name!r}", lowest * (1 - ROUNDING))
            for name, decay in self.network.decay.items():
                highest = max(1.0, float(decay.detach())) + ROUNDING
                real(float(weights[f"{prefix}decay.{name}"]), f"decay of {name!r}", 0, highest)
        check_optimizer(saved["optimizer"], self.optimizer)
        check_random(saved["random"], torch.get_rng_state(), "random")
        if saved["random_gpu"] is not None and torch.cuda.is_available():
            check_random(saved["random_gpu"], torch.cuda.get_rng_state(), "random_gpu")
        history = check_fields(saved["history"], History, "history")
        epoch = whole(history["epoch"], "epoch", 0, MOST_EPOCHS)
        whole(history["batch"], "batch", 0, self.n_batches - 1)
        real(history["total"], "total")
        real(history["spent"], "spent", 0)
        for key in ("seconds", "loss") if epoch else ():
            reals(history[key], key, epoch)
        if history["accuracy"]:
            reals(history["accuracy"], "accuracy", min(len(history["accuracy"]), epoch), 0, 1)

    def load_at_most(self, epochs: int) -> History:
        """Load the state of a training that has not gone beyond some epochs."""
        history = self.load()
        if history.epoch > epochs:
            raise ParameterError(
                f"{str(self.path)!r} has {history.epoch} epochs already, {epochs} were asked for; ask for more, or "
                "delete it to start anew"
            )
        return history

    def save(self, history: History) -> None:
        if self.path is None:
            return
        on_gpu = _device(self.network).type == "cuda"
        saved = {
            "about": self.about,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state() if on_gpu else None,
            "history": dataclasses.asdict(history),
        }
        try:
            write_atomically(self.path, functools.partial(torch.save, saved))
        except OSError as error:
            raise OutputError(f"cannot write {str(self.path)!r} ({error.strerror})") from error
