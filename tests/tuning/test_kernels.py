"""Kernels of time-to-first-spike coding: gradients against autograd, transmission against the reference simulation."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from brianconv.coding import find_coding
from brianconv.conversion.convert import from_normalized
from brianconv.errors import DataError, ParameterError, ShapeError
from brianconv.graph import INPUT
from brianconv.tuning.kernels import descent as kernels
from brianconv.tuning.kernels.descent import LOSSES, Truth, gradients, losses, tune_kernels
from brianconv.tuning.kernels.first_spikes import FirstSpikeNetwork, Kernel
from brianconv.tuning.kernels.settings import Descent
from brianconv.verification.reference import simulate_reference
from tests.helpers.networks import SMALL_SHAPE, convert_flat, dyadic_images, residual_network, small_cnn

LAST_STEP = 19


@pytest.fixture
def spiking():
    return convert_flat(small_cnn(), dyadic_images(40, SMALL_SHAPE, 1), normalization="max", coding="ttfs")


@pytest.fixture
def images():
    return dyadic_images(24, SMALL_SHAPE)


def kernel_of(tau, t_d, grad=False):
    return Kernel(*(torch.tensor(x, dtype=torch.float64, requires_grad=grad) for x in (tau, t_d)))


@pytest.mark.parametrize(("tau", "t_d"), [(2.0, 0.0), (18.0, 0.0), (5.3, -1.7), (7.1, 2.4)])
def test_gradients_of_the_paper_equal_those_of_autograd(tau, t_d):
    """Spike times are constants: Eq. 12 has no derivative of the ceiling. Each loss has its parameter."""
    random = np.random.default_rng(0)
    activation = torch.tensor(random.random(50) ** 2)
    constant = kernel_of(tau, t_d)
    time = (t_d - tau * torch.log(activation)).ceil().clamp_min(0)
    fired = time <= LAST_STEP
    truth = Truth(time[fired], activation[fired], activation[~fired], activation.min(), activation.max() + 0.1)
    kernel = kernel_of(tau, t_d, grad=True)
    precision, minimum, maximum = losses(truth, kernel, LAST_STEP)
    (by_tau,) = torch.autograd.grad(precision + minimum, kernel.tau, retain_graph=True)
    (by_t_d,) = torch.autograd.grad(maximum, kernel.t_d)
    found = gradients(truth, constant, LAST_STEP)
    assert float(by_tau) == pytest.approx(float(found[0]), rel=1e-12)
    assert float(by_t_d) == pytest.approx(float(found[1]), rel=1e-12)


@pytest.mark.parametrize("network", ["plain", "residual"])
def test_transmission_equals_the_simulation(network):
    tau, t_d = 3.7, -0.6
    if network == "plain":
        spiking, images = (
            convert_flat(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, coding="ttfs"),
            dyadic_images(4, SMALL_SHAPE),
        )
    else:
        rate, images = residual_network()
        spiking = from_normalized(rate.normalized, find_coding("ttfs"))
    spiking = spiking.with_parameters(tau=tau, t_d=t_d, window=12)
    run = simulate_reference(spiking, images, spiking.default_steps)
    network = FirstSpikeNetwork(spiking, "float64")
    sent = network.transmit(torch.tensor(images), dict.fromkeys(spiking.populations[:-1], kernel_of(tau, t_d)))
    assert list(sent) == spiking.populations[:-1]
    ann = next(spiking.graph.activations(images))
    for name, (activation, spikes) in sent.items():
        np.testing.assert_allclose(activation.numpy(), ann[name].reshape(len(images), -1), atol=1e-12)
        np.testing.assert_array_equal(spikes.fired.numpy(), run.spikes[name].any(axis=1))
        start = int(spiking.shared_values["fire_start"][name])
        step = run.spikes[name].argmax(axis=1) + 1 - start
        np.testing.assert_array_equal(spikes.time[spikes.fired].numpy(), step[spikes.fired.numpy()])
        np.testing.assert_allclose(spikes.value.numpy(), run.sent[name], rtol=1e-12)
    fired = torch.cat([spikes.fired.flatten() for _, spikes in sent.values()])
    assert 0.2 < fired.double().mean() < 0.98


def test_both_starting_points_reach_the_same_kernels(spiking, images):
    descent = Descent(n_epochs=40, batch_size=8)
    small, large = (tune_kernels(spiking.with_parameters(tau=tau), images, descent) for tau in (2.0, 18.0))
    for name in spiking.populations[:-1]:
        assert small.tau[name] == pytest.approx(large.tau[name], rel=0.15)
        assert large.losses["minimum"][name][-1] < 0.5 * large.losses["minimum"][name][0]
        assert small.losses["precision"][name][-1] < small.losses["precision"][name][0]
    assert small.tau[INPUT] > 2 and large.tau[INPUT] < 18


def test_a_longer_window_takes_as_many_batches(spiking, images):
    descent = Descent(n_epochs=8, batch_size=8)
    paths = [
        np.array(tune_kernels(spiking.with_parameters(window=T, tau=0.9 * T), images, descent).paths["tau"][INPUT]) / T
        for T in (20, 80)
    ]
    assert paths[0][-1] < 0.8 * paths[0][0]
    np.testing.assert_allclose(paths[1], paths[0], rtol=0.1)


def test_only_positive_activations_count_for_the_smallest(spiking, images):
    black = np.where(images > 0.5, images, 0.0)
    network = FirstSpikeNetwork(spiking)
    firing = dict.fromkeys(spiking.populations[:-1], kernel_of(6.0, 0.0))
    activation, sent = network.transmit(torch.tensor(black, dtype=torch.float32), firing)[INPUT]
    truth = kernels.truth_of(INPUT, activation, sent)
    assert float(truth.smallest) == pytest.approx(black[black > 0].min()) and float(truth.largest) == black.max()
    with pytest.raises(DataError, match="no positive activation"):
        kernels.truth_of(INPUT, torch.zeros(2, 3), sent)


def test_a_killed_run_goes_on_to_the_same_result(spiking, images, tmp_path, monkeypatch):
    state, descent = tmp_path / "state.json", Descent(n_epochs=4, batch_size=7)
    whole = tune_kernels(spiking, images, descent)
    original, epochs = kernels.Training.run_epoch, []

    def killed(self, *arguments):
        epochs.append(self.epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(kernels.Training, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        tune_kernels(spiking, images, descent, state=state)
    assert json.loads(state.read_text())["state"]["epoch"] == 2
    assert tune_kernels(spiking, images, descent, state=state) == whole
    assert epochs == [0, 1, 2, 2, 3]
    with pytest.raises(ParameterError, match=r"belongs to another run \(descent.n_epochs: 4 there, 1 here\)"):
        tune_kernels(spiking, images, replace(descent, n_epochs=1), state=state)


def test_the_result_is_what_the_code_takes(spiking, images):
    found = tune_kernels(spiking.with_parameters(window=16), images, Descent(n_epochs=1, batch_size=8))
    tuned = spiking.with_parameters(**found.settings)
    assert tuned.default_steps == 5 * 16 and set(found.tau) == set(spiking.populations[:-1])
    assert tuned.parameters["tau"]["input"] == found.tau["input"]
    assert [len(found.losses[kind]["input"]) for kind in LOSSES] == [3, 3, 3] == [len(found.paths["tau"]["input"])] * 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": np.zeros((3, 1, 4, 4))}, ShapeError, "the network takes"),
        ({"images": np.zeros((0, *SMALL_SHAPE))}, DataError, "no images to tune with"),
        ({"descent": Descent(n_epochs=0)}, ParameterError, "at least 1 pass"),
        ({"descent": Descent(batch_size=25)}, ParameterError, r"in \[1, 24\]"),
        ({"descent": Descent(tau_rate=0)}, ParameterError, "must be positive"),
    ],
)
def test_what_cannot_be_tuned_is_refused(spiking, images, change, error, message):
    with pytest.raises(error, match=message):
        tune_kernels(spiking, **{"images": images, **change})


def test_other_codes_and_changed_neurons_are_refused(spiking, small_spiking, images):
    with pytest.raises(ParameterError, match="use coding 'ttfs'"):
        tune_kernels(small_spiking, images)
    with pytest.raises(ParameterError, match="changed neurons"):
        tune_kernels(spiking.change_neurons("layer_0", threshold="v > 2"), images)


@pytest.mark.parametrize("options", [{"synaptic_delay": 3}, {"tau_m": 20}, {"noise": 0.1}, {"refractory": 2}])
def test_layers_that_kernels_are_not_tuned_for_are_refused(images, options):
    other = convert_flat(small_cnn(), images, coding="ttfs", **options)
    with pytest.raises(ParameterError, match="without delay, leak, rest and noise"):
        tune_kernels(other, images)


def test_a_descent_that_leaves_the_window_is_reported(spiking, images):
    lost = spiking.with_parameters(tau=0.1, t_d=3.0)
    with pytest.raises(ParameterError, match="the descent left the window: t_d of"):
        tune_kernels(lost, images, Descent(n_epochs=3, batch_size=2))


def test_pooled_networks_transmit_as_they_are_simulated(numpy_target):
    """Maximum pooling has no kernel: it passes the first spike of each window."""
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)
    )
    images = np.random.default_rng(0).random((6, 1, 10, 10))
    spiking = convert_flat(model, images, coding="ttfs", tau=4.0)
    kernels = {name: Kernel(torch.tensor(4.0), torch.tensor(0.0)) for name in spiking.populations}
    transmitted = FirstSpikeNetwork(spiking, "float64").transmit(torch.tensor(images), kernels)
    assert list(transmitted) == ["input", "layer_0", "layer_3"]
    sent = simulate_reference(spiking, images, spiking.default_steps).sent
    for name, (_, of_layer) in transmitted.items():
        np.testing.assert_allclose(of_layer.value.numpy(), sent[name], atol=1e-9)
    result = tune_kernels(spiking, images, Descent(n_epochs=1, batch_size=3))
    assert set(result.tau) == {"input", "layer_0", "layer_3"}
