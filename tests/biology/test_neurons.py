"""Named neuron models: f-I curves against closed forms and an independent integrator, and networks of them."""

import numpy as np
import pytest
import torch
from brian2 import Hz, ms
from scipy.integrate import solve_ivp
from torch import nn

from brianconv import Simulation, convert, simulate
from brianconv.biology import (
    AdaptiveExponential,
    AdaptiveLeaky,
    ConductanceBased,
    EscapeNoise,
    ExponentialIntegrateAndFire,
    Izhikevich,
    LeakyIntegrateAndFire,
    f_i_curve,
    with_neurons,
)
from brianconv.biology.neuron_replacement import fit
from brianconv.errors import ParameterError
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn

DT = 0.05 * ms
KINDS = {
    "leaky": LeakyIntegrateAndFire(tau_m=10 * ms, refractory=2 * ms),
    "adaptive": AdaptiveLeaky(tau_m=10 * ms, tau_a=50 * ms),
    "exponential": ExponentialIntegrateAndFire(refractory=1.5 * ms),
    "adex": AdaptiveExponential(),
    "izhikevich": Izhikevich(),
    "escape": EscapeNoise(tau_m=10 * ms),
    "conductance": ConductanceBased(tau_m=10 * ms),
}


def test_a_leaky_neuron_fires_as_its_closed_form_says(numpy_target):
    """v approaches I tau from 0: the interval is tau ln(I tau / (I tau - 1)), up to the next step, and the rest."""
    kind = LeakyIntegrateAndFire(tau_m=20 * ms, refractory=2 * ms)
    drives = np.array([1.001, 1.2, 1.5, 2, 4, 8])  # in thresholds: 1 never reaches it
    counts = f_i_curve(kind.model(DT), drives / 400, 1000 * ms, DT) * 20000
    # per step, v <- v d + I tau (1 - d), with d = exp(-1 / 400)
    intervals = np.ceil(400 * np.log(drives / (drives - 1))) + 39  # it integrates again in step 40
    np.testing.assert_array_equal(np.abs(counts - np.floor(20000 / intervals)) <= 1, True)
    assert f_i_curve(kind.model(DT), [0.0, 0.999 / 400, -1.0], 500 * ms, DT).sum() == 0


def integrated(derivative, state, peak, reset, end_ms):
    """Spike times in ms by SciPy's adaptive integrator, of variables whose first is the potential."""

    def spike(t, y):
        return y[0] - peak

    spike.terminal, spike.direction = True, 1
    times, t = [], 0.0
    while t < end_ms:
        found = solve_ivp(derivative, (t, end_ms), state, events=spike, rtol=1e-8, atol=1e-10)
        if not found.t_events[0].size:
            break
        t = found.t_events[0][0]
        times.append(t)
        state = reset(found.y_events[0][0])
    return np.array(times)


def adex(kind, drive):
    tau, tau_w = float(kind.tau_m / ms), float(kind.tau_w / ms)

    def derivative(t, y):
        v, w = y
        upstroke = kind.slope * np.exp(min((v - 1) / kind.slope, 20))
        return [drive + (upstroke - v - w) / tau, (kind.a * v - w) / tau_w]

    return derivative, [0.0, 0.0], kind.v_peak, lambda y: [kind.v_reset, y[1] + kind.b]


def izhikevich_in_mv(kind, current):
    """The paper's own equations."""

    def derivative(t, y):
        v, u = y
        return [0.04 * v**2 + 5 * v + 140 - u + current, kind.a * (kind.b * v - u)]

    return derivative, [-70.0, -14.0], 30.0, lambda y: [kind.c, y[1] + kind.d]


@pytest.mark.parametrize("drive", [0.14, 0.4])
def test_adex_fires_as_the_integrator_says(numpy_target, drive):
    kind = AdaptiveExponential()
    times = integrated(*adex(kind, drive), 400)
    fine = 0.02 * ms
    count = f_i_curve(kind.model(fine), [drive * 0.02], 400 * ms, fine)[0] * 20000
    assert len(times) > 5
    assert count == pytest.approx(len(times), abs=1 + 0.02 * len(times))


@pytest.mark.parametrize(
    ("kind", "current"),
    [(Izhikevich(), 6.0), (Izhikevich(), 14.0), (Izhikevich(a=0.1, d=2), 10.0), (Izhikevich(c=-50, d=2), 10.0)],
    ids=["RS, 6", "RS, 14", "FS", "CH"],
)
def test_izhikevich_fires_as_the_papers_equations_in_millivolts(numpy_target, kind, current):
    times = integrated(*izhikevich_in_mv(kind, current), 400)
    fine = 0.01 * ms
    count = f_i_curve(kind.model(fine), [current / 20 * 0.01], 400 * ms, fine)[0] * 40000
    assert len(times) > 3
    assert count == pytest.approx(len(times), abs=1 + 0.03 * len(times))


def test_an_exponential_neuron_fires_as_the_integrator_says(numpy_target):
    kind = ExponentialIntegrateAndFire(refractory=0)

    def derivative(t, y):
        return [0.3 + (kind.slope * np.exp(min((y[0] - 1) / kind.slope, 20)) - y[0]) / 10]

    times = integrated(derivative, [0.0], kind.v_peak, lambda y: [0.0], 300)
    fine = 0.01 * ms
    count = f_i_curve(kind.model(fine), [0.3 * 0.01], 300 * ms, fine)[0] * 30000
    assert count == pytest.approx(len(times), abs=1 + 0.02 * len(times))


def test_an_adaptive_neuron_fires_as_the_integrator_says(numpy_target):
    kind = AdaptiveLeaky(tau_m=10 * ms, tau_a=50 * ms, b=0.25)

    def derivative(t, y):
        return [0.3 - (y[0] + y[1]) / 10, -y[1] / 50]

    times = integrated(derivative, [0.0, 0.0], 1.0, lambda y: [0.0, y[1] + kind.b], 500)
    fine = 0.02 * ms
    count = f_i_curve(kind.model(fine), [0.3 * 0.02], 500 * ms, fine)[0] * 25000
    assert count == pytest.approx(len(times), abs=1)
    intervals = np.diff(times)
    assert intervals[-1] > 1.5 * intervals[0], "firing becomes slower"


def test_escape_noise_fires_with_the_mean_of_its_hazard(numpy_target):
    """Renewal: the mean interval is the sum of the survivor function along the deterministic path of the potential."""
    kind, drive = EscapeNoise(tau_m=10, width=0.2, tau_escape=2), 0.09
    decay = np.exp(-1 / 10)
    v, survivor, mean = 0.0, 1.0, 0.0
    for _ in range(2000):
        v = v * decay + drive * 10 * (1 - decay)
        mean += survivor
        survivor *= np.exp(-np.exp((v - 1) / 0.2) / 2)
    rates = f_i_curve(kind.model(1 * ms), np.full(300, drive), 1000)
    assert rates.mean() == pytest.approx(1 / mean, rel=0.02)
    assert rates.std() > 0.002, "neurons draw their own numbers"


@pytest.mark.parametrize("name", KINDS)
def test_modes_and_synapses_agree_and_images_are_independent(numpy_target, name):
    images = dyadic_images(3, SMALL_SHAPE)
    spiking = convert(small_cnn(), images, v_init=0.25)
    dt = 0.5 * ms
    changed = with_neurons(spiking, KINDS[name], interval=20 * ms, duration=100 * ms, dt=dt)
    first, explicit, standalone = (
        simulate(changed, images, 50 * ms, dt=dt, mode=mode, synapses=synapses)
        for mode, synapses in (("runtime", "structured"), ("runtime", "explicit"), ("standalone", "structured"))
    )
    assert first.spike_counts[:, 1:].sum() > 0
    for other in (explicit, standalone):
        np.testing.assert_array_equal(other.spike_counts, first.spike_counts)
    alone = [simulate(changed, images[k : k + 1], 50 * ms, dt=dt, first_image=k).scores for k in range(3)]
    np.testing.assert_array_equal(np.concatenate(alone), first.scores)


@pytest.mark.parametrize("kind", [LeakyIntegrateAndFire(tau_m=20 * ms), EscapeNoise(), AdaptiveLeaky(tau_a=50 * ms)])
def test_a_fitted_neuron_stands_for_its_activation(numpy_target, kind):
    found = fit(kind.model(1 * ms), np.linspace(0, 1, 101), interval=10 * ms, duration=500 * ms)
    assert found.error < 0.07
    activations = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    rates = f_i_curve(kind.model(1 * ms), found.mapping.gain * activations + found.mapping.offset, 500 * ms)
    np.testing.assert_allclose(rates / found.mapping.peak, activations, atol=0.11)


def test_networks_of_leaky_neurons_compute_what_they_were_trained_for(numpy_target):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 4))
    images = np.random.default_rng(0).random((40, 16))
    spiking = convert(model, images, v_init=0.5)
    leaky = with_neurons(spiking, LeakyIntegrateAndFire(tau_m=20 * ms), images=images, interval=4 * ms)
    recording = simulate(leaky, images, 300, record_spikes=["layer_0"])
    agreement = (recording.decisions == recording.ann_scores.argmax(axis=1)).mean()
    assert agreement >= 0.85
    rates = recording.spikes["layer_0"].dense(40, 300, 24).mean(axis=1) / leaky.mappings["layer_0"].peak
    (activations,) = (values["layer_0"] for values in leaky.normalized.ann.activations(images))
    assert np.sqrt(np.mean((rates - activations) ** 2)) < 0.08


def test_the_currents_are_part_of_weights_and_biases(numpy_target):
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE)
    changed = with_neurons(spiking, LeakyIntegrateAndFire(), "layer_0", interval=5 * ms)
    mapping = changed.mappings["layer_0"]
    before, after = (s.graph.layer("layer_0").connections[0].edges()[2] for s in (spiking, changed))
    np.testing.assert_allclose(after, before * mapping.gain)
    bias_before, bias_after = (s.graph.layer("layer_0").bias for s in (spiking, changed))
    np.testing.assert_allclose(bias_after, bias_before * mapping.gain + mapping.offset)
    before, after = (s.graph.layer("layer_2").connections[0].edges()[2] for s in (spiking, changed))
    np.testing.assert_allclose(after, before / mapping.peak)
    np.testing.assert_allclose(changed.graph.layer("layer_2").bias, spiking.graph.layer("layer_2").bias)
    np.testing.assert_allclose(changed.normalized.ann.layer("layer_0").bias, bias_before)


def test_millivolts_are_those_of_the_neuron(numpy_target):
    images = dyadic_images(2, SMALL_SHAPE)
    spiking = convert(small_cnn(), images)
    changed = with_neurons(spiking, Izhikevich(), interval=20 * ms, duration=100 * ms, dt=0.5 * ms)
    volts = simulate(
        changed.in_millivolts(), images, 60 * ms, dt=0.5 * ms, record_potentials={"layer_0": [(0, 0, 0)]},
        record_variables={"layer_0": ["recovery"]},
    )  # fmt: skip
    np.testing.assert_array_equal(volts.spike_counts, simulate(changed, images, 60 * ms, dt=0.5 * ms).spike_counts)
    v = volts.potentials["layer_0"].values
    assert v.min() < -60 and np.isfinite(volts.potentials["layer_0"].variables["recovery"]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: with_neurons(s, "adex"), "the neuron is 'adex'; it is one of brianconv.biology"),
        (lambda s: with_neurons(s, LeakyIntegrateAndFire(), "input"), "has no membrane"),
        (lambda s: with_neurons(s, LeakyIntegrateAndFire(), interval=0.1 * ms), "once per step"),
        (lambda s: with_neurons(s, LeakyIntegrateAndFire(refractory=9 * ms)), "do not fire 260 times per second"),
        (lambda s: with_neurons(s, LeakyIntegrateAndFire(refractory=0.5 * ms)), "whole number of steps"),
        (lambda s: with_neurons(s.with_membrane(tau_m=9), LeakyIntegrateAndFire()), "has been changed before"),
        (lambda s: LeakyIntegrateAndFire(tau_m=-1 * ms), "tau_m is"),
        (lambda s: AdaptiveLeaky(b=-1), "b is -1"),
        (lambda s: AdaptiveExponential(v_peak=0.5), "v_peak lies above"),
        (lambda s: ExponentialIntegrateAndFire(v_reset=2), "below the threshold 1"),
        (lambda s: Izhikevich(a=0), "a is above 0"),
        (lambda s: EscapeNoise(width=0), "width is 0"),
        (lambda s: EscapeNoise(seed=-1), "seed is -1"),
        (lambda s: EscapeNoise(tau_m=10 * Hz), "tau_m is"),
        (lambda s: f_i_curve(s.neurons["layer_0"], [float("nan")]), "finite numbers"),
        (lambda s: f_i_curve(s.neurons["layer_0"], 0.5), "finite numbers"),
    ],
)
def test_what_cannot_be_is_refused(numpy_target, make, message):
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE)
    with pytest.raises(ParameterError, match=message):
        make(spiking)


def test_other_steps_and_other_codes_are_refused(numpy_target):
    images = dyadic_images(2, SMALL_SHAPE)
    changed = with_neurons(
        convert(small_cnn(), images), LeakyIntegrateAndFire(), interval=10 * ms, duration=100 * ms, dt=0.5 * ms
    )
    with pytest.raises(ParameterError, match=r"were made for steps of 0.5 ms: simulate with dt=0.5 ms"):
        Simulation(changed)
    assert "dv/dt = drive / dt - v / (tau_m * dt)" in changed.describe("layer_0", dt=0.5 * ms)
    with pytest.raises(ParameterError, match="has neurons of its own"):
        with_neurons(convert(small_cnn(), images, coding="phase"), LeakyIntegrateAndFire())
