"""Direct coding: analog pixels in every step, leaky neurons that fire whenever they cross their threshold.

It is hybrid coding with another input and without a limit on spikes: the conversion that Datta et al. (2021) train
from (Table I, column b), and, following Rathi and Roy (2020), network (c) of their Figure 4. The measured thresholds
are taken as they are: the papers' factor of 0.4 lets spikes through within few steps, but neurons then saturate at
0.4 of their range (``threshold_factor=0.4`` sets it).

Source: Rathi and Roy (2020), DIET-SNN, arXiv:2008.03658; Datta et al. (2021), section V-A.
"""

from dataclasses import dataclass, replace
from inspect import getdoc

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


EXAMPLES = """
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


@dataclass(frozen=True, kw_only=True)
class Direct(hybrid.Hybrid):
    __doc__ = "\n\n".join(
        [
            "Direct coding: analog pixels in every step (Rathi and Roy, 2020).",
            (getdoc(hybrid.Hybrid) or "").partition("\n\n")[2].partition("\n\nExamples")[0],  # the same fields
            EXAMPLES.strip(),
        ]
    )

    scheme = CODING
