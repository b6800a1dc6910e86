"""A toy code: spikes come in pairs, each worth two. A code is one file like this one, and one entry in the registry."""

from brianconv.coding.encodings import ANALOG
from brianconv.coding.readouts import ACCUMULATED_POTENTIAL
from brianconv.coding.scheme import CodingScheme, NeuronModel, Parameter

PAIRS = NeuronModel(
    name="pairs",
    equations="""
    dv/dt = drive / dt : 1
    drive : 1
    v_init : 1 (shared, constant)
    """,
    method="euler",
    threshold="v >= 2 * (1 - tolerance)",
    reset="v -= 2",
    on_image="v = v_init",
    spike_value="2",
    source="none: a toy",
)
CODING = CodingScheme(
    name="toy",
    encoding=ANALOG,
    neuron=PAIRS,
    readout=ACCUMULATED_POTENTIAL,
    default_steps=80,
    parameters={"v_init": Parameter(1.0, 0.0, 1.99, "initial potential", "none", per_layer=True)},
    source="none: a toy",
)
