"""Gradient-based optimisation of the kernels of time-to-first-spike coding (T2FSNN).

The kernel of a layer, exp(-(s - t_d) / tau) at step s = 0 ... T-1 of its window, limits how finely a value is
transmitted (a large tau makes steps small), and which values are transmitted at all (a small tau reaches small values,
t_d sets the largest). tau follows the gradients of the precision loss and of the minimum representation loss, t_d that
of the maximum representation loss.

Source: Park et al. (2020), arXiv:2003.11741, Eqs. 5 to 14. Where the paper writes T in Eqs. 10 and 13, the last step of
the window is used here: T - 1, as steps are counted from 0. F, the spike times "of all neurons" of Eq. 9, is taken as
all neurons of the layer: those that are too weak to fire count as transmitting 0, and have no gradient. The paper gives
neither learning rates nor batches; those here let Net 1 of Hwang et al. (2021) settle from both of the paper's starting
points, tau = 2 and tau = 18 at T = 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brian2 import ms
from torch import Tensor

from brianconv.errors import DataError, ParameterError
from brianconv.graph import INPUT
from brianconv.images import check_images
from brianconv.progress import progress_bar
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.checkpoint import Checkpoint, fingerprint
from brianconv.tuning.kernels.first_spikes import FirstSpikeNetwork, Kernel, Transmitted, firing_populations
from brianconv.tuning.kernels.settings import Descent
from brianconv.tuning.propagation import check_unchanged_synapses
from brianconv.values import mapping, real, reals, whole

LOSSES = ("precision", "minimum", "maximum")
FARTHEST = 10  # windows that a kernel may be delayed by
RATED_WINDOW = 20  # T for which the learning rates are given


@dataclass(frozen=True)
class KernelResult:
    """Kernels of all populations that fire, and the losses on the way to them.

    Attributes
    ----------
    tau, t_d : mapping of str to float
        In steps.
    losses : mapping
        ``losses[kind][population]``, one value per batch, for the kinds precision, minimum and maximum (Eqs. 9 to 11).
    paths : mapping
        ``paths["tau"][population]`` and ``paths["t_d"][population]`` before each batch.
    window : int
        T.
    """

    tau: Mapping[str, float]
    t_d: Mapping[str, float]
    losses: Mapping[str, Mapping[str, list[float]]]
    paths: Mapping[str, Mapping[str, list[float]]]
    window: int

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters of the coding scheme, as `SpikingNetwork.with_parameters` and ``--set @FILE`` take them."""
        return {"window": self.window, "tau": dict(self.tau), "t_d": dict(self.t_d)}

    @property
    def curves(self) -> dict[str, Any]:
        """What a picture of the descent needs, as it is written into a file."""
        return {"losses": self.losses, "paths": self.paths, "window": self.window}


def tune_kernels(
    spiking: SpikingNetwork,
    images: np.ndarray,
    descent: Descent | None = None,
    *,
    state: Path | None = None,
    progress: bool = False,
) -> KernelResult:
    """Train tau and t_d of each layer, all at once, from those that the network has.

    Each batch is transmitted by the spiking network with the kernels so far; each layer compares what it transmits with
    the activations of the ANN.

    Parameters
    ----------
    spiking : SpikingNetwork
        Of the ttfs code, with unchanged neurons. Layers are taken to begin when those in front of them have ended, even
        where `start` makes them begin early.
    images : array, shape (n_images, channels, rows, columns)
        Training images in [0, 1].
    descent : Descent, optional
    state : Path, optional
        File that is written after each epoch; a run that was killed resumes from it. Delete it when it is not needed
        any more.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    ParameterError, DataError, ShapeError
        For another code, changed neurons, or settings or images that do not fit; before anything is trained.
    """
    descent = descent or Descent()
    spiking = spiking.in_steps(1 * ms)
    check_kernels(spiking, images, descent)
    window = int(spiking.parameters["window"][INPUT])
    about = {
        "method": "kernels",
        "network_and_images": fingerprint(spiking, images),
        "parameters": {name: dict(by) for name, by in spiking.parameters.items()},
        "descent": asdict(descent),
    }
    checkpoint = Checkpoint(state, about)
    training = Training(spiking, images, descent)
    training.resume(checkpoint.load(training.check_state))
    total = descent.n_epochs * (len(images) // descent.batch_size)
    with progress_bar(total, "tuning kernels", "batch", shown=progress) as bar:
        bar.update(training.epoch * (total // descent.n_epochs))
        while training.epoch < descent.n_epochs:
            training.run_epoch(bar.update)
            checkpoint.save(training.state)
    kernels = {name: (float(kernel.tau), float(kernel.t_d)) for name, kernel in training.kernels.items()}
    return KernelResult(
        tau={name: tau for name, (tau, _) in kernels.items()},
        t_d={name: t_d for name, (_, t_d) in kernels.items()},
        losses=training.losses,
        paths=training.paths,
        window=window,
    )


def check_kernels(spiking: SpikingNetwork, images: np.ndarray, descent: Descent) -> None:
    """Raise an error unless kernels can be tuned with this network and these images."""
    if spiking.coding.name != "ttfs":
        raise ParameterError(f"coding {spiking.coding.name!r} has no kernels that could be tuned: use coding 'ttfs'")
    if spiking.membranes or any(spiking.synaptic_delay.values()):
        raise ParameterError(
            "kernels are tuned for layers without delay, leak, rest and noise: leave out synaptic_delay, tau_m, "
            "refractory and noise, and give them to the tuned network"
        )
    check_unchanged_synapses(spiking)
    for name in firing_populations(spiking):
        if spiking.neurons[name] != spiking.coding.neuron:
            raise ParameterError(f"population {name!r} has changed neurons: kernels need those of the ttfs code")
    check_images(images, spiking.graph.input_shape, "images to tune with")
    descent.check(len(images))


class Training:
    """Kernels in training, and what is kept of their course.

    Attributes
    ----------
    kernels : dict of str to Kernel
        Of every population that fires.
    losses, paths : dict
        As in KernelResult.
    epoch : int
        Number of epochs that are complete.
    """

    def __init__(self, spiking: SpikingNetwork, images: np.ndarray, descent: Descent) -> None:
        self.network = FirstSpikeNetwork(spiking)
        self.images = torch.as_tensor(np.asarray(images), dtype=self.network.real)
        self.descent = descent
        self.epoch = 0
        self.tau_limits = spiking.coding.parameters["tau"]
        firing = firing_populations(spiking)
        self.kernels = {
            name: Kernel(*(torch.tensor(spiking.parameters[key][name], dtype=torch.float64) for key in ("tau", "t_d")))
            for name in firing
        }
        self.losses: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in firing} for kind in LOSSES}
        self.paths: dict[str, dict[str, list[float]]] = {key: {name: [] for name in firing} for key in ("tau", "t_d")}
        longer = (spiking.parameters["window"][INPUT] / RATED_WINDOW) ** 2
        self.optimizer = torch.optim.SGD(
            [
                {"params": [kernel.tau for kernel in self.kernels.values()], "lr": longer * descent.tau_rate},
                {"params": [kernel.t_d for kernel in self.kernels.values()], "lr": longer * descent.t_d_rate},
            ]
        )

    @property
    def state(self) -> dict[str, Any]:
        """Everything that is needed to resume a run."""
        values = {name: [float(kernel.tau), float(kernel.t_d)] for name, kernel in self.kernels.items()}
        return {"epoch": self.epoch, "kernels": values, "losses": self.losses, "paths": self.paths}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise ValueError unless a state is possible for this training after one of its epochs."""
        names = list(self.kernels)
        mapping(state, "the state", ("epoch", "kernels", "losses", "paths"))
        epoch = whole(state["epoch"], "epoch", 1, self.descent.n_epochs)
        n_batches = epoch * (len(self.images) // self.descent.batch_size)
        farthest = FARTHEST * self.network.last_step
        for name, values in mapping(state["kernels"], "kernels", names).items():
            tau, t_d = reals(values, f"the kernel of {name!r}", 2)
            real(tau, f"tau of {name!r}", self.tau_limits.low, self.tau_limits.high)
            real(t_d, f"t_d of {name!r}", -farthest, farthest)
        for kind, keys in (("losses", LOSSES), ("paths", ("tau", "t_d"))):
            for key, by_population in mapping(state[kind], kind, keys).items():
                for name, values in mapping(by_population, f"{kind} {key!r}", names).items():
                    reals(values, f"{kind} {key!r} of {name!r}", n_batches)

    def resume(self, state: dict[str, Any]) -> None:
        """Resume from a state, unless it is empty."""
        if not state:
            return
        self.epoch, self.losses, self.paths = state["epoch"], state["losses"], state["paths"]
        for name, (tau, t_d) in state["kernels"].items():
            self.kernels[name].tau.fill_(tau)
            self.kernels[name].t_d.fill_(t_d)

    @torch.no_grad()
    def run_epoch(self, done: Any = None) -> None:
        """Take one step of the descent for each batch."""
        for chosen in self.descent.batches(len(self.images), self.epoch):
            for name, (activation, sent) in self.network.transmit(self.images[chosen], self.kernels).items():
                self._add_gradients(name, activation, sent)
            self.optimizer.step()
            for name, kernel in self.kernels.items():
                kernel.tau.clamp_(self.tau_limits.low, self.tau_limits.high)
                _check_delay(name, kernel, self.network.last_step)
            if done is not None:
                done(1)
        self.epoch += 1

    def _add_gradients(self, name: str, activation: Tensor, sent: Transmitted) -> None:
        kernel = self.kernels[name]
        self.paths["tau"][name].append(float(kernel.tau))
        self.paths["t_d"][name].append(float(kernel.t_d))
        truth = truth_of(name, activation, sent)
        for kind, value in zip(LOSSES, losses(truth, kernel, self.network.last_step), strict=True):
            self.losses[kind][name].append(float(value))
        kernel.tau.grad, kernel.t_d.grad = gradients(truth, kernel, self.network.last_step)


def _check_delay(name: str, kernel: Kernel, last_step: int) -> None:
    """Raise ParameterError if the descent has left the window, from where no spike leads it back."""
    if not abs(float(kernel.t_d)) <= FARTHEST * last_step:
        raise ParameterError(
            f"the descent left the window: t_d of {name!r} is {float(kernel.t_d):.3g}, tau {float(kernel.tau):.3g}; "
            "begin from another kernel (--set tau=... t_d=...), such as tau = 6 and t_d = 0 at 20 steps"
        )


@dataclass(frozen=True, eq=False)
class Truth:
    """What a layer should transmit, and when it fired.

    Attributes
    ----------
    time, activation : tensors, shape (n_spikes,)
        Step within the window of each spike (t_f, counted from 0), and the ANN's activation of the neuron.
    silent : tensor, shape (n_silent,)
        Activations of the neurons that did not fire.
    smallest, largest : tensor
        Of the positive activations of the layer in the batch: with zeros, Eq. 13 would drive tau to 0.
    """

    time: Tensor
    activation: Tensor
    silent: Tensor
    smallest: Tensor
    largest: Tensor

    @property
    def n_neurons(self) -> int:
        """Number of neurons, in all images of the batch."""
        return len(self.time) + len(self.silent)


def truth_of(name: str, activation: Tensor, sent: Transmitted) -> Truth:
    """Return the ground truth of a batch; raise DataError if the layer is silent in the ANN."""
    positive = activation[activation > 0].double()
    if not len(positive):
        raise DataError(f"layer {name!r} has no positive activation in a batch: tune with more images in a batch")
    fired, silent = activation[sent.fired].double(), activation[~sent.fired].double()
    return Truth(sent.time[sent.fired].double(), fired, silent, positive.min(), positive.max())


def losses(truth: Truth, kernel: Kernel, last_step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the precision loss and the representation losses (Eqs. 9, 10 and 11)."""
    decoded = kernel.at(truth.time)
    squares = ((truth.activation - decoded) ** 2).sum() + (truth.silent**2).sum()
    precision = squares / (2 * truth.n_neurons)
    minimum = (truth.smallest - kernel.at(torch.tensor(float(last_step)))) ** 2 / 2
    maximum = (truth.largest - kernel.at(torch.tensor(0.0))) ** 2 / 2
    return precision, minimum, maximum


def gradients(truth: Truth, kernel: Kernel, last_step: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of tau (Eqs. 12 + 13) and t_d (Eq. 14); spike times count as constants, as in the paper."""
    decoded = kernel.at(truth.time)
    lag = (truth.time - kernel.t_d) / kernel.tau**2
    precision = -(lag * (truth.activation - decoded) * decoded).sum() / truth.n_neurons
    smallest, largest = kernel.at(torch.tensor(float(last_step))), kernel.at(torch.tensor(0.0))
    minimum = -(last_step - kernel.t_d) / kernel.tau**2 * (truth.smallest - smallest) * smallest
    maximum = -(truth.largest - largest) * largest / kernel.tau
    return precision + minimum, maximum
