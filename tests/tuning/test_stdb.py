"""Spike-timing-dependent backpropagation: its gradients are the paper's, and what it trains runs in Brian2."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from brianconv import datasets
from brianconv.cli import main
from brianconv.coding.hybrid import spike_step
from brianconv.coding.membrane import Membrane
from brianconv.conversion.convert import convert
from brianconv.errors import DataError, ParameterError, UnsupportedLayerError
from brianconv.simulation.run import simulate
from brianconv.tuning.stdb.input import encode, spike_steps
from brianconv.tuning.stdb.network import TrainableNetwork
from brianconv.tuning.stdb.neurons import CrossingTime, LeakySpikes, Surrogate, crossing_gradient, hybrid_cross_entropy
from brianconv.tuning.stdb.settings import Schedule
from brianconv.tuning.stdb.training import evaluate, train_stdb
from brianconv.verification.reference import simulate_reference
from models.datta2021 import vgg6
from tests.helpers.networks import dyadic_, dyadic_images

SHAPE = (2, 9, 8)
GAMMA = 0.3
MANY = 10**9


def small_cnn() -> nn.Sequential:
    """Convolutions with stride, uneven padding and groups, average pooling, dense layers; no biases."""
    model = nn.Sequential(
        nn.ZeroPad2d((1, 0, 0, 1)),
        nn.Conv2d(2, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 8, (3, 2), groups=2, bias=False),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(72, 12, bias=False),
        nn.ReLU(),
        nn.Linear(12, 4, bias=False),
    )
    return dyadic_(model)


def small_network(**options) -> TrainableNetwork:
    settings = {"coding": "hybrid", "v_threshold": 0.5, "decay": 0.75, "input_shape": SHAPE} | options
    n_steps = settings.pop("n_steps", None)
    model = small_cnn()
    return TrainableNetwork(model, convert(model, **settings), n_steps)


class PlainSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (z,) = ctx.saved_tensors
        return gradient * GAMMA * torch.clamp(1 - z.abs(), min=0)


def plain(drive, v_threshold, decay, after_spike=True):
    """Equations 6 to 8, line by line; the gradient of a spike passes whether or not it was the first, or only then."""
    u, z, fired, spikes = torch.zeros_like(drive[0]), torch.full_like(drive[0], -1.0), torch.zeros_like(drive[0]), []
    for arriving in drive:
        u = decay * u + arriving - v_threshold * (z > 0)
        z = u / v_threshold - 1
        above = PlainSpike.apply(z)
        first = above * (1 - fired)
        spikes.append(above - above.detach() + first.detach() if after_spike else first)
        fired = torch.maximum(fired, above.detach())
    return torch.stack(spikes)


def random_drive(n_steps=6, scale=0.7):
    return (torch.randn(n_steps, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.4) * scale


def values(v_threshold=0.8, decay=0.9):
    return [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (v_threshold, decay)]


# gradients of hidden layers


@pytest.mark.parametrize("after_spike", [True, False])
def test_spikes_and_gradients_are_those_of_equations_6_to_8_under_autograd(after_spike):
    outcomes, surrogate = [], Surrogate(GAMMA, after_spike=after_spike)
    for neurons in (lambda *x: LeakySpikes.apply(*x, surrogate), lambda *x: plain(*x, after_spike)):
        drive, (threshold, decay) = random_drive().requires_grad_(), values()
        spikes = neurons(drive, threshold, decay)
        weights = torch.linspace(-1, 1, spikes.numel(), dtype=torch.float64).reshape(spikes.shape)
        (weights * spikes).sum().backward()
        outcomes.append((spikes.detach(), drive.grad, threshold.grad, decay.grad))
    assert outcomes[0][0].sum() > 20 and torch.all(outcomes[0][0].sum(dim=0) <= 1)
    for ours, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_local_gradients_are_the_printed_equations_19_21_and_23():
    drive, (threshold, decay) = random_drive().requires_grad_(), values()
    spikes = LeakySpikes.apply(drive, threshold, decay, Surrogate(GAMMA, through_time=False))
    of_spikes = torch.randn(spikes.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    spikes.backward(of_spikes)
    v, fraction, arriving, credit = 0.8, 0.9, drive.detach().numpy(), of_spikes.numpy()
    u_before = np.zeros(arriving[0].shape)
    z_before = np.full(arriving[0].shape, -1.0)
    of_drive, of_threshold, of_leak = [], 0.0, 0.0
    for t in range(len(arriving)):
        u = fraction * u_before + arriving[t] - v * (z_before > 0)
        z = u / v - 1
        of_z = credit[t] * GAMMA * np.maximum(0, 1 - np.abs(z))
        of_drive.append(of_z / v)
        of_threshold += (of_z * (-v * (z_before > 0) - u) / v**2).sum()
        of_leak += (of_z / v * u_before).sum()
        u_before, z_before = u, z
    np.testing.assert_allclose(drive.grad, of_drive, rtol=1e-12)
    assert threshold.grad.item() == pytest.approx(of_threshold, rel=1e-12)
    assert decay.grad.item() == pytest.approx(of_leak, rel=1e-12)


def test_gradients_are_finite_differences_where_spikes_are_replaced_by_the_integral_of_the_surrogate():
    """Below the threshold there is no reset, and everything but the spike itself is smooth."""
    arriving = random_drive(scale=1.0).abs() * 0.05
    weights = torch.linspace(-1, 1, arriving.numel(), dtype=torch.float64).reshape(arriving.shape)

    def loss(drive, v, fraction):
        u, total = torch.zeros_like(drive[0]), 0.0
        for t in range(len(drive)):
            u = fraction * u + drive[t]
            assert (u < v).all()
            z = u / v - 1
            total += float((weights[t] * GAMMA * (z + z * z / 2)).sum())  # the integral of 1 - |z|, z in [-1, 0]
        return total

    drive, (threshold, decay) = arriving.clone().requires_grad_(), values(0.8, 0.9)
    LeakySpikes.apply(drive, threshold, decay, Surrogate(GAMMA)).backward(weights)
    h = 1e-6
    of_threshold = (loss(arriving, 0.8 + h, 0.9) - loss(arriving, 0.8 - h, 0.9)) / (2 * h)
    of_leak = (loss(arriving, 0.8, 0.9 + h) - loss(arriving, 0.8, 0.9 - h)) / (2 * h)
    assert threshold.grad.item() == pytest.approx(of_threshold, rel=1e-6)
    assert decay.grad.item() == pytest.approx(of_leak, rel=1e-6)
    for place in [(0, 0, 0), (2, 3, 1), (5, 4, 6)]:
        step = torch.zeros_like(arriving)
        step[place] = h
        of_drive = (loss(arriving + step, 0.8, 0.9) - loss(arriving - step, 0.8, 0.9)) / (2 * h)
        assert drive.grad[place].item() == pytest.approx(of_drive, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("limit", [1, 2, MANY])
def test_neurons_fire_as_often_as_they_may_and_go_on_computing(limit):
    drive, (threshold, decay) = torch.full((6, 1, 1), 1.25, dtype=torch.float64), values(1.0, 1.0)
    spikes = LeakySpikes.apply(drive, threshold, decay, Surrogate(), limit)
    assert spikes.ravel().tolist() == [1.0] * min(limit, 6) + [0.0] * (6 - min(limit, 6))


# the output


def test_gradient_of_output_weights_is_equation_14():
    network = small_network().double()
    images = torch.from_numpy(dyadic_images(3, SHAPE))
    labels = torch.tensor([0, 3, 1])
    network.train()
    network.dropout = {}
    sent = []
    original = network._transmit
    network._transmit = lambda name, x: sent.append(x.detach()) or original(name, x)
    outcome = network(images)
    hybrid_cross_entropy(outcome.potentials[-1], outcome.time, labels).backward()
    hidden = sent[-1].sum(dim=0)
    softmax = torch.softmax(outcome.potentials[-1].detach(), dim=1)
    expected = (softmax - functional.one_hot(labels, 4)).T @ hidden / len(images)
    assert hidden.sum() > 0
    torch.testing.assert_close(network.weights["layer_10"].grad, expected, rtol=1e-12, atol=1e-14)


def test_gradient_of_the_output_threshold_is_equation_17_computed_by_hand():
    potentials = torch.tensor([[[0.9, 0.0]], [[1.1, 0.0]], [[1.5, 0.0]]], dtype=torch.float64)
    (threshold, _) = values(1.0)
    time = CrossingTime.apply(potentials, threshold, 0.2)
    assert time.tolist() == [[2.0, 3.0]]  # the second neuron is forced to fire in the last step
    # t = 1: a = -0.1, b = 1 -> 1 (0 - 1); t = 2: a = 0.1, b = 0.1 -> 2 (1 - 1); c = -0.5 -> 0; second neuron: none
    assert crossing_gradient(potentials, 1.0, 0.2).tolist() == [[-1.0, 0.0]]
    hybrid_cross_entropy(potentials[-1], time, torch.tensor([0])).backward()
    softmax = math.exp(-2) / (math.exp(-2) + math.exp(-3))
    assert threshold.grad.item() == pytest.approx(-(1 - softmax))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([0.3, 0.5, 0.9], 3.0),  # c alone
        ([0.3, 0.9, 1.5], -2.0),  # a at t = 2; b at t = 3 is not in the sum
        ([0.9, 1.5, 1.9], 2.0 - 1.0),  # a at t = 1, b at t = 2
        ([0.1, 0.2, 0.3], 0.0),
    ],
)
def test_equation_17_term_by_term(path, expected):
    potentials = torch.tensor(path, dtype=torch.float64).reshape(3, 1, 1)
    assert crossing_gradient(potentials, 1.0, 0.2).item() == expected


def test_loss_is_the_cross_entropy_of_the_product_of_two_softmaxes():
    potential, time = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[4.0, 2.0, 5.0]])
    product = torch.softmax(potential, 1) * torch.softmax(-time, 1)
    assert hybrid_cross_entropy(potential, time, torch.tensor([2])).item() == pytest.approx(-math.log(product[0, 2]))
    assert hybrid_cross_entropy(potential, None, torch.tensor([2])).item() == pytest.approx(
        -math.log(torch.softmax(potential, 1)[0, 2])
    )


# the way back


def test_pixels_are_encoded_as_in_the_code():
    pixels = torch.arange(256, dtype=torch.float32)[None] / 255
    given = {"window": 6.0, "pixel_low": 0.0, "pixel_high": 1.0}
    sent = encode(pixels, "hybrid", 6, given)
    assert torch.equal(sent[0], pixels) and torch.all(sent[1:].sum(dim=0) == 1)
    np.testing.assert_array_equal(sent[1:, 0].argmax(dim=0).numpy() + 2, spike_step(pixels[0].numpy(), 6))
    alone = encode(pixels, "single_spike", 6, given)
    assert not alone[0].any() and torch.equal(alone[1:], sent[1:])


VARIANTS = {
    "hybrid": {},
    "hybrid, many spikes": {"spike_limit": MANY, "window": 7},
    "direct, one spike": {"encoding": "analog", "n_steps": 6},
    "direct": {"coding": "direct", "n_steps": 6},
    "spikes only": {"encoding": "single_spike", "v_threshold": 0.25},
    "Poisson": {"encoding": "poisson", "seed": 3, "n_steps": 6, "readout": "accumulated_potential"},
}


def test_pixels_outside_the_range_fire_first_or_last():
    pixels = np.linspace(-3, 3, 200, dtype=np.float32)
    for window in (2, 5, 8):
        values = {"window": window, "pixel_low": -1.5, "pixel_high": 1.25}
        fires = spike_steps(torch.from_numpy(pixels), values).numpy()
        np.testing.assert_array_equal(fires, spike_step(pixels, **values))
        assert fires.min() == 2 and fires.max() == window


@pytest.mark.parametrize("variant", VARIANTS)
def test_spikes_and_decisions_are_those_of_the_simulation(numpy_target, variant):
    network, images = small_network(**VARIANTS[variant]), dyadic_images(12, SHAPE)
    ours = evaluate(network, images, batch_size=5, dtype="float64")
    spiking = network.converted()
    recording = simulate(spiking, images, network.n_steps)
    np.testing.assert_array_equal(ours.decisions, recording.decisions)
    counts = recording.spike_counts.sum(axis=0)[:-1]
    sizes = [math.prod(spiking.graph.shapes[name]) for name in spiking.populations[:-1]]
    found = [ours.spikes_per_neuron[name] for name in spiking.populations[:-1]]
    np.testing.assert_allclose(np.array(found) * 12 * sizes, counts)
    assert counts[1:].min() > 5
    assert (counts[0] == 0) == (spiking.coding.encoding.name == "analog"), "analog pixels are not spikes"


def test_trained_networks_decide_alike_in_torch_and_in_generated_code():
    network, images, labels = digits_network()
    train_stdb(network, images[:300], labels[:300], Schedule(epochs=1, batch_size=30, learning_rate=1e-3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 256).round() / 256)
    pixels = np.round(images * 256).astype(np.float32) / 256
    spiking = network.converted()
    recording = simulate(spiking, pixels, mode="standalone")
    reference = simulate_reference(spiking, pixels[:50], network.n_steps)
    np.testing.assert_array_equal(evaluate(network, pixels, dtype="float64").decisions, recording.decisions)
    np.testing.assert_array_equal(evaluate(network, pixels).decisions, recording.decisions)
    assert reference.spikes["layer_1"].sum(axis=1).max() == 1


# training


def digits_network(dropout: float = 0.2):
    """Digits, and a network that was trained on them for a moment."""
    digits = datasets.load("digits", "train")
    images, labels = digits.images, digits.labels
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 40, bias=False), nn.ReLU(), nn.Dropout(dropout), nn.Linear(40, 10, bias=False)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(model(torch.from_numpy(images)), torch.from_numpy(labels)).backward()
        optimizer.step()
    spiking = convert(model.eval(), images[:500], coding="hybrid", window=5)
    return TrainableNetwork(model, spiking), images, labels


def test_training_lowers_the_loss_and_raises_the_accuracy():
    network, images, labels = digits_network(dropout=0.0)
    before = float((evaluate(network, images).decisions == labels).mean())
    initial = network.settings()
    history = train_stdb(
        network, images, labels, Schedule(epochs=6, batch_size=32, learning_rate=2e-3, decay_every=4),
        test=(images[:200], labels[:200]),
    )  # fmt: skip
    after = evaluate(network, images)
    assert history.loss[-1] < 0.8 * history.loss[0] and len(history.accuracy) == history.epoch == 6
    assert float((after.decisions == labels).mean()) > max(before + 0.02, 0.88)
    assert 0 < after.spikes_per_neuron["layer_1"] <= 1
    trained = network.settings()
    assert all(trained["v_threshold"][name] != value for name, value in initial["v_threshold"].items())
    assert 0 <= trained["decay"]["layer_1"] <= 1


def test_bfloat16_trains_too_and_keeps_potentials_exact():
    network, images, labels = digits_network()
    history = train_stdb(network, images, labels, Schedule(epochs=2, batch_size=64, learning_rate=1e-3, bf16=True))
    assert history.loss[1] < history.loss[0]
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_the_average_is_the_exponential_one_of_the_weights_after_each_batch():
    schedule = Schedule(epochs=1, batch_size=64, learning_rate=1e-3)
    last, images, labels = digits_network()
    train_stdb(last, images, labels, schedule)
    network, *_ = digits_network()
    seen = []

    def watching(pixels):
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return pixels

    train_stdb(network, images, labels, replace(schedule, average=0.75), augment=watching)
    assert len(seen) > 5
    expected, *later = [*seen[1:], last.state_dict()]
    for weights in later:
        expected = {name: 0.75 * value + 0.25 * weights[name] for name, value in expected.items()}
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


@pytest.mark.parametrize("average", [-0.1, 1.0, "much"])
def test_averages_that_cannot_be_taken_are_refused(average):
    with pytest.raises(ParameterError, match=r"average is .*; it must lie in \[0, 1\)"):
        Schedule(average=average)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_training_goes_on_where_it_was_stopped_to_the_same_result(tmp_path, average):
    state = tmp_path / "state"
    schedule = Schedule(epochs=3, batch_size=64, learning_rate=1e-3, save_every=3, average=average)

    def noisy(images):
        return images + 0.01 * torch.randn_like(images)

    whole, images, labels = digits_network()
    uninterrupted = train_stdb(whole, images[:640], labels[:640], schedule, augment=noisy)
    calls = 0

    def interrupting(images):
        nonlocal calls
        calls += 1
        if calls in (5, 13, 20):
            raise KeyboardInterrupt
        return noisy(images)

    for _ in range(4):
        network, *_ = digits_network()
        try:
            history = train_stdb(network, images[:640], labels[:640], schedule, augment=interrupting, state=state)
        except KeyboardInterrupt:
            torch.rand(3)
    assert history.loss == uninterrupted.loss and calls > 30
    for name, value in whole.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
    assert {path.name for path in tmp_path.iterdir()} == {"state"}

    other, *_ = digits_network()
    changed = r"schedule.batch_size: 64 there, 32 here, schedule.learning_rate: 0.001 there, 0.0001 here"
    with pytest.raises(ParameterError, match=rf"belongs to another training \({changed}\); delete it"):
        train_stdb(other, images[:640], labels[:640], Schedule(epochs=3, batch_size=32, average=average), state=state)
    with pytest.raises(ParameterError, match=r"belongs to another training \(augmentation\)"):
        train_stdb(other, images[:640], labels[:640], schedule, state=state, augmentation="shift 2")
    with pytest.raises(ParameterError, match="has 3 epochs already, 2 were asked for"):
        train_stdb(other, images[:640], labels[:640], replace(schedule, epochs=2), state=state)
    state.write_bytes(b"nonsense")
    with pytest.raises(ParameterError, match="is not the state of a training"):
        train_stdb(other, images[:640], labels[:640], schedule, state=state)


def test_dropout_is_the_models_and_keeps_its_neurons_for_all_steps():
    model = vgg6().eval()
    spiking = convert(model, coding="hybrid", input_shape=(3, 32, 32), v_threshold=1.0)
    assert TrainableNetwork(model, spiking).dropout == {"conv2_1": 0.1, "fc1": 0.4, "fc2": 0.4}
    assert TrainableNetwork(model, spiking, dropout=False).dropout == {}
    network = small_network()
    assert network.dropout == {"layer_4": 0.25}
    spikes = network.train()._dropped("layer_4", torch.ones(5, 3, 100))
    assert torch.equal(spikes.amin(dim=0), spikes.amax(dim=0)) and 0.1 < float((spikes[0] == 0).float().mean()) < 0.4


def test_leaks_stay_between_0_and_1_and_thresholds_above_0():
    network = small_network()
    with torch.no_grad():
        for parameter, value in ((network.decay["layer_1"], 1.5), (network.v_threshold["layer_1"], -2.0)):
            parameter.fill_(value)
    network.confine()
    assert network.settings()["decay"]["layer_1"] == 1.0
    assert 0 < network.settings()["v_threshold"]["layer_1"] < 0.01


# what is refused


def refused(model, shape=(1, 8, 8), coding="hybrid", **options):
    options = {"v_threshold": 1.0} | options if coding == "hybrid" else options
    TrainableNetwork(model, convert(model.eval(), coding=coding, input_shape=shape, **options))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.second = nn.Conv2d(2, 2, 3, padding=1, bias=False)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return torch.relu(self.second(x) + x).flatten(1)


def test_what_cannot_be_trained_is_refused_with_the_reason():
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False))
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3))
    with pytest.raises(UnsupportedLayerError, match=r"'layer_2' .*maximum pooling.* replace it by average"):
        refused(pooled, coding="direct", v_threshold=1.0)
    with pytest.raises(UnsupportedLayerError, match=r"'layer_1' has a bias.*bias=False"):
        refused(nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)))
    with pytest.raises(UnsupportedLayerError, match=r"adds up 2 connections|not the output"):
        refused(nn.Sequential(Residual(), nn.Linear(128, 3, bias=False)))
    with pytest.raises(UnsupportedLayerError, match="needs a ReLU"):
        refused(nn.Sequential(nn.Flatten(), nn.Linear(64, 5, bias=False), nn.ReLU()))
    with pytest.raises(UnsupportedLayerError, match=r"other weights than the modules.*weight_bits"):
        refused(dense, weight_bits=4)
    with pytest.raises(ParameterError, match="leaky neurons of hybrid or direct coding"):
        refused(dense, coding="rate", normalization="none")
    for options in ({"synaptic_delay": 1}, {"membrane": Membrane(refractory=2)}, {"v_init": 0.25}):
        with pytest.raises(ParameterError, match="are not trained: leave out"):
            refused(dense, **options)
    with pytest.raises(ParameterError, match="pixels fire within a window of 5: set window=8"):
        small_network(n_steps=8)
    with pytest.raises(ParameterError, match="it is a whole number, 1 or more"):
        small_network(encoding="analog", n_steps=-1)


def test_other_kinds_of_dropout_are_refused():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(72, 3, bias=False)
    )
    with pytest.raises(UnsupportedLayerError, match=r"2 \(Dropout2d\) cannot be trained: use nn.Dropout"):
        refused(model)


def test_leaks_that_are_kept_stay_as_they_are():
    network, *_ = digits_network()
    for decay in network.decay.values():
        decay.requires_grad_(False)
        decay.fill_(1.5)
    network.confine()
    assert all(float(decay) == 1.5 for decay in network.decay.values())


def test_data_and_schedules_are_checked_before_training():
    network, images = small_network(), dyadic_images(8, SHAPE).astype(np.float32)
    labels = np.arange(8) % 4
    schedule = Schedule(epochs=1, batch_size=4)
    for wrong, message in (
        ((images[:, :1], labels), "the network takes"),
        ((images, labels[:5]), "need as many labels"),
        ((images, labels.astype(float)), "whole numbers"),
        ((images, labels + 1), "the network has 4 classes"),
        ((images * np.nan, labels), "not finite"),
    ):
        with pytest.raises(DataError, match=message):
            train_stdb(network, *wrong, schedule)
    with pytest.raises(ParameterError, match="batch_size is 128, but there are 8"):
        train_stdb(network, images, labels, Schedule())
    for wrong in ({"epochs": 0}, {"batch_size": 1.5}, {"learning_rate": -1.0}, {"decay": 0}):
        with pytest.raises(ParameterError, match="it "):
            Schedule(**wrong)


# the command

MODEL = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 20, bias=False), nn.ReLU(), nn.Linear(20, 10, bias=False))
"""


def test_command_writes_what_run_takes(tmp_path, numpy_target, capsys):
    model, out = tmp_path / "mlp.py", tmp_path / "trained.json"
    model.write_text(MODEL)
    (tmp_path / "weights").mkdir()
    command = ["tune", "stdb", str(model), "--data", "digits", "--images", "400", "--epochs", "2", "--batch", "20"]
    command += ["--learning-rate", "0.005", "--shift", "1", "--steps", "6", "--test", "50", "--out", str(out)]
    assert main([*command, "--set", "calibration=200", "mean=0.3", "std=0.4"]) == 0
    settings = json.loads(out.read_text())
    assert settings["window"] == 6 and settings["mean"] == [0.3] and settings["normalization"] == "none"
    assert set(settings["v_threshold"]) == {"layer_1", "layer_3"} and set(settings["decay"]) == {"layer_1"}
    curves = json.loads((tmp_path / "trained.curves.json").read_text())
    assert len(curves["loss"]) == len(curves["accuracy"]) == 2
    files = {"mlp.py", "weights", "trained.json", "trained.curves.json", "trained.safetensors", "__pycache__"}
    assert {path.name for path in tmp_path.iterdir()} <= files
    printed = capsys.readouterr().out
    assert "400 images x 2 epochs, 6 steps" in printed and f"--set @{out}" in printed and "layer_1" in printed

    weights = str(tmp_path / "trained.safetensors")
    run = ["run", str(model), "--weights", weights, "--data", "digits", "--images", "50", "--coding", "hybrid"]
    folder = tmp_path / "run"
    assert main([*run, "--set", f"@{out}", "--mode", "runtime", "--out", str(folder)]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["n_steps"] == 6 and result["accuracy"] == pytest.approx(curves["accuracy"][-1], abs=0.021)
    assert main([*command, "--weights", weights]) == 2
    assert "would replace --weights" in capsys.readouterr().err
