"""Time-to-first-spike coding in closed form: a layer as a whole, without steps.

Source: Park et al. (2020), arXiv:2003.11741, Eqs. 5 to 8, for layers that begin to fire when those in front of them
have ended (without early firing).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from brianconv.coding.scheme import tolerance
from brianconv.graph import INPUT
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.propagation import Propagation


class Kernel(NamedTuple):
    """The kernel of a layer: time constant and delay in steps, zero-dimensional tensors."""

    tau: Tensor
    t_d: Tensor

    def at(self, step: Tensor) -> Tensor:
        """Return exp(-(step - t_d) / tau), Eq. 5."""
        return torch.exp(-(step - self.t_d) / self.tau)


class Transmitted(NamedTuple):
    """What a population sends, each a tensor of shape (n_images, n_neurons).

    `fired` is boolean; `time` is the step within the window, counted from 0; `value` is the decoded potential, 0 for
    neurons that do not fire.
    """

    fired: Tensor
    time: Tensor
    value: Tensor


def firing_populations(spiking: SpikingNetwork) -> list[str]:
    """Return the populations that have kernels: all but the output and those that pool."""
    pooling = {layer.name for layer in spiking.graph.layers if layer.is_pooling}
    return [name for name in spiking.populations[:-1] if name not in pooling]


class FirstSpikeNetwork:
    """A spiking network of the ttfs code, evaluated layer by layer.

    Attributes
    ----------
    last_step : int
        T - 1, of the window.
    real : torch.dtype
        Of potentials.
    """

    def __init__(self, spiking: SpikingNetwork, dtype: str = "float32") -> None:
        self.spiking = spiking
        self.real = getattr(torch, dtype)
        self.fraction = 1 - tolerance(dtype)  # of a threshold that has to be reached
        self.last_step = int(spiking.parameters["window"][INPUT]) - 1
        layers = spiking.graph.layers
        self.propagation = {layer.name: Propagation(layer, self.real) for layer in layers}
        self.bias = {layer.name: torch.as_tensor(layer.bias, dtype=self.real).flatten() for layer in layers}

    def transmit(self, images: Tensor, kernels: Mapping[str, Kernel]) -> dict[str, tuple[Tensor, Transmitted]]:
        """Return the ANN's activation and what is transmitted instead, for each population that fires.

        Parameters
        ----------
        images : tensor, shape (n_images, channels, rows, columns)
        kernels : mapping of str to Kernel
            Of each population but the output.
        """
        pixels = images.flatten(1)
        activation, sent = {INPUT: pixels}, {INPUT: self.encode(INPUT, pixels, kernels[INPUT])}
        for layer in self.spiking.graph.layers[:-1]:
            if layer.is_pooling:
                activation[layer.name] = self._arriving(layer.name, activation)
                first = self._arriving(layer.name, {name: spikes.value for name, spikes in sent.items()})
                sent[layer.name] = Transmitted(
                    first > 0, torch.zeros_like(first), first
                )  # of each window, the earliest
                continue
            total = self._arriving(layer.name, activation)
            activation[layer.name] = total.clamp_min(0.0) if layer.rectified else total
            if layer.ceiling is not None:
                ceiling = torch.as_tensor(np.broadcast_to(layer.ceiling, layer.shape).ravel().copy()).to(total)
                activation[layer.name] = activation[layer.name].minimum(ceiling)
            v_init = self.spiking.parameters["v_init"][layer.name]
            potential = self._arriving(layer.name, {name: spikes.value for name, spikes in sent.items()}) + v_init
            sent[layer.name] = self.encode(layer.name, potential, kernels[layer.name])
        return {name: (activation[name], sent[name]) for name in firing_populations(self.spiking)}

    def encode(self, name: str, potential: Tensor, kernel: Kernel) -> Transmitted:
        """Fire, at the first step at which the threshold has fallen to the potential (Eqs. 6 and 7)."""
        theta_0 = self.spiking.parameters["theta_0"][name]
        tau, t_d = float(kernel.tau), float(kernel.t_d)
        exact = t_d - tau * torch.log(potential.clamp_min(0.0) / (theta_0 * self.fraction))
        time = exact.ceil().clamp_min(0.0)
        fired = time <= self.last_step
        return Transmitted(fired, time, torch.exp(-(time - t_d) / tau) * fired)

    def _arriving(self, name: str, sent: Mapping[str, Tensor]) -> Tensor:
        layer, propagation = self.spiking.graph.layer(name), self.propagation[name]
        total = self.bias[name].repeat(len(sent[INPUT]), 1)
        for connection in layer.connections:
            total += propagation.values(connection, sent[connection.source])
        return total
