"""Readouts: how a score for each class is taken from the output population."""

from brianconv.coding.scheme import Readout

SPIKE_COUNT = Readout(
    name="spike_count",
    equations="""
    spike_count                   : integer
    score                         : 1
    """,
    on_spike="spike_count += int(step > delay)",
    on_image="spike_count = 0",
    evaluate="score = spike_count / clip(step - delay, 1, step)",
    source="Hwang et al. (2021), section 'Delayed Evaluation': spikes count from step delay + 1 on",
)

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

READOUTS = {readout.name: readout for readout in (SPIKE_COUNT, ACCUMULATED_POTENTIAL)}
