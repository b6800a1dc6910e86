"""Readouts: how a score for each class is taken from the output population.

Examples
--------
>>> sorted(name for name in dir(readouts) if name.isupper())[:2]
['ACCUMULATED_POTENTIAL', 'ACCUMULATOR']
"""

from brianconv.coding.scheme import NeuronModel, Readout

ACCUMULATED_POTENTIAL = Readout(
    name="accumulated_potential",
    equations="""
    score                         : 1
    """,
    on_spike="",
    on_image="",
    evaluate="score = v",
    fires=False,
    source="Kim et al. (2018), Eqs. 16 and 17; Park et al. (2020)",
)

ACCUMULATOR = NeuronModel(
    name="accumulator",
    equations="""
    dv/dt = drive / dt            : 1
    drive                         : 1
    v_threshold                   : 1 (shared, constant)
    v_init                        : 1 (shared, constant)
    """,
    method="euler",
    threshold="v >= v_threshold * (1 - tolerance)",
    reset="",
    on_image="v = v_init * v_threshold",
    source="Datta et al. (2021), Eq. 9: no leak",
)
POTENTIAL_AND_TIME = Readout(
    name="potential_and_time",
    equations="""
    crossed                       : 1
    score                         : 1
    """,
    on_spike="",
    on_image="crossed = 0",
    evaluate="""
    crossed += step * int(crossed == 0 and v >= v_threshold * (1 - tolerance))
    score = v - crossed - step * int(crossed == 0)
    """,
    fires=False,
    neuron=ACCUMULATOR,
    source="Datta et al. (2021), Eqs. 9 to 11: the product of two softmaxes is highest where U - t is; a neuron that "
    "has not crossed its threshold does so in the last step",
)

FIRST_SPIKE_VALUE = Readout(
    name="first_spike",
    equations="""
    score                         : 1
    """,
    on_spike="score = kernel",
    on_image="score = 0",
    evaluate="",
    more_steps=lambda values: int(values["start"] or values["window"]),
    source="Park et al. (2020), section III A: the output fires in a window of its own, and the earliest spike decides",
)
