"""Rate coding with analog input: every pixel drives the first hidden layer with its value, in every step.

The input causes multiplications rather than sending spikes.

Source: Rueckauer et al. (2017), Front. Neurosci. 11:682; Kim et al. (2018), section 4.5, on what it costs.
"""

from dataclasses import dataclass, replace

from brianconv.coding import rate
from brianconv.coding.scheme import Coding, PerLayer

CODING = replace(
    rate.CODING.with_encoding("analog"),
    name="analog",
    source="Rueckauer et al. (2017), doi:10.3389/fnins.2017.00682",
)


@dataclass(frozen=True, kw_only=True)
class Analog(Coding):
    """Rate coding with analog input (Rueckauer et al., 2017).

    Attributes
    ----------
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    v_threshold : number, sequence or mapping
        Firing threshold, in normalised activations.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)), coding=Analog(v_init=0.5))
    >>> spiking.model("input").spike_value
    'pixel'
    """

    scheme = CODING
    v_init: PerLayer = None
    v_threshold: PerLayer = None
