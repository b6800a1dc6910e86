"""The same spiking network as loops over tensors: in plain PyTorch, in SpikingJelly and in sinabs.

All integrate a constant current in every pixel from the same pre-charge, reset by subtraction, and count output spikes.
They run either one step of all layers after another, or all steps of a layer at once, which turns the steps into a
larger batch for its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from brianconv.coding.scheme import tolerance
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.graph import INPUT, Layer
from brianconv.spiking import SpikingNetwork

BY_STEP, BY_LAYER = "by_step", "by_layer"
POOLED_SPIKES = (
    "a window of max pooling passes a spike whenever one of its inputs fires, not the spikes of its leading input alone"
)


class Scaling(nn.Module):
    """One weight for every neuron: a shortcut that joins neurons one to one."""

    def __init__(self, connectivity: OneToOne) -> None:
        super().__init__()
        bias = np.zeros(()) if connectivity.bias is None else connectivity.bias
        self.weight, self.bias = (
            nn.Parameter(torch.tensor(values, dtype=torch.float32)) for values in (connectivity.weight, bias)
        )
        self.has_bias = bool(np.any(bias))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias if self.has_bias else x * self.weight


@dataclass(frozen=True, eq=False)
class TorchLayer:
    """A population and what leads to it.

    Attributes
    ----------
    name : str
    inputs : tuple of (str, torch.nn.Module)
        Each source with the normalised weights of its connection; their outputs add up.
    pooling : MaxPooling or None
        The maximum pooling that the population relays; then its weights are those in front of it, if any.
    """

    name: str
    inputs: tuple[tuple[str, nn.Module], ...]
    pooling: MaxPooling | None


def torch_layers(spiking: SpikingNetwork) -> list[TorchLayer]:
    """Return the layers of a network as torch modules.

    Raises NotImplementedError for connectivities without a module.
    """
    return [_layer(layer) for layer in spiking.graph.layers]


def _layer(layer: Layer) -> TorchLayer:
    inputs = tuple((connection.source, _weights(connection)) for connection in layer.connections)
    last = layer.connections[0].chain[-1]
    return TorchLayer(layer.name, inputs, last if isinstance(last, MaxPooling) else None)


def _weights(connection: Connection) -> nn.Module:
    weighted = [connectivity for connectivity in connection.chain if not isinstance(connectivity, MaxPooling)]
    return nn.Sequential(*map(_module, weighted)).eval().requires_grad_(False)


def _module(connectivity: Connectivity) -> nn.Module:
    module: nn.Module
    match connectivity:
        case Reshape():
            return nn.Unflatten(1, connectivity.output_shape) if len(connectivity.output_shape) > 1 else nn.Flatten()
        case OneToOne():
            return Scaling(connectivity)
        case Dense():
            module = nn.Linear(connectivity.weight.shape[1], connectivity.weight.shape[0])
        case AveragePooling():
            return _pooling(connectivity)
        case Convolution():
            return _convolution(connectivity)
        case TransposedConvolution():
            n_in, n_out, rows, columns = connectivity.weight.shape
            module = nn.ConvTranspose2d(
                n_in, n_out * connectivity.groups, (rows, columns), connectivity.stride, connectivity.padding,
                connectivity.output_padding, connectivity.groups, dilation=connectivity.dilation,
            )  # fmt: skip
        case _:
            raise NotImplementedError(f"{type(connectivity).__name__} has no module here")
    return _filled(module, connectivity.weight, connectivity.bias)


def _convolution(connectivity: Convolution) -> nn.Module:
    n_out, n_in, rows, columns = connectivity.weight.shape
    (top, bottom), (left, right) = connectivity.padding
    symmetric = top == bottom and left == right
    convolution = nn.Conv2d(
        n_in * connectivity.groups, n_out, (rows, columns), connectivity.stride, (top, left) if symmetric else 0,
        connectivity.dilation, connectivity.groups,
    )  # fmt: skip
    _filled(convolution, connectivity.weight, connectivity.bias)
    return convolution if symmetric else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), convolution)


def _pooling(pooling: AveragePooling) -> nn.Module:
    (top, bottom), (left, right) = pooling.padding
    rows, columns = pooling.kernel_size
    symmetric = top == bottom and left == right
    inside = symmetric and 2 * top <= rows and 2 * left <= columns  # what AvgPool2d takes
    if inside and np.all(pooling.weight == 1 / (rows * columns)):
        return nn.AvgPool2d((rows, columns), pooling.stride, (top, left))
    return _convolution(pooling.window)


def _filled(module: nn.Module, weight: np.ndarray, bias: np.ndarray) -> nn.Module:
    module.weight, module.bias = (nn.Parameter(torch.tensor(values, dtype=torch.float32)) for values in (weight, bias))
    return module


class Loop(Protocol):
    """A spiking network as a loop over tensors.

    Parameters
    ----------
    spiking : SpikingNetwork
    memory_format : torch.memory_format
        Layout of images and kernels; channels last makes some convolutions twice as fast.

    Attributes
    ----------
    differs : str or None
        What its maximum pooling does otherwise than that of this package.
    """

    differs: ClassVar[str | None]

    def __init__(self, spiking: SpikingNetwork, memory_format: torch.memory_format = ...) -> None: ...

    def __call__(self, images: np.ndarray, n_steps: int) -> np.ndarray:
        """Return the number of spikes of each output neuron, shape (n_images, n_classes)."""


class _Layers:
    """What the loops share: one pass through all layers, with one step or all of them in the tensors."""

    differs: ClassVar[str | None] = None

    def __init__(self, spiking: SpikingNetwork, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        self.layers = torch_layers(spiking)
        self.memory_format = memory_format
        for layer in self.layers:
            for _, module in layer.inputs:
                module.to(memory_format=memory_format)  # type: ignore[call-overload]
        self.v_init: Mapping[str, float] = spiking.parameters["v_init"]
        self.last_use = {source: layer.name for layer in self.layers for source, _ in layer.inputs}

    @torch.inference_mode()
    def __call__(self, images: np.ndarray, n_steps: int) -> np.ndarray:
        x = torch.as_tensor(images, dtype=torch.float32)
        x = x.contiguous(memory_format=self.memory_format) if x.ndim == 4 else x
        return self.run(x, n_steps).flatten(1).numpy()

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        raise NotImplementedError

    def fire(self, name: str, drive: Tensor) -> Tensor:
        raise NotImplementedError

    def pool(self, layer: TorchLayer, spikes: Tensor) -> Tensor:
        pooling = layer.pooling
        assert pooling
        return functional.max_pool2d(spikes, pooling.kernel_size, pooling.stride, pooling.padding)

    def apply(self, module: nn.Module, spikes: Tensor) -> Tensor:
        return module(spikes)

    def propagate(self, x: Tensor) -> Tensor:
        """Return the spikes of the output for the drive of the input."""
        spikes = {INPUT: self.fire(INPUT, x)}
        for layer in self.layers:
            drive = sum(self.apply(module, spikes[source]) for source, module in layer.inputs)
            assert isinstance(drive, Tensor)
            for source, _ in layer.inputs:
                if self.last_use[source] == layer.name:
                    spikes.pop(source, None)
            if layer.pooling:
                spikes[layer.name] = self.pool(layer, drive)
            else:
                spikes[layer.name] = self.fire(layer.name, drive)
        return spikes[self.layers[-1].name]


class TorchBySteps(_Layers):
    """Plain PyTorch, one step of all layers after another."""

    def __init__(self, spiking: SpikingNetwork, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__(spiking, memory_format)
        self.v_threshold: Mapping[str, float] = spiking.parameters["v_threshold"]
        self.share = 1 - tolerance("float32")  # of the threshold that has to be reached
        self.state: dict[str, Tensor] = {}

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        self.state = {}
        counts = self.propagate(x)
        for _ in range(n_steps - 1):
            counts += self.propagate(x)
        return counts

    def fire(self, name: str, drive: Tensor) -> Tensor:
        if name not in self.state:
            self.state[name] = torch.full_like(drive, self.v_init[name])
        v, threshold = self.state[name], self.v_threshold[name]
        v += drive
        spikes = (v >= threshold * self.share).float()
        v.sub_(spikes, alpha=threshold)
        return spikes

    def pool(self, layer: TorchLayer, spikes: Tensor) -> Tensor:
        sent = self.state.get(layer.name)
        self.state[layer.name] = total = spikes if sent is None else sent + spikes
        return _passed(layer, spikes, total)


class TorchByLayers(TorchBySteps):
    """Plain PyTorch, all steps of a layer at once; tensors have shape (n_steps, n_images, ...)."""

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        self.state = {}
        return self.propagate(x.expand(n_steps, *x.shape)).sum(0)

    def fire(self, name: str, drive: Tensor) -> Tensor:
        spikes = torch.empty_like(drive)  # in the same memory format
        for now, arriving in zip(spikes, drive, strict=True):
            now[:] = super().fire(name, arriving)
        return spikes

    def pool(self, layer: TorchLayer, spikes: Tensor) -> Tensor:
        passed = _passed(layer, spikes.flatten(0, 1), spikes.cumsum(0).flatten(0, 1))
        return passed.unflatten(0, spikes.shape[:2])

    def apply(self, module: nn.Module, spikes: Tensor) -> Tensor:
        return module(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])


def _passed(layer: TorchLayer, spikes: Tensor, total: Tensor) -> Tensor:
    """Return the spikes of the input of each window that has fired most, the first one if several have."""
    pooling = layer.pooling
    assert pooling
    _, leader = functional.max_pool2d(
        total, pooling.kernel_size, pooling.stride, pooling.padding, return_indices=True
    )  # fmt: skip
    return spikes.flatten(2).gather(2, leader.flatten(2)).view(leader.shape)


class SpikingJellyBySteps(_Layers):
    """SpikingJelly, one step of all layers after another (``step_mode="s"``).

    Maximum pooling is what SpikingJelly's own converter makes of it: the same pooling, of spikes.
    """

    differs: ClassVar[str | None] = POOLED_SPIKES
    step_mode = "s"

    def __init__(self, spiking: SpikingNetwork, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        from spikingjelly.activation_based import neuron

        super().__init__(spiking, memory_format)
        self.neurons = {
            name: neuron.IFNode(
                v_threshold=spiking.parameters["v_threshold"][name], v_reset=None, step_mode=self.step_mode
            ).eval()
            for name in (INPUT, *(layer.name for layer in self.layers if not layer.pooling))
        }

    def restart(self) -> None:
        """Forget the last images."""
        for name, node in self.neurons.items():
            node.reset()
            node.v = self.v_init[name]

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        self.restart()
        counts = self.propagate(x)
        for _ in range(n_steps - 1):
            counts = counts + self.propagate(x)
        return counts

    def fire(self, name: str, drive: Tensor) -> Tensor:
        return self.neurons[name](drive)


class SpikingJellyByLayers(SpikingJellyBySteps):
    """SpikingJelly, all steps of a layer at once (``step_mode="m"``)."""

    step_mode = "m"

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        self.restart()
        return self.propagate(x.expand(n_steps, *x.shape)).sum(0)

    def pool(self, layer: TorchLayer, spikes: Tensor) -> Tensor:
        return super().pool(layer, spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])

    def apply(self, module: nn.Module, spikes: Tensor) -> Tensor:
        from spikingjelly.activation_based.functional import seq_to_ann_forward

        return seq_to_ann_forward(spikes, module)


class SinabsByLayers(_Layers):
    """sinabs, which runs all steps of a layer at once; tensors have shape (n_images * n_steps, ...)."""

    differs: ClassVar[str | None] = POOLED_SPIKES

    def __init__(self, spiking: SpikingNetwork, memory_format: torch.memory_format = torch.contiguous_format) -> None:
        from sinabs.activation import MembraneSubtract, SingleSpike
        from sinabs.layers import IAFSqueeze

        super().__init__(spiking, memory_format)
        self.v_threshold = spiking.parameters["v_threshold"]
        self.neuron: Callable[..., Any] = IAFSqueeze
        self.options = {"spike_fn": SingleSpike, "reset_fn": MembraneSubtract(), "min_v_mem": None}
        self.n_images = 0

    def run(self, x: Tensor, n_steps: int) -> Tensor:
        self.n_images = len(x)
        return self.propagate(x.repeat_interleave(n_steps, dim=0)).unflatten(0, (len(x), n_steps)).sum(1)

    def fire(self, name: str, drive: Tensor) -> Tensor:
        node = self.neuron(batch_size=self.n_images, spike_threshold=self.v_threshold[name], **self.options)
        node.init_state_with_shape((self.n_images, *drive.shape[1:]))
        node.v_mem.fill_(self.v_init[name])
        return node(drive)


LOOPS: dict[str, dict[str, type[Loop]]] = {
    "dense_torch": {BY_STEP: TorchBySteps, BY_LAYER: TorchByLayers},
    "spikingjelly": {BY_STEP: SpikingJellyBySteps, BY_LAYER: SpikingJellyByLayers},
    "sinabs": {BY_LAYER: SinabsByLayers},
}


def in_batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cut images into batches."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
