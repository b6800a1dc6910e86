"""Rate coding with Poisson input: every pixel fires at random, with a probability of its value in each step.

The spikes depend on seed, image, step and pixel only, so that a run can be repeated, and divided among processes.

Source: Diehl et al. (2015), IJCNN; Kim et al. (2018), section 3.3: the rate code they compare with.
"""

from dataclasses import replace

from brianconv.coding import rate

SCHEME = replace(
    rate.SCHEME.with_encoding("poisson"),
    name="poisson",
    default_steps=200,
    source="Diehl et al. (2015), doi:10.1109/IJCNN.2015.7280696; Kim et al. (2018), SNN-RC",
)
