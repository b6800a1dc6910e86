"""Parameters of the study: what is trained, how long, and in which variants."""

from dataclasses import dataclass, field
from typing import Any

from brianconv.tuning.stdb.neurons import Surrogate
from brianconv.tuning.stdb.settings import Schedule

T = 5
CONVERTED_STEPS = 200  # Table I, column b
N_CALIBRATION = 1000  # training images for thresholds and the range of pixels
N_FOLLOWED = 1000  # test images that are looked at after every epoch, which decides nothing
DTYPE = "float32"


@dataclass(frozen=True)
class Network:
    """A network, its data, and how it is trained at T steps: with the model's dropout, then without for all of `then`.

    `n_converted` test images are run for CONVERTED_STEPS steps; the paper's accuracies in % are those of its Table I:
    ANN, converted, trained.
    """

    model: str
    data: str
    schedule: Schedule
    n_converted: int
    variants: Schedule
    then: tuple[Schedule, ...] = ()
    paper: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Variant:
    """A row of Figure 4, or another reading of the equations: options of `convert`, steps, and gradients."""

    options: dict[str, Any]
    n_steps: int = T
    train_decay: bool = True
    surrogate: Surrogate = field(default_factory=Surrogate)
    figure: str = ""


NETWORKS = {
    "mnist_cnn": Network(
        "models/datta2021.py:mnist_cnn",
        "mnist",
        Schedule(epochs=8, batch_size=64, learning_rate=1e-3, decay_every=5, bf16=True),
        n_converted=1000,
        variants=Schedule(epochs=3, batch_size=64, learning_rate=1e-3, decay_every=2, bf16=True),
    ),
    "vgg6": Network(
        "models/datta2021.py:vgg6",
        "cifar10",
        Schedule(epochs=10, batch_size=64, decay=0.3, decay_every=4, bf16=True),
        n_converted=500,
        variants=Schedule(epochs=2, batch_size=64, decay_every=2, bf16=True),
        then=(
            Schedule(
                epochs=10, batch_size=64, learning_rate=2e-4, decay=0.3, decay_every=8, seed=1, bf16=True, average=0.999
            ),
        ),
        paper=(90.22, 89.98, 88.89),
    ),
}
ONE, MANY = 1, 10**9
HYBRID = {"spike_limit": ONE, "window": T}
DIRECT = {"encoding": "analog", "readout": "accumulated_potential"}
POISSON = {"encoding": "poisson", "readout": "accumulated_potential"}
VARIANTS = {
    "hybrid, one spike": Variant(HYBRID, figure="f"),
    "hybrid, one spike, Eqs. 19 to 23 as printed": Variant(HYBRID, surrogate=Surrogate(through_time=False)),
    "hybrid, one spike, no gradient after it": Variant(HYBRID, surrogate=Surrogate(after_spike=False)),
    "hybrid, many spikes": Variant({"spike_limit": MANY, "window": T}, figure="d"),
    "direct, one spike": Variant({**DIRECT, "spike_limit": ONE}, figure="e"),
    "direct, many spikes": Variant({**DIRECT, "spike_limit": MANY}, figure="c"),
    "Poisson, integrate-and-fire": Variant({**POISSON, "spike_limit": MANY}, n_steps=20, train_decay=False, figure="a"),
    "spikes only, one spike": Variant({"encoding": "single_spike", "spike_limit": ONE, "window": T}),
}
# of the variants, all from the same converted network
VARIANT_IMAGES = 12_000
