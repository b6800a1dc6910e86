"""Input encodings that several codes share: how the pixels of an image enter the network.

Those in this file send, on average, the value of a pixel in every step.

Examples
--------
>>> encodings.ANALOG.name
'analog'
"""

from dataclasses import replace

from brianconv.coding.neuron_models import INTEGRATE_AND_FIRE
from brianconv.coding.scheme import InputEncoding, NeuronModel, Parameter

CURRENT = InputEncoding(
    name="current",
    neuron=INTEGRATE_AND_FIRE,
    on_image="drive = pixel",
    source="Hwang et al. (2021), Eq. 3: constant currents into integrate-and-fire input neurons",
)

PIXEL = NeuronModel(
    name="pixel",
    equations="""
    v = pixel : 1
    """,
    method="euler",
    threshold="pixel != 0",
    reset="",
    on_image="",
    spike_value="pixel",
    source="Rueckauer et al. (2017): input currents are products of pixels and weights",
)
ANALOG = InputEncoding(
    name="analog",
    neuron=PIXEL,
    on_image="",
    bounded=False,
    analog_steps=None,
    source="Rueckauer et al. (2017)",
)

POISSON_PIXEL = NeuronModel(
    name="poisson_pixel",
    equations="""
    v = pixel                       : 1
    chance = uniform(seed, image_index, step, i) : 1
    seed                            : 1 (shared, constant)
    image_index                     : integer (linked)
    step                            : integer (linked)
    """,
    method="euler",
    threshold="chance < abs(pixel)",
    reset="",
    on_image="",
    spike_value="sign(pixel)",
    source="Diehl et al. (2015): a pixel fires with a probability of its value in each step; a negative one sends "
    "negative spikes, and one outside [-1, 1] fires in every step (Rathi et al., 2020)",
)
POISSON = InputEncoding(
    name="poisson",
    neuron=POISSON_PIXEL,
    on_image="",
    parameters={"seed": Parameter(0, 0, 2**31 - 1, "seed of the random numbers", "", whole=True)},
    source="Diehl et al. (2015), IJCNN; Kim et al. (2018), section 3.3, Eq. 5",
)
SIGNED_POISSON = replace(POISSON, bounded=False, source="Rathi et al. (2020), for images of zero mean")

OMEGA = """
omega = 2.0 ** (-1 - (step - 1) % n_phases) : 1 (shared)
n_phases                                    : 1 (shared, constant)
step                                        : integer (linked)
"""
N_PHASES = Parameter(8, 1, 24, "number of phases K of a period", "Kim et al. (2018), Eq. 6", whole=True)
DIGITS = NeuronModel(
    name="binary_digits",
    equations="""
    dv/dt = drive * int((step - 1) % n_phases == 0) / dt : 1
    drive                                                : 1
    """
    + OMEGA,
    method="euler",
    threshold="v >= omega * (1 - tolerance)",
    reset="v -= omega",
    on_image="v = 0",
    spike_value="omega",
    source="Kim et al. (2018), section 4.1 and Figure 2: the digits of the value, repeated in every period",
)
DIGITS_PER_STEP = NeuronModel(
    name="binary_digits_per_step",
    equations=DIGITS.equations,
    method=DIGITS.method,
    threshold=DIGITS.threshold,
    reset=DIGITS.reset,
    on_image=DIGITS.on_image,
    spike_value="n_phases * omega",
    source="Park et al. (2019), phase-burst coding: the digits of Kim et al. (2018), times the steps of a period",
)
ROUNDED_PIXEL = "drive = floor(pixel * (2.0 ** n_phases - 1) + 0.5) / 2.0 ** n_phases"
PHASE = InputEncoding(
    name="phase",
    neuron=DIGITS_PER_STEP,
    on_image=ROUNDED_PIXEL,
    parameters={"n_phases": N_PHASES},
    source="Kim et al. (2018), section 4.1, as the input of a coding scheme that adds up values of every step",
)
