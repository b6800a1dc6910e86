"""A converted network as a torch module with trainable weights, one threshold and one decay per layer.

It is made from a `SpikingNetwork` of hybrid or direct coding and the module that was converted, and leads back to
both: weights for the module, and settings with which `convert` makes the trained spiking network.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from brian2 import ms
from torch import Tensor, nn
from torch.nn import functional

from brianconv.coding.scheme import tolerance
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Weighted
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.reshape import Reshape
from brianconv.conversion.convert import convert
from brianconv.errors import OutputError, ParameterError, UnsupportedLayerError
from brianconv.files import write_atomically, write_json
from brianconv.graph import INPUT, Layer
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.propagation import check_unchanged_synapses
from brianconv.tuning.stdb.input import encode
from brianconv.tuning.stdb.neurons import CrossingTime, LeakySpikes, Surrogate

OTHER_DROPOUT = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)

CODINGS = ("hybrid", "direct")
LOWEST_THRESHOLD = 1e-3  # relative to the one before training
TRAINED = (Convolution, Dense, AveragePooling, Reshape)


@dataclass(frozen=True)
class Outcome:
    """The network's output for a batch of images.

    Attributes
    ----------
    potentials : Tensor, shape (n_steps, n_images, n_classes)
        Of the output neurons (Eq. 9).
    time : Tensor, shape (n_images, n_classes), or None
        Steps in which they reach their threshold (Eq. 10); None if the readout is the potential alone.
    spikes : mapping of str to Tensor
        Spikes of each population, summed over steps, neurons and images; empty during training. Analog pixels are no
        spikes.
    """

    potentials: Tensor
    time: Tensor | None
    spikes: Mapping[str, Tensor]

    @property
    def decisions(self) -> np.ndarray:
        """Class of each image: the highest U - t, the lowest class if several are equal."""
        score = self.potentials[-1] - (0 if self.time is None else self.time)
        return score.cpu().numpy().argmax(axis=1)


class TrainableNetwork(nn.Module):
    """Leaky neurons with a limited number of spikes, simulated in all steps at once, layer by layer.

    Parameters
    ----------
    model : torch.nn.Module
        The network that was converted; it is not changed. Its dropout also applies to the spikes of the layers before
        it, on the same neurons in all steps of an image.
    spiking : SpikingNetwork
        What `convert` made of it with hybrid or direct coding. Input encoding, readout and spike limit are its own.
    n_steps : int, optional
        By default, the code's own.
    surrogate : Surrogate
    train_decay : bool
        False keeps the decays as they are: 1, integrate-and-fire neurons, after conversion.
    dropout : bool
        False trains without.

    Raises
    ------
    UnsupportedLayerError, ParameterError
        If the network contains something that cannot be trained like this.
    """

    def __init__(
        self,
        model: nn.Module,
        spiking: SpikingNetwork,
        n_steps: int | None = None,
        *,
        surrogate: Surrogate | None = None,
        train_decay: bool = True,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        spiking = spiking.in_steps(1 * ms)
        check_trainable(spiking, n_steps)
        self.spiking, self.surrogate = spiking, surrogate or Surrogate()
        self.n_steps = n_steps or spiking.default_steps
        self._model = [model]  # in a list, as its parameters are not those of this module
        self.functions = {
            layer.name: [part.torch_function() for part in layer.connections[0].chain] for layer in spiking.graph.layers
        }
        self.paths = {layer.name: _weight_path(model, layer) for layer in spiking.graph.layers}
        self.dropout = _dropout_rates(model, spiking, self.paths) if dropout else {}
        self.readout_has_time = spiking.coding.readout.name == "potential_and_time"
        state = model.state_dict()
        self.weights = nn.ParameterDict({name: _parameter(state[path]) for name, path in self.paths.items()})
        timed = [layer.name for layer in spiking.graph.layers if layer.rectified or self.readout_has_time]
        self.v_threshold = nn.ParameterDict({name: self._number("v_threshold", name) for name in timed})
        hidden = [layer.name for layer in spiking.graph.layers if layer.rectified]
        self.decay = nn.ParameterDict({name: self._number("decay", name) for name in hidden})
        self.decay.requires_grad_(train_decay)
        self.lowest = {name: LOWEST_THRESHOLD * float(value.detach()) for name, value in self.v_threshold.items()}

    def _number(self, parameter: str, layer: str) -> nn.Parameter:
        return nn.Parameter(torch.tensor(float(self.spiking.parameters[parameter][layer])))

    def forward(self, images: Tensor, first_image: int | None = None) -> Outcome:
        """Simulate all steps of a batch of images, shape (n_images, channels, rows, columns).

        `first_image` is the index of the first one in its run, on which Poisson input depends; None draws it anew.
        """
        values = {name: by[INPUT] for name, by in self.spiking.parameters.items()}
        sent = {INPUT: encode(images, self.spiking.coding.encoding.name, self.n_steps, values, first_image)}
        analog_steps = self.spiking.coding.encoding.analog_steps
        of_input = sent[INPUT][self.n_steps if analog_steps is None else analog_steps :]
        counts = {} if self.training else {INPUT: (of_input != 0).sum(dtype=torch.float64)}
        for layer in self.spiking.graph.layers:
            (connection,) = layer.connections
            drive = self._transmit(layer.name, sent[connection.source])
            drive = drive.expand(self.n_steps, *drive.shape[1:])
            if not layer.rectified:
                return Outcome(*self._read(layer.name, drive), counts)
            spikes = self._spikes(layer.name, drive)
            if not self.training:
                counts[layer.name] = spikes.sum(dtype=torch.float64)
            sent[layer.name] = self._dropped(layer.name, spikes)
        raise AssertionError("a graph ends with a layer that is not rectified")

    def _transmit(self, name: str, sent: Tensor) -> Tensor:
        x = sent.flatten(0, 1)
        for apply in self.functions[name]:
            x = apply(x, self.weights[name], None)
        return x.unflatten(0, sent.shape[:2])

    def _spikes(self, name: str, drive: Tensor) -> Tensor:
        limit = self.spiking.parameters["spike_limit"][name]
        values = (self.v_threshold[name], self.decay[name], self.surrogate, limit, _tolerance(drive))
        return LeakySpikes.apply(drive, *values)  # type: ignore[no-untyped-call]

    def _dropped(self, name: str, spikes: Tensor) -> Tensor:
        rate = self.dropout.get(name, 0.0)
        if not self.training or not rate:
            return spikes
        return spikes * functional.dropout(torch.ones_like(spikes[:1]), rate)

    def _read(self, name: str, drive: Tensor) -> tuple[Tensor, Tensor | None]:
        potentials = drive.to(torch.promote_types(drive.dtype, torch.float32)).cumsum(dim=0)
        if not self.readout_has_time:
            return potentials, None
        threshold, beta = self.v_threshold[name], self.surrogate.beta
        reached = CrossingTime.apply(potentials.detach(), threshold, beta, _tolerance(drive))  # type: ignore[no-untyped-call]
        return potentials, reached

    @torch.no_grad()
    def confine(self) -> None:
        """Keep decays in [0, 1] and thresholds positive; the paper does not say how it does."""
        for decay in self.decay.values():
            if decay.requires_grad:
                decay.clamp_(0, 1)
        for name, threshold in self.v_threshold.items():
            threshold.clamp_(min=self.lowest[name])

    def trained_model(self) -> nn.Module:
        """Return a copy of the module that was converted, with the weights of this network."""
        model = copy.deepcopy(self._model[0])
        state = model.state_dict()
        for name, path in self.paths.items():
            state[path].copy_(self.weights[name].detach().cpu())
        return model

    def settings(self) -> dict[str, Any]:
        """Return the settings of `convert` (and of ``brianconv run --set @FILE``) for the trained network."""
        scheme, given = self.spiking.coding, self.spiking.parameters
        settings: dict[str, Any] = {"normalization": "none"}
        settings["v_threshold"] = {name: float(value.detach()) for name, value in self.v_threshold.items()}
        settings["decay"] = {name: float(value.detach()) for name, value in self.decay.items()}
        settings |= {name: given[name][INPUT] for name in scheme.encoding.parameters}
        settings |= {"encoding": scheme.encoding.name, "readout": scheme.readout.name}
        settings["spike_limit"] = given["spike_limit"][self.spiking.output]
        return {
            key: int(value) if key in ("window", "seed", "spike_limit") else value for key, value in settings.items()
        }

    def converted(self) -> SpikingNetwork:
        """Return the trained spiking network, for the simulation."""
        shape = self.spiking.graph.input_shape
        return convert(self.trained_model(), coding=self.spiking.coding.name, input_shape=shape, **self.settings())


def save_trained(network: TrainableNetwork, path: Path, mean: Sequence[float] = (), std: Sequence[float] = ()) -> Path:
    """Write weights and settings for ``brianconv run MODEL --weights WEIGHTS --coding ... --set @PATH``.

    Parameters
    ----------
    network : TrainableNetwork
    path : Path
        JSON file of the settings; the weights (float32) are beside it, with the suffix .safetensors.
    mean, std : sequence of float
        By channel, of images that were standardised.

    Returns
    -------
    Path
        Of the weights.
    """
    weights = path.with_suffix(".safetensors")
    state = {key: value.detach().cpu().contiguous() for key, value in network.trained_model().state_dict().items()}
    statistics = {"mean": list(mean), "std": list(std)} if mean else {}
    try:
        write_atomically(weights, lambda file: file.write(safetensors.torch.save(state)))
        write_json(path, {**network.settings(), **statistics})
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r} ({error.strerror})") from error
    return weights


def check_trainable(spiking: SpikingNetwork, n_steps: int | None = None) -> None:
    """Raise UnsupportedLayerError or ParameterError, with the reason, if a spiking network cannot be trained."""
    if spiking.coding.name not in CODINGS:
        raise ParameterError(
            f"coding {spiking.coding.name!r} is not trained by spike-timing-dependent backpropagation, which needs the "
            f"leaky neurons of {' or '.join(CODINGS)} coding"
        )
    if n_steps is not None and (not isinstance(n_steps, int) or n_steps < 1):
        raise ParameterError(f"n_steps is {n_steps!r}; it is a whole number, 1 or more")
    window = spiking.parameters.get("window", {}).get(INPUT)
    if n_steps is not None and window is not None and n_steps != window:
        raise ParameterError(
            f"n_steps is {n_steps}, but pixels fire within a window of {window:g}: set window={n_steps}"
        )
    if any(spiking.synaptic_delay.values()) or spiking.membranes or any(spiking.parameters["v_init"].values()):
        raise ParameterError(
            "synaptic delays, noise, refractory periods, further decays and pre-charges are not trained: leave out "
            "synaptic_delay, tau_m, refractory, noise and v_init"
        )
    check_unchanged_synapses(spiking)
    for layer in spiking.graph.layers:
        _check_layer(layer, layer is spiking.graph.output)


def _check_layer(layer: Layer, is_output: bool) -> None:
    name = f"layer {layer.name!r}"
    if layer.is_pooling:
        raise UnsupportedLayerError(
            f"{name} (maximum pooling) cannot be trained: which of its inputs leads changes from step to step, and "
            "binary spikes lose too much in it (Datta et al., 2021, section V-A); replace it by average pooling"
        )
    if layer.rectified == is_output:
        raise UnsupportedLayerError(f"{name}: every layer but the output, and not the output, needs a ReLU")
    if len(layer.connections) > 1:
        raise UnsupportedLayerError(
            f"{name} adds up {len(layer.connections)} connections; only chains of layers are trained, without residual "
            "additions or concatenations"
        )
    chain = layer.connections[0].chain
    other = [type(g).__name__ for g in chain if not isinstance(g, TRAINED)]
    if other:
        raise UnsupportedLayerError(
            f"{name} contains {other[0]}, which is not trained here; supported: Linear, Conv2d, average pooling"
        )
    if sum(connectivity.weighted for connectivity in chain) != 1:
        raise UnsupportedLayerError(f"{name} has several weights without a ReLU between them: make them one layer")
    if layer.bias.any():
        raise UnsupportedLayerError(
            f"{name} has a bias; the networks of Datta et al. (2021) have none (section V-A): train the network with "
            "bias=False and without batch normalisation"
        )


def _weight_path(model: nn.Module, layer: Layer) -> str:
    """Return the name in the module's state of a layer's weights."""
    (connectivity,) = (g for g in layer.connections[0].chain if isinstance(g, Weighted))
    state = model.state_dict()
    for path in layer.modules:
        stored = state.get(f"{path}.weight")
        if stored is not None and np.array_equal(stored.cpu().numpy(), connectivity.weight):
            return f"{path}.weight"
    raise UnsupportedLayerError(
        f"layer {layer.name!r} has other weights than the modules it was made of ({', '.join(layer.modules)}), so that "
        "trained ones could not be put back: convert with normalization='none', and without batch normalisation or "
        "weight_bits"
    )


def _dropout_rates(model: nn.Module, spiking: SpikingNetwork, paths: Mapping[str, str]) -> dict[str, float]:
    """Return the dropout between each layer and the next, in the order in which modules are called."""
    names = {path.removesuffix(".weight"): name for name, path in paths.items()}
    called: list[tuple[str, nn.Module]] = []
    model = copy.deepcopy(model).cpu().float().eval()
    for path, module in model.named_modules():
        if isinstance(module, OTHER_DROPOUT):
            raise UnsupportedLayerError(
                f"{path} ({type(module).__name__}) cannot be trained: use nn.Dropout, which takes out single neurons, "
                "or leave dropout out (dropout=False, --no-dropout)"
            )
        if path in names or isinstance(module, nn.Dropout):
            module.register_forward_hook(lambda module, _, __, path=path: called.append((path, module)))
    with torch.no_grad():
        model(torch.zeros(1, *spiking.graph.input_shape))
    rates: dict[str, float] = {}
    last = INPUT
    for path, module in called:
        last = names.get(path, last)
        if path not in names:
            rates[last] = float(module.p)  # type: ignore[arg-type]
    return {name: rate for name, rate in rates.items() if name != INPUT and rate > 0}


def _parameter(weight: Tensor) -> nn.Parameter:
    layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
    return nn.Parameter(weight.detach().clone(memory_format=layout))


def _tolerance(drive: Tensor) -> float:
    return tolerance("float64" if drive.dtype == torch.float64 else "float32")
