"""How long and how fast the spiking network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from brianconv.errors import ParameterError


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    epochs : int
        Passes over the images. The paper takes 150.
    batch_size : int
        Images per step of the descent. The paper does not give it.
    learning_rate : float
        Learning rate of the first epochs.
    decay : float
        Factor of the learning rate every `decay_every` epochs.
    decay_every : int
        Epochs between reductions of the learning rate.
    seed : int
        Of the order of images, dropout and Poisson input.
    bf16 : bool
        Multiply weights and spikes in bfloat16, which is faster where the processor has it. Potentials and gradients of
        weights stay in float32.
    save_every : int
        Batches between two checkpoints.
    average : float
        Decay per batch of a moving average of weights, thresholds and decays, which is what the training returns. 0
        returns those after the last batch, as the paper does.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-4
    decay: float = 0.1
    decay_every: int = 10
    seed: int = 0
    bf16: bool = False
    save_every: int = 50
    average: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "decay_every", "save_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ParameterError(f"{name} is {value!r}; it is a whole number, 1 or more")
        for name in ("learning_rate", "decay"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 < value <= 1:
                raise ParameterError(f"{name} is {value!r}; it must lie above 0 and not above 1")
        if not isinstance(self.average, (int, float)) or not 0 <= self.average < 1:
            raise ParameterError(f"average is {self.average!r}; it must lie in [0, 1)")
