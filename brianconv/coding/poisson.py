"""Rate coding with Poisson input: every pixel fires at random, with a probability of its value in each step.

The spikes depend on seed, image, step and pixel only, so that a run can be repeated, and divided among processes.

Source: Diehl et al. (2015), IJCNN; Kim et al. (2018), section 3.3: the rate coding that they compare with.
"""

from dataclasses import dataclass, replace

from brianconv.coding import rate
from brianconv.coding.scheme import Coding, PerLayer

CODING = replace(
    rate.CODING.with_encoding("poisson"),
    name="poisson",
    default_steps=200,
    source="Diehl et al. (2015), doi:10.1109/IJCNN.2015.7280696; Kim et al. (2018), SNN-RC",
)


@dataclass(frozen=True, kw_only=True)
class Poisson(Coding):
    """Rate coding with Poisson input (Diehl et al., 2015).

    Attributes
    ----------
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    v_threshold : number, sequence or mapping
        Firing threshold, in normalised activations.
    seed : int
        Of the random numbers of Poisson input.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> spiking = convert(model, images, coding="poisson")
    >>> one, other = (simulate(spiking, images, 20, seed=seed) for seed in (1, 2))
    >>> bool((one.spike_counts == other.spike_counts).all())
    False
    """

    scheme = CODING
    v_init: PerLayer = None
    v_threshold: PerLayer = None
    seed: int | None = None
