"""Connections that users changed: closed forms, and the same spikes in both modes and with both kinds of synapses."""

import numpy as np
import pytest
import torch
from brian2 import Synapses, ms
from torch import nn

from brianconv import Simulation, convert, simulate, verify
from brianconv.biology import (
    AlphaCurrent,
    Conductance,
    ExponentialCurrent,
    ReceptorMixture,
    ShortTermPlasticity,
)
from brianconv.coding.synapse_model import JitteredDelay, SynapseModel
from brianconv.errors import BrianconvError, ParameterError
from tests.helpers.networks import dyadic_

WEIGHT, N_STEPS = 0.0625, 60
KINDS = {
    "exponential": ExponentialCurrent(tau=5 * ms),
    "alpha": AlphaCurrent(tau=3),
    "mixture": ReceptorMixture(receptors={"ampa": (0.75, 2), "nmda": (0.25, 20 * ms)}),
    "conductance": Conductance(tau_e=4, tau_i=8),
    "depression": ShortTermPlasticity(U=0.5, tau_rec=20 * ms),
    "facilitation": ShortTermPlasticity(U=0.25, tau_rec=10, tau_facil=40),
}


def chain():
    """One pixel, one neuron that is charged by it, one output."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.fill_(WEIGHT)
            layer.bias.zero_()
    return convert(model, normalization="none", input_shape=(1,))


def potential(kind, n_steps=N_STEPS, pixel=0.25):
    """The potential of the neuron by step, and the steps of the spikes that reach it."""
    changed = chain().change_connection("input_to_layer_0", kind)
    recording = simulate(
        changed, np.array([[pixel]]), n_steps, record_spikes=["input"], record_potentials={"layer_0": None}
    )
    v = recording.potentials["layer_0"].values[0, :, 0]
    assert recording.spikes["layer_0"].step.size == 0, "the potential is not reset"
    return v, recording.spikes["input"].step


def two_layers():
    """Convolution and dense layers with dyadic weights."""
    model = dyadic_(nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 3),
    ))  # fmt: skip
    return convert(model, normalization="none", input_shape=(1, 6, 6), v_init=0.5)


IMAGES = np.random.default_rng(1).integers(0, 65, (3, 1, 6, 6)) / 64


def test_an_exponential_current_charges_as_its_closed_form_says(numpy_target):
    v, spikes = potential(ExponentialCurrent(tau=5 * ms))
    later = np.clip(np.arange(1, N_STEPS + 1)[:, None] - spikes, 0, None)
    np.testing.assert_allclose(v, (WEIGHT * (1 - np.exp(-later / 5))).sum(axis=1), rtol=1e-12)


def test_an_alpha_current_charges_as_its_closed_form_says(numpy_target):
    v, spikes = potential(AlphaCurrent(tau=4))
    k, d = np.clip(np.arange(1, N_STEPS + 1)[:, None] - spikes, 0, None), np.exp(-1 / 4)
    # after k steps the current of one spike is (1 - d) k d^(k-1), and the charge is its sum up to k - 1, times 1 - d
    charge = 1 - d**k - k * d ** np.maximum(k - 1, 0) * (1 - d)
    np.testing.assert_allclose(v, (WEIGHT * charge).sum(axis=1), rtol=1e-9, atol=1e-12)


def test_receptors_share_the_charge(numpy_target):
    v, spikes = potential(ReceptorMixture(receptors={"ampa": (0.75, 2), "nmda": (0.25, 20 * ms)}))
    later = np.clip(np.arange(1, N_STEPS + 1)[:, None] - spikes, 0, None)
    charge = 0.75 * (1 - np.exp(-later / 2)) + 0.25 * (1 - np.exp(-later / 20))
    np.testing.assert_allclose(v, (WEIGHT * charge).sum(axis=1), rtol=1e-12)


def test_a_conductance_drives_towards_its_reversal_potential(numpy_target):
    kind = Conductance(tau_e=5, tau_i=5, e_rev=0.9, i_rev=-1.0, v_reference=0.4)
    v, _ = potential(kind, n_steps=400, pixel=1.0)
    assert np.all(np.diff(v) >= 0) and 0.88 < v[-1] < 0.9
    g = v_now = 0.0
    for step in range(1, 31):  # a spike in every step
        v_now += g * (1 - np.exp(-1 / 5)) * (0.9 - v_now) / 0.5
        g = g * np.exp(-1 / 5) + WEIGHT
        assert v[step - 1] == pytest.approx(v_now, rel=1e-12)


@pytest.mark.parametrize("facilitates", [False, True])
def test_short_term_plasticity_releases_what_the_recursion_says(numpy_target, facilitates):
    big, rec, facil = 0.5, 20.0, 40.0
    v, spikes = potential(ShortTermPlasticity(U=big, tau_rec=rec, tau_facil=facil if facilitates else None))
    x, u, last, released = 1.0, big, None, []
    for step in spikes:
        if last is not None:
            x = 1 - (1 - x) * np.exp(-(step - last) / rec)
            u = big + (u - big) * np.exp(-(step - last) / facil)
        if facilitates:
            u += big * (1 - u)
        released.append(u * x / (big * (2 - big) if facilitates else big))
        x -= u * x
        last = step
    assert released[0] == 1 and len(released) == 15
    arrived = spikes <= np.arange(1, N_STEPS + 1)[:, None]
    np.testing.assert_allclose(v, WEIGHT * arrived @ np.array(released), rtol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_modes_and_synapses_agree_and_images_are_independent(numpy_target, name):
    changed = two_layers().change_connection(None, KINDS[name])
    runs = {
        (mode, synapses): simulate(changed, IMAGES, 40, mode=mode, synapses=synapses)
        for mode in ("runtime", "standalone")
        for synapses in ("structured", "explicit")
    }
    first = runs["runtime", "structured"]
    assert first.spike_counts.sum() != simulate(two_layers(), IMAGES, 40).spike_counts.sum()
    for found in runs.values():
        np.testing.assert_array_equal(found.spike_counts_by_image, first.spike_counts_by_image)
        np.testing.assert_allclose(found.scores, first.scores, rtol=1e-12)
    alone = [simulate(changed, IMAGES[k : k + 1], 40).scores for k in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), first.scores)


def test_synapses_with_a_state_of_their_own_are_explicit_and_the_same_in_both_modes(numpy_target):
    """Each synapse tires by itself; its state is another one than that of the neuron, with equal numbers."""
    own = two_layers().change_connection(
        "layer_0_to_layer_3",
        "dx/dt = (1 - x) / (20*ms) : 1 (event-driven)",
        on_pre="v_post += w * x; x *= 0.5",
        initial={"x": 1},
    )
    shared = two_layers().change_connection("layer_0_to_layer_3", ShortTermPlasticity(U=0.5, tau_rec=20 * ms))
    recordings = [simulate(own, IMAGES, 40, mode=mode) for mode in ("runtime", "standalone")]
    for recording in recordings:
        np.testing.assert_array_equal(recording.spike_counts, recordings[0].spike_counts)
    assert isinstance(Simulation(own).brian.connections["layer_0_to_layer_3"], Synapses)
    packed, alone = recordings[0], [simulate(own, IMAGES[k : k + 1], 40) for k in range(3)]
    np.testing.assert_array_equal(packed.scores, np.concatenate([r.scores for r in alone]))
    np.testing.assert_allclose(packed.scores, simulate(shared, IMAGES, 40).scores, atol=1e-9)


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_jittered_delays_arrive_when_they_are_drawn_and_none_reaches_the_next_image(numpy_target, mode):
    jittered = two_layers().change_connection("layer_0_to_layer_3", delay=JitteredDelay(1 * ms, 6, seed=3))
    recording = simulate(jittered, IMAGES, 40, mode=mode)
    alone = [simulate(jittered, IMAGES[k : k + 1], 40) for k in range(3)]
    np.testing.assert_array_equal(recording.scores, np.concatenate([r.scores for r in alone]))
    constant = two_layers().change_connection("layer_0_to_layer_3", delay=JitteredDelay(2, 2))
    expected = simulate(constant, IMAGES, 40)
    delayed = convert(*_of(two_layers), normalization="none", input_shape=(1, 6, 6), v_init=0.5,
                      synaptic_delay={"layer_3": 2})  # fmt: skip
    np.testing.assert_array_equal(expected.scores, simulate(delayed, IMAGES, 40).scores)


def _of(_):
    return [dyadic_(nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 3),
    ))]  # fmt: skip


def test_what_a_spike_does_can_be_written_down(numpy_target):
    halved = two_layers().change_connection("layer_0_to_layer_3", on_pre="v_post += w * strength",
                                            namespace={"strength": 0.5})  # fmt: skip
    assert "v_post += w * strength" in halved.describe("layer_0")
    structured, explicit = (simulate(halved, IMAGES, 40, synapses=s) for s in ("structured", "explicit"))
    np.testing.assert_array_equal(structured.scores, explicit.scores)
    assert structured.spike_counts.sum() < simulate(two_layers(), IMAGES, 40).spike_counts.sum()


def test_millivolts_change_nothing(numpy_target):
    for kind in (KINDS["exponential"], KINDS["conductance"], KINDS["depression"]):
        changed = two_layers().change_connection(None, kind)
        volts = simulate(changed.in_millivolts(), IMAGES, 40)
        np.testing.assert_array_equal(volts.spike_counts, simulate(changed, IMAGES, 40).spike_counts)


def test_a_leaky_membrane_takes_synaptic_currents(numpy_target):
    both = two_layers().with_membrane(tau_m=50 * ms).change_connection(None, ExponentialCurrent(tau=5 * ms))
    spikes = simulate(both, IMAGES, 60).spike_counts.sum()
    assert (
        0 < spikes < simulate(two_layers().change_connection(None, KINDS["exponential"]), IMAGES, 60).spike_counts.sum()
    )


@pytest.mark.parametrize(
    ("connection", "model", "changes", "message"),
    [
        ("conv1_to_conv2", "", {}, "no connection 'conv1_to_conv2'; the connections are input_to_layer_0, layer_0_to"),
        (3, "", {}, "connections is 3"),
        ("input_to_layer_0", "", {"on_spike": "x"}, "no 'on_spike' that could be changed; it has name, on_pre"),
        (
            "input_to_layer_0",
            "",
            {"on_pre": "v_post += w * g"},
            "name 'g', which is no variable of the synapse \\(w\\)",
        ),
        ("input_to_layer_0", "", {"on_pre": "v_post += w * threshold_pre"}, "threshold_pre"),
        ("input_to_layer_0", ExponentialCurrent(tau=2), {"delay": 3}, "delay is 3; it is a JitteredDelay"),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(connection, model, changes, message):
    with pytest.raises(BrianconvError, match=message):
        two_layers().change_connection(connection, model, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialCurrent(tau=0), "tau is 0; it is a time such as 5\\*ms"),
        (lambda: ExponentialCurrent(tau=float("nan")), "tau is nan"),
        (lambda: ExponentialCurrent(tau=5 * ms, label="a b"), "label is 'a b'"),
        (lambda: ReceptorMixture(receptors={"a": (0.5, 2)}), "add up to 1"),
        (lambda: ReceptorMixture(receptors={"a": 2}), "fraction of the charge"),
        (lambda: Conductance(v_reference=5), "between the reversal potentials"),
        (lambda: ShortTermPlasticity(U=0), "U is 0"),
        (lambda: JitteredDelay(5, 2), "from 5 to 2"),
        (lambda: JitteredDelay(-1, 2), "low is -1"),
    ],
)
def test_impossible_numbers_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_different_synapses_onto_one_layer_need_labels(numpy_target):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(3, 4)
            self.d = nn.Linear(4, 2)

        def forward(self, x):
            return self.d(torch.relu(self.b(torch.relu(self.a(x))) + self.c(x)))

    x = np.random.default_rng(0).random((4, 3))
    spiking = convert(dyadic_(Two()), x, normalization="none")
    onto = [name for name, (_, after) in spiking.connections.items() if after == spiking.populations[-2]]
    assert len(onto) == 2
    fast = spiking.change_connection(onto[0], ExponentialCurrent(tau=2))
    with pytest.raises(ParameterError, match="different labels"):
        fast.change_connection(onto[1], ExponentialCurrent(tau=9))
    both = fast.change_connection(onto[1], ExponentialCurrent(tau=9, label="slow"))
    equations = both.model(spiking.populations[-2]).equations
    assert "dI_syn/dt" in equations and "dI_slow/dt" in equations
    same = fast.change_connection(onto[1], ExponentialCurrent(tau=2))
    assert same.model(spiking.populations[-2]).equations.count("dI_syn/dt") == 1
    simulate(both, x, 10)


def test_pooling_passes_spikes_on_and_has_no_synapses_to_change():
    model = dyadic_(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)))
    spiking = convert(model, normalization="none", input_shape=(1, 6, 6))
    with pytest.raises(ParameterError, match=r"only passes spikes on \(maximum pooling, or a relay\)"):
        spiking.change_connection("layer_0_to_layer_2", ExponentialCurrent())
    assert set(spiking.change_connection(None, ExponentialCurrent()).synapses) == {
        "input_to_layer_0", "layer_2_to_layer_4",
    }  # fmt: skip


def test_the_effect_of_a_spike_is_no_property_of_a_neuron():
    with pytest.raises(ParameterError, match=r"change_connection\('layer_0_to_layer_3', on_pre="):
        two_layers().change_neurons("layer_3", on_pre="v_post += 1")


def test_verify_says_that_it_has_no_reference_for_changed_synapses():
    changed = two_layers().change_connection("layer_0_to_layer_3", ExponentialCurrent())
    with pytest.raises(ParameterError, match=r"layer_0_to_layer_3.*no torch reference"):
        verify(changed, IMAGES, 10)


def test_plasticity_changes_weights_that_are_carried_over(numpy_target):
    """Each presynaptic spike adds to its weight, in explicit synapses of that connection only."""
    learning = two_layers().change_connection("layer_0_to_layer_3", on_pre="v_post += w; w += 0.015625")
    simulation = Simulation(learning, record_spikes=["layer_0"])
    before = np.array(simulation.brian.connections["layer_0_to_layer_3"].w[:])
    recording = simulation.run(IMAGES, 20)
    synapses = simulation.brian.connections["layer_0_to_layer_3"]
    counts = np.zeros(48)
    from brianconv.connectivity.base import channels_last

    place = np.argsort(channels_last((3, 4, 4)))
    np.add.at(counts, place[recording.spikes["layer_0"].torch_index], 1)
    np.testing.assert_allclose(synapses.w[:] - before, counts[synapses.i[:]] / 64)
    assert SynapseModel().is_explicit is False
