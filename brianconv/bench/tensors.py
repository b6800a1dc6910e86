"""The same spiking network as loops over tensors: in plain PyTorch, in SpikingJelly and in sinabs.

All integrate a constant current in every pixel from the same pre-charge, reset by subtraction, and count output spikes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from brianconv.conversion.geometry import Convolution, Dense, Geometry, Reshape
from brianconv.conversion.graph import INPUT
from brianconv.spiking import SpikingNetwork

Run = Callable[[np.ndarray, int], np.ndarray]


def modules(spiking: SpikingNetwork) -> list[nn.Module]:
    """Return, for each layer, its normalised weights as a torch module; the network must be a chain of layers."""
    previous = INPUT
    converted: list[nn.Module] = []
    for layer in spiking.graph.layers:
        if [connection.source for connection in layer.connections] != [previous]:
            raise NotImplementedError(f"layer {layer.name!r} does not follow {previous!r} alone")
        pieces = [_module(geometry) for geometry in layer.connections[0].chain]
        converted.append(nn.Sequential(*pieces).eval().requires_grad_(False))
        previous = layer.name
    return converted


def _module(geometry: Geometry) -> nn.Module:
    module: nn.Module
    match geometry:
        case Reshape():
            return nn.Unflatten(1, geometry.output_shape) if len(geometry.output_shape) > 1 else nn.Flatten()
        case Dense():
            module = nn.Linear(geometry.weight.shape[1], geometry.weight.shape[0])
        case Convolution():
            n_out, n_in, rows, columns = geometry.weight.shape
            padding = (geometry.padding[0][0], geometry.padding[1][0])
            module = nn.Conv2d(
                n_in * geometry.groups, n_out, (rows, columns), geometry.stride, padding, geometry.dilation,
                geometry.groups,
            )  # fmt: skip
        case _:
            raise NotImplementedError(f"{type(geometry).__name__} has no module here")
    module.weight = nn.Parameter(torch.tensor(geometry.weight, dtype=torch.float32))
    module.bias = nn.Parameter(torch.tensor(geometry.bias, dtype=torch.float32))
    return module


def dense_torch(spiking: SpikingNetwork) -> Run:
    """Return a loop over steps and layers in PyTorch."""
    layers = modules(spiking)
    v_init = list(spiking.parameters["v_init"].values())

    @torch.inference_mode()
    def run(images: np.ndarray, n_steps: int) -> np.ndarray:
        x = torch.as_tensor(images, dtype=torch.float32)
        potentials: list[torch.Tensor] = []
        counts = torch.zeros(())
        for _ in range(n_steps):
            drive = x
            for k in range(len(v_init)):
                if len(potentials) == k:
                    potentials.append(torch.full_like(drive, v_init[k]))
                v = potentials[k].add_(drive)
                spikes = (v >= 1).float()
                v.sub_(spikes)
                drive = layers[k](spikes) if k < len(layers) else spikes
            counts = counts + drive
        return counts.flatten(1).numpy()

    return run


def spikingjelly(spiking: SpikingNetwork) -> Run:
    """Return a loop over steps with the integrate-and-fire neurons of SpikingJelly."""
    from spikingjelly.activation_based import functional as sj_functional
    from spikingjelly.activation_based import neuron

    v_init = list(spiking.parameters["v_init"].values())
    neurons = [neuron.IFNode(v_threshold=1.0, v_reset=None) for _ in v_init]
    pieces = [piece for pair in zip(modules(spiking), neurons[1:], strict=True) for piece in pair]
    network = nn.Sequential(neurons[0], *pieces).eval()

    @torch.inference_mode()
    def run(images: np.ndarray, n_steps: int) -> np.ndarray:
        x = torch.as_tensor(images, dtype=torch.float32)
        sj_functional.reset_net(network)
        for node, value in zip(neurons, v_init, strict=True):
            node.v = value
        return sum(network(x) for _ in range(n_steps)).flatten(1).numpy()  # type: ignore[union-attr]

    return run


def sinabs(spiking: SpikingNetwork) -> Run:
    """Return all steps of each layer in turn with the integrate-and-fire neurons of sinabs."""
    from sinabs.activation import MembraneSubtract, SingleSpike
    from sinabs.layers import IAFSqueeze

    v_init = list(spiking.parameters["v_init"].values())
    layers: list[nn.Module] = modules(spiking)

    @torch.inference_mode()
    def run(images: np.ndarray, n_steps: int) -> np.ndarray:
        x = torch.as_tensor(images, dtype=torch.float32)
        values = x.repeat_interleave(n_steps, dim=0)
        for k, value in enumerate(v_init):
            node = IAFSqueeze(
                batch_size=len(x), spike_threshold=1.0, spike_fn=SingleSpike, reset_fn=MembraneSubtract(),
                min_v_mem=None,
            )  # fmt: skip
            node.init_state_with_shape((len(x), *values.shape[1:]))
            node.v_mem.fill_(value)
            values = node(values)
            values = layers[k](values) if k < len(layers) else values
        return values.reshape(len(x), n_steps, -1).sum(1).numpy()

    return run


TENSORS: dict[str, Callable[[SpikingNetwork], Run]] = {
    "dense_torch": dense_torch,
    "spikingjelly": spikingjelly,
    "sinabs": sinabs,
}


def in_batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cut images into batches."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
