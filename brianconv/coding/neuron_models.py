"""Neuron models that coding schemes are built from."""

from brianconv.coding.scheme import NeuronModel

LEAK = " - v / (tau_m * dt)"

INTEGRATE_AND_FIRE = NeuronModel(
    name="integrate_and_fire",
    equations="""
    dv/dt = drive / dt            : 1
    drive                         : 1
    v_threshold                   : 1 (shared, constant)
    v_init                        : 1 (shared, constant)
    """,
    method="euler",
    threshold="v >= v_threshold * (1 - tolerance)",
    reset="v -= v_threshold",  # keep the residue: it is the error of the conversion
    on_image="v = v_init * v_threshold",
    source="Hwang et al. (2021), Eq. 2; Rueckauer et al. (2017), reset by subtraction",
)

RELAY = NeuronModel(
    name="relay",
    equations="""
    v                             : 1
    best                          : 1
    leader                        : integer
    """,
    method="euler",
    threshold="v != 0",
    reset="v = 0",
    on_image="""
    v = 0
    best = 0
    leader = -1
    """,
    spike_value="v",
    source="maximum pooling: immediately passes on what the spike of its window's leading input carried "
    "(Rueckauer et al., 2017; Kim et al., 2018, section 4.3)",
)
