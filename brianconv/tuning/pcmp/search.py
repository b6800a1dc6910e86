"""Layer-wise optimisation of the pre-charged membrane potential (PCMP) of rate coding.

From the input to the output, each layer gets the pre-charge with the smallest error of its firing rates, with all those
before it at their optimum. A layer's input is simulated once, and the membranes of all candidates with it.

Source: Hwang et al. (2021), Front. Neurosci. 15:629000, Eqs. 5 and 6, Algorithm 1. As printed, the algorithm never
advances its candidate and divides by t = 0; here candidates are 0, 0.01, ... 0.5 as in the text, and t = 1 ... 255.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import ms

from brianconv.coding.encodings import CURRENT
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.images import check_images
from brianconv.progress import progress_bar
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.checkpoint import Checkpoint, fingerprint
from brianconv.tuning.pcmp.layer_error import LayerwiseSimulation
from brianconv.tuning.propagation import check_unchanged_synapses
from brianconv.values import mapping, reals

CANDIDATES = tuple(k / 100 for k in range(51))
N_STEPS = 255  # the input has a precision of 8 bits


@dataclass(frozen=True)
class PrechargeResult:
    """Pre-charges of all layers and how they were found.

    Attributes
    ----------
    v_init : mapping of str to float
        The best pre-charge of each population, the input first.
    candidates : sequence of float
    errors : mapping of str to sequence of float
        For each population one error per candidate: the sum over steps of the mean squared SNN error (Eq. 6), averaged
        over images, with all populations in front of it at their optimum.
    n_images, n_steps : int
    """

    v_init: Mapping[str, float]
    candidates: Sequence[float]
    errors: Mapping[str, Sequence[float]]
    n_images: int
    n_steps: int

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters of the coding scheme, as `SpikingNetwork.with_parameters` and ``--set @FILE`` take them."""
        return {"v_init": dict(self.v_init)}

    @property
    def curves(self) -> dict[str, Any]:
        """What a picture of the search needs, as it is written into a file."""
        return {
            "candidates": list(self.candidates),
            "errors": {name: list(values) for name, values in self.errors.items()},
            "n_images": self.n_images,
            "n_steps": self.n_steps,
        }


def tune_pcmp(
    spiking: SpikingNetwork,
    images: np.ndarray,
    *,
    n_steps: int = N_STEPS,
    candidates: Sequence[float] = CANDIDATES,
    dtype: str = "float32",
    state: Path | None = None,
    progress: bool = False,
) -> PrechargeResult:
    """Find the pre-charge of each layer that minimises the error of its firing rates.

    The error of a neuron at step t is its spike count / t minus its activation in the normalised network, which is
    rectified in the output layer too and not limited to 1 (Eqs. 1 and 5).

    Parameters
    ----------
    spiking : SpikingNetwork
        Of rate coding, with unchanged neurons; its `v_init` is not used.
    images : array, shape (n_images, channels, rows, columns)
        Training images in [0, 1].
    n_steps : int
        Steps over which the error is summed.
    candidates : sequence of float
        Pre-charges to try; the first of the best ones is taken.
    dtype : {"float32", "float64"}
    state : Path, optional
        File that is written after each layer; a run that was killed resumes from it. Delete it when it is not needed
        any more.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    ParameterError, DataError, ShapeError
        For another code, changed neurons, or candidates or images that do not fit; before anything is simulated.
    """
    spiking = spiking.in_steps(1 * ms)
    check_pcmp(spiking, images, n_steps, candidates)
    about = {
        "method": "pcmp",
        "network_and_images": fingerprint(spiking, images),
        "parameters": {name: dict(by) for name, by in spiking.parameters.items() if name != "v_init"},
        "n_steps": n_steps,
        "candidates": list(candidates),
        "dtype": dtype,
    }
    checkpoint = Checkpoint(state, about)
    charged = charged_populations(spiking)
    errors: dict[str, list[float]] = checkpoint.load(lambda state: _check_errors(state, charged, len(candidates)))
    if len(errors) < len(charged):
        _search(LayerwiseSimulation(spiking, images, n_steps, dtype), candidates, errors, checkpoint, progress)
    v_init = {name: _best(candidates, errors[name]) for name in charged}
    return PrechargeResult(v_init, tuple(candidates), errors, len(images), n_steps)


def _search(
    simulation: LayerwiseSimulation,
    candidates: Sequence[float],
    errors: dict[str, list[float]],
    checkpoint: Checkpoint,
    progress: bool,
) -> None:
    """Add the errors of the populations that are not there yet (Algorithm 1)."""
    populations, n_images = simulation.spiking.populations, simulation.n_images
    charged = charged_populations(simulation.spiking)
    total = n_images * len(populations)
    with progress_bar(total, "searching", "image", shown=progress) as bar:
        for name in populations:
            bar.set_description(name)
            if name not in charged:  # a relay passes spikes on and has no charge
                bar.update(n_images)
                simulation.fire(name, 0.0)
                continue
            if name not in errors:
                errors[name] = simulation.errors(name, candidates, bar.update)
                checkpoint.save(errors)
            else:
                bar.update(n_images)
            simulation.fire(name, _best(candidates, errors[name]))


def _check_errors(state: Mapping[str, Any], charged: Sequence[str], n_candidates: int) -> None:
    """Raise ValueError unless a state holds the errors of the first populations, one for each candidate."""
    for name in mapping(state, "the state", charged[: len(state)]):
        reals(state[name], f"the errors of {name!r}", n_candidates, 0)


def _best(candidates: Sequence[float], errors: Sequence[float]) -> float:
    return float(candidates[int(np.argmin(errors))])


def charged_populations(spiking: SpikingNetwork) -> list[str]:
    """Return the populations that have a pre-charge: all but those that pool."""
    pooling = {layer.name for layer in spiking.graph.layers if layer.is_pooling}
    return [name for name in spiking.populations if name not in pooling]


def check_pcmp(spiking: SpikingNetwork, images: np.ndarray, n_steps: int, candidates: Sequence[float]) -> None:
    """Raise an error unless pre-charges can be tuned with this network and these images."""
    if spiking.coding.name != "rate":
        raise ParameterError(
            f"coding {spiking.coding.name!r} is not tuned by pcmp, which matches firing rates: use coding 'rate'"
        )
    if spiking.coding.encoding.name != CURRENT.name or spiking.membranes:
        raise ParameterError(
            "pcmp tunes neurons without leak, rest and noise whose pixels are constant currents: leave out tau_m, "
            f"refractory, noise and encoding (here: {spiking.coding.encoding.name!r})"
        )
    check_unchanged_synapses(spiking)
    for name in charged_populations(spiking):
        original = spiking.coding.encoding.neuron if name == INPUT else spiking.coding.neuron
        if spiking.neurons[name] != original:
            raise ParameterError(f"population {name!r} has changed neurons: pcmp needs those of rate coding")
    check_images(images, spiking.graph.input_shape, "images to tune with")
    if n_steps < 1:
        raise ParameterError(f"n_steps is {n_steps}; the error is summed over at least 1 step")
    limits = spiking.coding.parameters["v_init"]
    if not len(candidates) or not all(limits.low <= v <= limits.high for v in candidates):
        raise ParameterError(f"candidates must be one or more numbers in [{limits.low:g}, {limits.high:g}]")
