"""The interface that users type: objects, times as quantities, images of any kind, names of layers."""

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
from brian2 import ms, mV
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import brianconv
from brianconv import CODINGS, TTFS, Burst, Coding, DataError, Membrane, ParameterError, Percentile, convert, simulate
from brianconv.cli.options import CODING_NAMES
from brianconv.coding import find_coding
from brianconv.errors import UnknownLayerError
from brianconv.images import image_array
from tests.helpers.networks import SMALL_SHAPE, convert_flat, dyadic_, dyadic_images, small_cnn
from tests.helpers.toy_code import CODING as TOY

IMAGES = dyadic_images(4, SMALL_SHAPE)


def test_every_public_name_is_there():
    for name in brianconv.__all__:
        assert getattr(brianconv, name) is not None and name in dir(brianconv)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = brianconv.nothing


def test_the_package_is_imported_without_what_it_needs_later():
    code = "import sys, brianconv; print([m for m in ('torch', 'brian2', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_command_line_lists_the_coding_schemes():
    assert sorted(CODINGS) == sorted(CODING_NAMES)


KINDS = [kind for base in Coding.__subclasses__() for kind in (base, *base.__subclasses__())]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_objects_have_a_field_for_every_parameter(kind):
    scheme = kind.scheme
    assert CODINGS[scheme.name] is scheme
    known = {"encoding", "readout", "threshold_factor"}
    for encoding in (scheme.encoding, *scheme.other_encodings):
        known |= set(scheme.with_encoding(encoding.name).all_parameters)
    names = {field.name for field in fields(kind)}
    assert set(scheme.all_parameters) <= names <= known
    assert all(f"{name}" in kind.__doc__ for name in names)


def test_every_coding_scheme_has_an_object():
    assert sorted(kind.scheme.name for kind in KINDS) == sorted(CODINGS)


def test_an_object_is_the_same_as_the_name_with_parameters():
    one = convert(small_cnn(), IMAGES, coding=Burst(v_threshold=0.5, encoding="phase", n_phases=4))
    other = convert(small_cnn(), IMAGES, coding="burst", v_threshold=0.5, encoding="phase", n_phases=4)
    assert one.describe() == other.describe() and one.parameters == other.parameters
    with pytest.raises(ParameterError, match=r"give it to Burst\(...\) itself"):
        convert(small_cnn(), IMAGES, coding=Burst(), v_threshold=0.5)


def test_flat_settings_are_the_same_as_objects():
    membrane = Membrane(tau_m=20.0, refractory=2, noise=0.1)
    one = convert(small_cnn(), IMAGES, normalization=Percentile(99.0, per_channel=True), membrane=membrane)
    other = convert_flat(small_cnn(), IMAGES, percentile=99.0, per="channel", tau_m=20.0, refractory=2, noise=0.1)
    assert one.describe() == other.describe()
    for layer in one.graph.layers:
        np.testing.assert_array_equal(layer.bias, other.graph.layer(layer.name).bias)


def test_membranes_of_some_layers():
    spiking = convert(small_cnn(), IMAGES, membrane={"2": Membrane(tau_m=20 * ms)})
    assert list(spiking.membranes) == ["layer_2"]
    with pytest.raises(ParameterError, match=r"it is a Membrane, such as Membrane\(tau_m=20\*ms\)"):
        convert(small_cnn(), IMAGES, membrane=20)


def numbers(images):
    return image_array(images).tolist()


def test_images_of_every_kind_are_one_array():
    tensor = torch.as_tensor(IMAGES)
    loader = DataLoader(TensorDataset(tensor, torch.arange(len(IMAGES))), batch_size=3)
    for images in (tensor, list(tensor), list(IMAGES), loader, DataLoader(list(tensor), batch_size=2)):
        assert numbers(images) == IMAGES.tolist()
    with pytest.raises(DataError, match="DataLoader"):
        image_array("images")


def stepping(spiking, dt, **options):
    return simulate(spiking, IMAGES[:2], dt=dt, record_spikes=["layer_0", "layer_2"], **options)


def test_quantities_are_steps_of_any_length(numpy_target):
    timed = convert(
        small_cnn(), IMAGES, membrane=Membrane(tau_m=20 * ms, refractory=2 * ms, noise=0.1 * ms**-0.5),
        synaptic_delay=2 * ms,
    )  # fmt: skip
    for dt, tau_m, refractory, delay in ((1 * ms, 20.0, 2, 2), (0.5 * ms, 40.0, 4, 4)):
        noise = 0.1 * (dt / ms) ** 0.5
        stepped = convert(
            small_cnn(), IMAGES, membrane=Membrane(tau_m=tau_m, refractory=refractory, noise=float(noise)),
            synaptic_delay=delay,
        )  # fmt: skip
        n_steps = round(float(12 * ms / dt))
        one = stepping(timed, dt, n_steps=12 * ms, evaluation_delay=2 * ms)
        other = stepping(stepped, dt, n_steps=n_steps, evaluation_delay=delay)
        np.testing.assert_array_equal(one.spike_counts_by_image, other.spike_counts_by_image)
        np.testing.assert_array_equal(one.scores, other.scores)
        assert one.n_steps == n_steps and one.evaluation_delay == delay


def test_parameters_that_are_times_may_be_quantities(numpy_target):
    timed = convert(small_cnn(), IMAGES, coding=TTFS(window=12 * ms, tau=4 * ms, start=6 * ms))
    stepped = convert(small_cnn(), IMAGES, coding=TTFS(window=12, tau=4, start=6))
    assert "tau = 4. ms" in timed.describe("layer_0")
    runs = [simulate(spiking, IMAGES[:2]) for spiking in (timed, stepped)]
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Membrane(tau_m=20 * mV), "a time constant is a time such as"),
        (lambda: Membrane(refractory=-2 * ms), "is not negative"),
        (lambda: Membrane(refractory=2 * mV), "it is a time such as"),
        (lambda: Membrane(noise=2 * ms), r"0.1\*ms\*\*-0.5"),
        (lambda: Membrane(noise=-0.1), "0 or more"),
        (lambda: convert(small_cnn(), IMAGES, v_init=0.1 * mV), "it is a number without a unit"),
        (lambda: convert(small_cnn(), IMAGES, v_init=0.1 * ms), "it is a number without a unit"),
        (lambda: convert(small_cnn(), IMAGES, coding="ttfs", tau=2 * mV), "it is a time such as"),
        (lambda: convert(small_cnn(), IMAGES, synaptic_delay=2 * mV), "it is a time such as 2"),
        (lambda: convert(small_cnn(), IMAGES, synaptic_delay=-1 * ms), "0 or more"),
        (lambda: simulate(convert(small_cnn(), IMAGES), IMAGES, 10 * mV), "n_steps is 10"),
        (lambda: simulate(convert(small_cnn(), IMAGES), IMAGES, 10.5 * ms), "whole number of steps"),
        (lambda: simulate(convert(small_cnn(), IMAGES, synaptic_delay=1.5 * ms), IMAGES, 9), "whole number of steps"),
        (lambda: simulate(convert(small_cnn(), IMAGES, coding="ttfs", window=2.5 * ms), IMAGES), "whole number"),
        (
            lambda: simulate(
                convert(small_cnn(), IMAGES, membrane=Membrane(refractory=0.5 * ms)), IMAGES, 9, dt=1 * ms
            ),
            "refractory is .* whole number of steps",
        ),
    ],
)
def test_times_that_are_none_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(2, 3, 3))
        self.head = nn.Linear(3 * 9 * 7, 4)

    def forward(self, x):
        return self.head(torch.flatten(torch.relu(self.stem(x)), 1))


def test_layers_are_named_as_in_torch_or_in_brian(numpy_target):
    spiking = convert(dyadic_(Nested()), IMAGES, synaptic_delay={"stem.conv": 2}, v_init={"stem.conv": 0.25})
    assert spiking.synaptic_delay["stem_conv"] == 2 and spiking.parameters["v_init"]["stem_conv"] == 0.25
    assert spiking.describe("stem.conv") == spiking.describe("stem_conv")
    changed = spiking.change_neurons("stem.conv", refractory="3*ms").with_membrane("stem.conv", tau_m=30 * ms)
    assert changed.neurons["stem_conv"].refractory == "3*ms" and list(changed.membranes) == ["stem_conv"]
    recording = simulate(
        spiking, IMAGES[:1], 12, record_spikes=["stem.conv"], record_potentials={"stem.conv": [(0, 1, 1)]}
    )
    assert recording.positions("stem.conv") == [(0, 1, 1)]
    same = recording.spike_steps("stem.conv", (0, 1, 1)), recording.spike_steps("stem_conv", (0, 1, 1))
    np.testing.assert_array_equal(*same)
    with pytest.raises(UnknownLayerError, match=r"there is no layer 'stem.pool'"):
        spiking.describe("stem.pool")


def test_coding_schemes_of_other_packages_are_found(monkeypatch):
    points = [
        EntryPoint("toy", "tests.helpers.toy_code:CODING", "brianconv.codes"),
        EntryPoint("no", "tests.helpers.toy_code:PAIRS", "brianconv.codes"),
    ]
    monkeypatch.setattr("brianconv.coding.entry_points", lambda group: [p for p in points if p.group == group])
    assert find_coding("toy") is TOY
    with pytest.raises(ParameterError, match="is no CodingScheme"):
        find_coding("no")
    with pytest.raises(ParameterError, match=r"choose one of rate, .*toy"):
        find_coding("other")
