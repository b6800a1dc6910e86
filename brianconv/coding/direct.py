"""Direct coding: analog pixels in every step, leaky neurons that fire whenever they cross their threshold.

It is hybrid coding with another input and without a limit on spikes: the conversion that Datta et al. (2021) train
from (Table I, column b), and after Rathi and Roy (2020) the network (c) of their Figure 4. The measured thresholds
are taken as they are: the papers' factor of 0.4 lets spikes through within few steps, but neurons then saturate at
0.4 of their range (``threshold_factor=0.4`` sets it).

Source: Rathi and Roy (2020), DIET-SNN, arXiv:2008.03658; Datta et al. (2021), section V-A.
"""

from dataclasses import dataclass, replace

from brianconv.coding import hybrid
from brianconv.coding.burst import score_of_one
from brianconv.coding.readouts import ACCUMULATED_POTENTIAL

NO_LIMIT = 1e9

CODING = replace(
    hybrid.CODING.with_encoding("analog").with_readout(ACCUMULATED_POTENTIAL.name),
    name="direct",
    parameters={
        **hybrid.PARAMETERS,
        "spike_limit": replace(hybrid.PARAMETERS["spike_limit"], default=NO_LIMIT),
    },
    no_max_pooling="",
    score_of_one=score_of_one,
    measured_threshold=1.0,
    source="Rathi and Roy (2020), arXiv:2008.03658; Datta et al. (2021), section V-A",
)


@dataclass(frozen=True, kw_only=True)
class Direct(hybrid.Hybrid):
    """Direct coding: analog pixels in every step (Rathi and Roy, 2020).

    Attributes
    ----------
    v_threshold : number, sequence or mapping
        Threshold of a layer; measured in the spiking network unless given.
    decay : number, sequence or mapping
        Share of the potential that is left after a step (Datta et al., 2021, Eq. 6, lambda).
    spike_limit : float
        Most spikes of a hidden neuron (Datta et al., 2021, Eq. 8).
    v_init : number, sequence or mapping
        Pre-charged membrane potential, in thresholds, 0 to 0.99 (Hwang et al., 2021, Eq. 4).
    window : int or Quantity
        Time T within which every pixel fires (Datta et al., 2021, Eq. 4).
    pixel_low, pixel_high : float
        Range of pixels; of the calibration images unless given.
    threshold_factor : float
        By which measured thresholds are multiplied.
    encoding : {"analog", "hybrid", "single_spike", "poisson"}
        Input encoding, the scheme's own by default.
    readout : {"potential_and_time", "accumulated_potential"}
        Readout, the scheme's own by default.
    seed : int
        Of the random numbers of Poisson input.

    Examples
    --------
    >>> Direct(window=5, decay=0.9).options
    {'decay': 0.9, 'window': 5}
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)), coding=Direct(decay=0.9))
    >>> sorted(spiking.parameters["v_threshold"])
    ['input', 'layer_0', 'layer_2']
    """

    scheme = CODING
