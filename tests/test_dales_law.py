"""Dale's law: every hidden neuron sends one sign, and all spikes stay the same."""

import numpy as np
import pytest
from torch import nn

from brianconv import convert, simulate, verify
from brianconv.biology import ExponentialCurrent, LeakyIntegrateAndFire, with_neurons
from brianconv.dales_law import INHIBITORY, signs
from brianconv.errors import ParameterError
from tests.helpers.networks import SMALL_SHAPE, dyadic_, dyadic_images, small_cnn


def pooled():
    return dyadic_(nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3),
    ), seed=3)  # fmt: skip


class Residual(nn.Module):
    """A block with a shortcut, whose addition is one-to-one."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4 * 6 * 6, 3)

    def forward(self, x):
        x = self.a(x).relu()
        x = (self.b(x) + x).relu()
        return self.c(x.flatten(1))


NETWORKS = {
    "convolutions": (small_cnn, SMALL_SHAPE),
    "pooling": (pooled, (2, 6, 6)),
    "residual": (lambda: dyadic_(Residual(), seed=5), (2, 6, 6)),
}


def converted(name, coding="rate", **settings):
    build, shape = NETWORKS[name]
    options = {"v_init": 0.25} if coding == "rate" else {}
    return convert(build(), normalization="none", input_shape=shape, coding=coding, **options, **settings), shape


@pytest.mark.parametrize("inhibition", ["split", "relay"])
@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_are_the_same_and_signs_are_one(numpy_target, name, inhibition):
    spiking, shape = converted(name)
    images = dyadic_images(3, shape)
    dale = spiking.with_dale(inhibition)
    found = signs(dale.graph)
    assert all(len(sign) <= 1 for sign in found.values()), found
    assert {-1} in found.values() and any(len(sign) == 2 for sign in signs(spiking.graph).values())
    before = simulate(spiking, images, 30, record_spikes=spiking.populations)
    for mode, synapses in (("runtime", "structured"), ("runtime", "explicit"), ("standalone", "structured")):
        after = simulate(dale, images, 30, mode=mode, synapses=synapses, record_spikes=dale.populations)
        np.testing.assert_array_equal(after.scores, before.scores)
        for population in dale.populations:
            first = population.removesuffix(INHIBITORY)
            for what in ("image", "step", "torch_index"):
                a, b = (np.sort(getattr(r.spikes[p], what)) for r, p in ((after, population), (before, first)))
                np.testing.assert_array_equal(a, b)
        assert after.spikes_per_image > before.spikes_per_image
    np.testing.assert_allclose(after.ann_scores, before.ann_scores, rtol=1e-12)


@pytest.mark.parametrize("inhibition", ["split", "relay"])
@pytest.mark.parametrize("coding", ["phase", "burst", "ttfs", "hybrid"])
def test_every_code_obeys(numpy_target, coding, inhibition):
    images = dyadic_images(2, SMALL_SHAPE)
    spiking = convert(small_cnn(), images, coding=coding)
    before, after = (simulate(s, images) for s in (spiking, spiking.with_dale(inhibition)))
    np.testing.assert_allclose(after.scores, before.scores, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("inhibition", ["split", "relay"])
def test_the_reference_agrees(numpy_target, inhibition):
    for name in ("convolutions", "pooling"):
        spiking, shape = converted(name)
        outcome = verify(spiking.with_dale(inhibition), dyadic_images(2, shape), 20)
        assert outcome.passed, str(outcome)


def test_delays_membranes_and_parameters_go_with_the_neurons(numpy_target):
    spiking, shape = converted("convolutions", synaptic_delay={"layer_2": 2})
    spiking = spiking.with_membrane("layer_0", tau_m=30, refractory=2).with_parameters(v_init={"layer_0": 0.5})
    images = dyadic_images(2, shape)
    before = simulate(spiking, images, 30)
    for inhibition in ("split", "relay"):
        np.testing.assert_allclose(simulate(spiking.with_dale(inhibition), images, 30).scores, before.scores, rtol=1e-9)


def test_synapses_and_neurons_are_changed_afterwards(numpy_target):
    spiking, shape = converted("convolutions")
    dale = spiking.with_dale()
    images = dyadic_images(2, shape)
    inhibitory = [name for name in dale.connections if INHIBITORY + "_to" in name]
    slow = dale.change_connection(inhibitory, ExponentialCurrent(tau=8, label="gaba"))
    assert simulate(slow, images, 30).spike_counts.sum() != simulate(dale, images, 30).spike_counts.sum()
    simulate(with_neurons(dale, LeakyIntegrateAndFire(), interval=5, duration=50), images, 30)
    with pytest.raises(ParameterError, match="divide them by sign first"):
        spiking.change_connection(None, ExponentialCurrent()).with_dale()


def test_what_cannot_be_divided_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 2))
    images = np.random.default_rng(0).random((3, 4))
    spiking = convert(dyadic_(model), images)
    with pytest.raises(ParameterError, match=r"several maps with negative weights \(Dense and Dense\)"):
        spiking.with_dale()
    with pytest.raises(ParameterError, match="inhibition 'both' is unknown; choose one of split, relay"):
        spiking.with_dale("both")


def test_a_network_without_negative_weights_stays_as_it_is():
    model = small_cnn()
    for parameter in model.parameters():
        parameter.data.abs_()
    spiking = convert(model, normalization="none", input_shape=SMALL_SHAPE)
    assert spiking.with_dale().populations == spiking.populations
