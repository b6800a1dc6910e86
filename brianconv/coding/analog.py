"""Rate coding with analog input: every pixel drives the first hidden layer with its value, in every step.

What the input sends are multiplications rather than spikes.

Source: Rueckauer et al. (2017), Front. Neurosci. 11:682; Kim et al. (2018), section 4.5, on what it costs.
"""

from brianconv.coding.neurons import INTEGRATE_AND_FIRE
from brianconv.coding.rate import PARAMETERS, threshold_path
from brianconv.coding.readouts import SPIKE_COUNT
from brianconv.coding.scheme import CodingScheme, InputEncoding, NeuronModel

PIXEL = NeuronModel(
    name="pixel",
    equations="""
    v = pixel : 1
    """,
    method="euler",
    threshold="pixel != 0",
    reset="",
    on_image="",
    on_pre="v_post += w * pixel_pre",
    source="Rueckauer et al. (2017): input currents are products of pixels and weights",
)
ANALOG = InputEncoding(
    name="analog",
    neuron=PIXEL,
    on_image="",
    source="Rueckauer et al. (2017)",
)

SCHEME = CodingScheme(
    name="analog",
    encoding=ANALOG,
    neuron=INTEGRATE_AND_FIRE,
    readout=SPIKE_COUNT,
    default_steps=100,
    parameters=PARAMETERS,
    threshold_path=threshold_path,
    source="Rueckauer et al. (2017), doi:10.3389/fnins.2017.00682",
)
