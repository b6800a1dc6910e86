"""Neuron models that codes are made of."""

from brianconv.coding.scheme import NeuronModel

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
    on_image="v = v_init",
    source="Hwang et al. (2021), Eq. 2; Rueckauer et al. (2017), reset by subtraction",
)

NEURONS = {model.name: model for model in (INTEGRATE_AND_FIRE,)}
