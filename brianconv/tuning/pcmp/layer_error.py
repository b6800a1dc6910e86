"""Simulation of rate coding layer by layer: all steps of one population before the next one begins.

Source: Hwang et al. (2021), Front. Neurosci. 15:629000, Eqs. 2 to 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from brianconv.coding.scheme import tolerance
from brianconv.graph import INPUT
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.propagation import Propagation

MEMBRANES = 2**17  # that are stepped at once: what the processor's cache holds


class LayerwiseSimulation:
    """Simulates one layer after the other, for all images and steps, and keeps the spikes that later layers need.

    Parameters
    ----------
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    n_steps : int
    dtype : {"float32", "float64"}

    Attributes
    ----------
    activations : dict of str to tensor, shape (n_images, n_neurons)
        What the firing rates should be.
    trains : dict of str to list of array
        For each population that has fired, and still has layers to reach, one array per image: bits of shape
        (n_steps, n_neurons).
    """

    def __init__(self, spiking: SpikingNetwork, images: np.ndarray, n_steps: int, dtype: str = "float32") -> None:
        self.spiking = spiking
        self.n_images, self.n_steps = len(images), n_steps
        self.real = getattr(torch, dtype)
        self.fraction = 1 - tolerance(dtype)  # of a threshold that has to be reached
        self.activations = _activations(spiking, images, self.real)
        self.trains: dict[str, list[np.ndarray]] = {}

    def errors(
        self, name: str, candidates: Sequence[float], done: Callable[[int], object] | None = None
    ) -> list[float]:
        """Return the error of a population for each candidate, after those before it have fired.

        Parameters
        ----------
        name : str
        candidates : sequence of float
        done : callable, optional
            Called with 1 after each image.
        """
        v_init = torch.tensor(candidates, dtype=self.real)
        threshold, arriving = self.spiking.parameters["v_threshold"][name], self._arriving(name)
        total = torch.zeros(len(candidates), dtype=torch.float64)
        for index in range(self.n_images):
            activation = self.activations[name][index]
            total += summed_squared_errors(arriving(index), activation, v_init, threshold, self.fraction)
            if done is not None:
                done(1)
        return (total / (self.n_images * self._size(name))).tolist()

    def fire(self, name: str, v_init: float) -> None:
        """Simulate a population with its pre-charge, and discard the spikes that no later layer needs."""
        if self.spiking.graph.outgoing(name):
            arriving = self._arriving(name)
            self.trains[name] = [
                np.packbits(self._trains(name, arriving(index), v_init).numpy(), axis=1)
                for index in range(self.n_images)
            ]
        names = self.spiking.populations
        later = self.spiking.graph.layers[names.index(name) :]
        needed = {connection.source for layer in later for connection in layer.connections}
        self.trains = {source: kept for source, kept in self.trains.items() if source in needed}

    def _trains(self, name: str, arriving: Tensor, v_init: float) -> Tensor:
        """Return the spikes of a population, which passes on what arrives if it pools maxima."""
        if name != INPUT and self.spiking.graph.layer(name).is_pooling:
            return arriving != 0
        return spike_trains(arriving, v_init, self.spiking.parameters["v_threshold"][name], self.fraction)

    def _size(self, name: str) -> int:
        return int(np.prod(self.spiking.graph.shapes[name]))

    def _arriving(self, name: str) -> Callable[[int], Tensor]:
        """Return a function of an image's index that returns what is integrated in each step, (n_steps, n_neurons)."""
        if name == INPUT:
            return lambda index: self.activations[INPUT][index].expand(self.n_steps, -1)
        layer, delay = self.spiking.graph.layer(name), self.spiking.synaptic_delay.get(name, 0)
        propagation = Propagation(layer, self.real)
        bias = torch.as_tensor(layer.bias, dtype=self.real).flatten()

        def arriving(index: int) -> Tensor:
            total = bias.repeat(self.n_steps, 1)
            for connection in layer.connections:
                sums = propagation.spikes(connection, self._spikes(connection.source, index))
                total[delay:] += sums[: max(self.n_steps - delay, 0)]
            return total

        return arriving

    def _spikes(self, name: str, index: int) -> Tensor:
        bits = np.unpackbits(self.trains[name][index], axis=1, count=self._size(name))
        return torch.from_numpy(bits).to(self.real)


def _activations(spiking: SpikingNetwork, images: np.ndarray, real: torch.dtype) -> dict[str, Tensor]:
    batches = list(spiking.graph.activations(images))
    return {
        name: torch.cat([torch.as_tensor(np.maximum(values.pop(name), 0.0)).to(real).flatten(1) for values in batches])
        for name in spiking.populations
    }


def summed_squared_errors(
    arriving: Tensor, activation: Tensor, v_init: Tensor, threshold: float, fraction: float
) -> Tensor:
    """Step the membranes of all candidates and return their squared errors, summed over steps and neurons.

    Parameters
    ----------
    arriving : tensor, shape (n_steps, n_neurons)
        What every neuron integrates in each step, bias included.
    activation : tensor, shape (n_neurons,)
        What the firing rate should be.
    v_init : tensor, shape (n_candidates,)
        In thresholds.
    threshold : float
    fraction : float
        Of the threshold that has to be reached.

    Returns
    -------
    tensor of float64, shape (n_candidates,)
    """
    width = max(1, MEMBRANES // len(v_init))
    total = torch.zeros(len(v_init), dtype=torch.float64)
    for start in range(0, len(activation), width):
        chunk = slice(start, start + width)
        total += _chunk_errors(arriving[:, chunk], activation[chunk], v_init, threshold, fraction)
    return total


def _chunk_errors(arriving: Tensor, activation: Tensor, v_init: Tensor, threshold: float, fraction: float) -> Tensor:
    v = (threshold * v_init)[:, None].repeat(1, len(activation))
    fired, error, spike_count = torch.empty_like(v), torch.empty_like(v), torch.zeros_like(v)
    total = torch.zeros(len(v_init), dtype=torch.float64)
    for t, integrated in enumerate(arriving, start=1):
        v += integrated
        torch.ge(v, threshold * fraction, out=fired)
        v.sub_(fired, alpha=threshold)
        spike_count += fired
        torch.div(spike_count, t, out=error).sub_(activation)
        total += torch.linalg.vector_norm(error, dim=1).double().square()
    return total


def spike_trains(arriving: Tensor, v_init: float, threshold: float, fraction: float) -> Tensor:
    """Return the spikes of all neurons, boolean, shape (n_steps, n_neurons); see `summed_squared_errors`."""
    v, spikes = torch.full_like(arriving[0], threshold * v_init), torch.empty_like(arriving)
    for integrated, fired in zip(arriving, spikes, strict=True):
        v += integrated
        torch.ge(v, threshold * fraction, out=fired)
        v.sub_(fired, alpha=threshold)
    return spikes.bool()
