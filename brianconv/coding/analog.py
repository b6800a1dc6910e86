"""Rate coding with analog input: every pixel drives the first hidden layer with its value, in every step.

What the input sends are multiplications rather than spikes.

Source: Rueckauer et al. (2017), Front. Neurosci. 11:682; Kim et al. (2018), section 4.5, on what it costs.
"""

from dataclasses import replace

from brianconv.coding import rate

SCHEME = replace(
    rate.SCHEME.with_encoding("analog"),
    name="analog",
    source="Rueckauer et al. (2017), doi:10.3389/fnins.2017.00682",
)
