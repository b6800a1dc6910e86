"""Every operation that people write: what becomes of it equals torch, and what cannot be is refused with a remedy."""

import copy
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from brianconv import convert, simulate, verify
from brianconv.coding import CODINGS
from brianconv.conversion.layers import extract_graph
from brianconv.errors import ShapeError, UnsupportedLayerError
from tests.helpers.conversions import assert_same_as_torch, refuse
from tests.helpers.networks import dyadic_, dyadic_images

IMAGE = (4, 6, 6)
SIGNAL = (3, 16)


class Calls(nn.Module):
    """A network whose forward() is a function of the image and its modules."""

    def __init__(self, function, *modules):
        super().__init__()
        self.parts, self.function = nn.ModuleList(modules), function

    def forward(self, x):
        return self.function(x, *self.parts)


def conv(n_in, n_out, kernel=3, **options):
    return nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, **options)


def between(module_or_function, n_in=6, n_out=6):
    """A network with an operation between a ReLU and the next convolution."""
    operation = module_or_function if isinstance(module_or_function, nn.Module) else Calls(module_or_function)
    return nn.Sequential(conv(4, n_in), nn.ReLU(), operation, conv(n_out, 3), nn.ReLU(), conv(3, 2))


def halves(x, first, second):
    """A block of ShuffleNetV2: one half passes, the other is convolved, and channels are shuffled."""
    a, b = first(x).relu().chunk(2, dim=1)
    y = torch.cat([a, second(b).relu()], dim=1)
    n, c, rows, columns = y.shape
    return y.view(n, 2, c // 2, rows, columns).transpose(1, 2).reshape(n, c, rows, columns)


def checked(x, first, second):
    """Shape checks as people write them."""
    assert x.shape[1] == 4, f"4 channels, not {x.shape[1]}"
    assert x.size(2) == 6
    assert x.ndim == 4
    x = x.to(first.weight.dtype) if x.dim() == 4 else x[None]
    return second(first(x).relu().view(x.size(0), -1) if len(x.shape) == 4 else x)


REARRANGEMENTS = {
    "channels of a slice": between(lambda x: x[:, 1:3], n_out=2),
    "every second channel": between(lambda x: x[:, ::2], n_out=3),
    "rows and columns of a slice": between(lambda x: x[:, :, 1:-1, 2:]),
    "a single row": Calls(lambda x, a, b: b(a(x).relu()[:, :, 2].flatten(1)), conv(4, 6), nn.Linear(36, 3)),
    "chunk": between(lambda x: x.chunk(2, 1)[1], n_out=3),
    "split into unequal parts": between(lambda x: torch.split(x, [2, 4], dim=1)[1], n_out=4),
    "unbind and stack": between(lambda x: torch.stack(x.unbind(1)[::-1], dim=1)),
    "stack and sum": between(lambda x: torch.stack([x, 0.5 * x], dim=1).sum(1)),
    "permute": Calls(lambda x, a, b: b(a(x).relu().permute(0, 2, 3, 1).flatten(1)), conv(4, 6), nn.Linear(216, 3)),
    "transpose": between(lambda x: x.transpose(2, 3)),
    "movedim": between(lambda x: x.movedim(1, -1).movedim(-1, 1)),
    "flip and roll": between(lambda x: torch.roll(x.flip(2, 3), 1, 2)),
    "channel shuffle": between(nn.ChannelShuffle(3)),
    "channel shuffle and a normalisation": between(nn.Sequential(nn.ChannelShuffle(2), nn.BatchNorm2d(6))),
    "channel shuffle by hand": Calls(lambda x, a, b, c: c(halves(x, a, b)), conv(4, 6), conv(3, 3), conv(6, 2)),
    "depthwise behind a shuffle": between(nn.Sequential(nn.ChannelShuffle(3), conv(6, 6, groups=6))),
    "pixel shuffle": between(nn.PixelShuffle(2), 8, 2),
    "pixel unshuffle": between(nn.PixelUnshuffle(2), 6, 24),
    "pixel shuffle before the ReLU": nn.Sequential(conv(4, 8), nn.PixelShuffle(2), nn.ReLU(), conv(2, 3)),
    "nearest upsampling": between(nn.Upsample(scale_factor=2)),
    "nearest to another size": between(lambda x: functional.interpolate(x, size=(9, 5))),
    "bilinear upsampling": between(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)),
    "bilinear with aligned corners": between(nn.UpsamplingBilinear2d(scale_factor=2)),
    "repeat": between(lambda x: x.repeat(1, 2, 1, 1), 3, 6),
    "expand": between(lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 6, 6)),
    "expand by the size of the batch": between(lambda x: x.mean((2, 3), keepdim=True).expand(x.size(0), 6, 6, 6)),
    "index_select": between(lambda x: x.index_select(1, torch.tensor([5, 0, 0])), n_out=3),
    "reflection padding": nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 3)),
    "replication padding": between(nn.ReplicationPad2d((1, 0, 2, 1))),
    "circular padding of a convolution": between(nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")),
    "reflection padding of a convolution": nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
    "padding with a constant": between(nn.ConstantPad2d((1, 2, 0, 1), 0.25)),
    "padding and cropping": between(lambda x: functional.pad(x, (-1, 2, 0, 1))),
    "concatenation of rows": between(lambda x: torch.cat([x, x.flip(2)], dim=2)),
    "mean of channels": between(lambda x: x.mean(1, keepdim=True), n_out=1),
    "sum of places": Calls(lambda x, a, b: b(a(x).relu().sum((2, 3))), conv(4, 6), nn.Linear(6, 3)),
    "averages with ceil_mode": between(nn.AvgPool2d(4, ceil_mode=True)),
    "averages without padded zeros": between(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "averages with a divisor": between(nn.AvgPool2d(2, divisor_override=3)),
    "averages over uneven windows": between(nn.AdaptiveAvgPool2d(4)),
    "maxima with ceil_mode": between(nn.MaxPool2d(4, ceil_mode=True)),
    "maxima with padding and ceil_mode": between(nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
    "adaptive maxima": between(nn.AdaptiveMaxPool2d(3)),
    "checks of shapes": Calls(checked, conv(4, 6), nn.Linear(216, 3)),
    "standardised inside": Calls(lambda x, a: a((x - torch.arange(4).view(1, 4, 1, 1) / 8) / 0.5), conv(4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", REARRANGEMENTS)
def test_rearrangements_equal_torch(name):
    assert_same_as_torch(dyadic_(copy.deepcopy(REARRANGEMENTS[name])), IMAGE)


ACTIVATIONS = {
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "Threshold": nn.Threshold(0, 0),
    "maximum": lambda x: torch.maximum(x, torch.tensor(0.0)),
    "max of zeros": lambda x: torch.max(x, torch.zeros_like(x)),
    "mask": lambda x: x * (x > 0),
    "mask as numbers": lambda x: (x >= 0).float() * x,
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "ReLU6": nn.ReLU6(),
    "Hardtanh from 0": nn.Hardtanh(0, 0.25),
    "clamp to a ceiling": lambda x: torch.clamp(x, 0, 0.25),
    "Hardtanh": nn.Hardtanh(-0.25, 0.25),
    "Hardsigmoid": nn.Hardsigmoid(),
    "clamp above": lambda x: x.clamp(max=0.125),
    "Threshold above 0": nn.Threshold(0.125, 0.125),
    "LeakyReLU": nn.LeakyReLU(0.25),
    "PReLU": nn.PReLU(6),
    "abs": lambda x: x.abs(),
    "maximum of two": lambda x: torch.maximum(x, -0.5 * x),
    "minimum of two": lambda x: torch.minimum(x, 0.5 * x),
}
SINGLE = ("clamp", "clamp_min", "Threshold", "maximum", "max of zeros", "mask", "mask as numbers", "where")


def activated(name):
    activation = ACTIVATIONS[name]
    activation = copy.deepcopy(activation) if isinstance(activation, nn.Module) else Calls(activation)
    return dyadic_(nn.Sequential(conv(4, 6), activation, conv(6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 3)))


@pytest.mark.parametrize("saturates", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_piecewise_linear_activations_equal_torch(name, saturates):
    model, images = activated(name).double(), dyadic_images(4, IMAGE)
    with torch.no_grad():
        expected = model(torch.as_tensor(images)).numpy()
    graph = extract_graph(model, IMAGE, saturates)
    np.testing.assert_allclose(graph.forward(images), expected, rtol=1e-9, atol=1e-12)
    if name in SINGLE:
        assert len(graph.layers) == 3, "a synonym of ReLU is one population"
    if name == "ReLU6":
        assert len(graph.layers) == (3 if saturates else 4)


@pytest.mark.parametrize("coding", ["rate", "burst"])
def test_clipped_activations_become_counts_of_the_closed_form(numpy_target, coding):
    """A drive of 3/4 and a ceiling of 1/2: the neuron sends 1/2, by saturation or by a second population."""
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = 1.0, 0.0
    model = nn.Sequential(layer, nn.Hardtanh(0, 0.5), copy.deepcopy(layer))
    images = np.array([[0.25], [0.5], [0.75], [1.0]])
    spiking = convert(model, images, coding=coding, normalization="max")
    outputs = simulate(spiking, images, 64).outputs()
    np.testing.assert_allclose(outputs.ravel(), [0.25, 0.5, 0.5, 0.5], atol=0.04)


CONVERTED = ("channel shuffle by hand", "pixel shuffle", "nearest upsampling", "bilinear upsampling",
             "maxima with padding and ceil_mode", "averages over uneven windows", "concatenation of rows",
             "circular padding of a convolution")  # fmt: skip


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("name", CONVERTED)
def test_rearrangements_spike_as_the_reference(numpy_target, name, synapses):
    model = nn.Sequential(dyadic_(copy.deepcopy(REARRANGEMENTS[name])), nn.Flatten())
    for coding in ("rate", "phase") if "maxima" not in name else ("rate",):
        spiking = convert(model, coding=coding, normalization="none", input_shape=IMAGE)
        outcome = verify(spiking, dyadic_images(1, IMAGE), 10, synapses=synapses)
        assert outcome.passed and outcome.n_spikes, str(outcome)


@pytest.mark.parametrize("coding", sorted(set(CODINGS) - {"hybrid", "direct"}))
@pytest.mark.parametrize("name", ["ReLU6", "LeakyReLU", "Hardtanh"])
def test_activations_spike_as_the_reference_under_every_code(numpy_target, name, coding):
    model, images = activated(name), dyadic_images(2, IMAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spiking = convert(model, images, coding=coding, normalization="none")
    outcome = verify(spiking, images[:1], min(spiking.default_steps, 24))
    assert outcome.passed and outcome.n_spikes, str(outcome)


SIGNALS = {
    "convolution": nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 2, 5, stride=2, dilation=2)),
    "groups": nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Conv1d(4, 4, 3, groups=2)),
    "normalisation and average": nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(28, 3)
    ),
    "maximum": nn.Sequential(
        nn.Conv1d(3, 4, 3, padding="same"), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3),
    ),
    "uneven maximum": nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.ReLU(), nn.MaxPool1d(3, 2, 1, ceil_mode=True), nn.Conv1d(4, 2, 3)
    ),
    "transposed": nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.ReLU(), nn.ConvTranspose1d(4, 2, 4, 2, 1), nn.ReLU(), nn.Conv1d(2, 2, 1)
    ),
    "reflection": nn.Sequential(nn.Conv1d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Conv1d(4, 2, 1)),
    "residual": Calls(lambda x, a, b: b((a(x) + x).relu()), nn.Conv1d(3, 3, 3, padding=1), nn.Conv1d(3, 2, 3)),
    "upsampling": nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv1d(4, 2, 3)),
    "linear upsampling": nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Upsample(scale_factor=2, mode="linear"), nn.Conv1d(4, 2, 3)
    ),
    "mean over time": Calls(lambda x, a, b: b(a(x).relu().mean(-1)), nn.Conv1d(3, 4, 3), nn.Linear(4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_equal_torch(name):
    assert_same_as_torch(dyadic_(copy.deepcopy(SIGNALS[name])), SIGNAL)


@pytest.mark.parametrize("name", ["convolution", "groups", "maximum", "uneven maximum", "transposed", "residual"])
def test_signals_spike_as_the_reference_and_keep_their_kernels(numpy_target, name):
    model = nn.Sequential(dyadic_(copy.deepcopy(SIGNALS[name])), nn.Flatten())
    spiking = convert(model, normalization="none", input_shape=SIGNAL)
    for synapses in ("structured", "explicit"):
        outcome = verify(spiking, dyadic_images(1, SIGNAL), 10, synapses=synapses)
        assert outcome.passed and outcome.n_spikes, str(outcome)


def test_neurons_of_signals_are_named_by_channel_and_time(numpy_target):
    model = dyadic_(copy.deepcopy(SIGNALS["convolution"]))
    spiking = convert(nn.Sequential(model, nn.Flatten()), normalization="none", input_shape=SIGNAL)
    recording = simulate(spiking, dyadic_images(1, SIGNAL), 10, record_potentials={"layer_0_0": [(2, 7)]})
    assert recording.positions("layer_0_0") == [(2, 7)]


CONSTANTS = {
    "x @ weight": Calls(lambda x, a: (x.flatten(1) @ a.weight.t()).relu() @ a.bias.view(-1, 1), nn.Linear(144, 5)),
    "weight @ x": Calls(lambda x, a: (a.weight @ x.flatten(2)).relu(), nn.Linear(4, 5)),
    "einsum": Calls(lambda x, a: torch.einsum("nchw,oc->nohw", x, a.weight).relu(), nn.Linear(4, 5)),
    "shared": Calls(lambda x, a: a(a(x).relu()), conv(4, 4)),
    "a scale that is computed": Calls(lambda x, a: a(x * (a.weight.abs().sum() * 0.5)), conv(4, 4)),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constant_weights_equal_torch(name):
    assert_same_as_torch(dyadic_(copy.deepcopy(CONSTANTS[name])), IMAGE)


def small():
    torch.manual_seed(3)
    return nn.Sequential(conv(4, 6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))


def pruned():
    model = small()
    prune.l1_unstructured(model[0], "weight", 0.5)
    prune.random_structured(model[3], "weight", 0.4, dim=0)
    model(torch.rand(1, *IMAGE))
    return model


def hooked():
    model = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(model[0])
        nn.utils.spectral_norm(model[3])
    model(torch.rand(2, *IMAGE))
    return model


def parametrized():
    model = small()
    parametrizations.weight_norm(model[0])
    parametrizations.spectral_norm(model[3])
    return model


@pytest.mark.parametrize(
    "build", [pruned, hooked, parametrized, lambda: nn.DataParallel(small()), lambda: torch.compile(small())]
)
def test_wrapped_networks_are_unwrapped_and_stay_as_they_are(build):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build().eval()
    images = torch.rand(2, *IMAGE)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    plain = model.module if isinstance(model, nn.DataParallel) else getattr(model, "_orig_mod", model)
    with torch.no_grad():
        expected = plain(images).numpy()
    np.testing.assert_allclose(extract_graph(model, IMAGE).forward(images.numpy()), expected, atol=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        np.testing.assert_array_equal(plain(images).numpy(), expected)
    extract_graph(model, IMAGE)  # again


def test_threads_convert_one_after_the_other_and_leave_torch_as_it_was():
    """torch.fx changes what calling a module does while it traces, in all threads."""
    call, outcomes = nn.Module.__call__, []
    model, images = small(), torch.rand(2, *IMAGE)
    with torch.no_grad():
        expected = model(images).numpy()

    def run():
        outcomes.append(extract_graph(model, IMAGE).forward(images.numpy()))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    for outcome in outcomes:
        np.testing.assert_allclose(outcome, expected, atol=1e-5)
    assert nn.Module.__call__ is call


def by_the_sum(x, layer):
    if x.sum() > 0:
        return layer(x)
    return x


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (lambda: torch.jit.script(small()), UnsupportedLayerError, ["TorchScript", "load_state_dict"]),
        (lambda: torch.jit.trace(small(), torch.rand(1, *IMAGE)), UnsupportedLayerError, ["TorchScript"]),
        (lambda: nn.Sequential(nn.LazyConv2d(3, 3)), UnsupportedLayerError, ["'0' (LazyConv2d)", "one batch"]),
        (lambda: torch.ao.quantization.quantize_dynamic(small(), {nn.Linear}), UnsupportedLayerError,
         ["'3' (Linear)", "quantised", "weight_bits=8"]),
        (lambda: Calls(by_the_sum, conv(4, 3)), UnsupportedLayerError,
         ["test_operations.py, line", "if x.sum() > 0:", "branches"]),
        (lambda: nn.Sequential(conv(4, 4), nn.SiLU()), UnsupportedLayerError, ["'1' (SiLU)", "replace it by ReLU"]),
        (lambda: nn.Sequential(conv(4, 4), nn.Tanh()), UnsupportedLayerError, ["Hardtanh"]),
        (lambda: nn.Sequential(conv(4, 4), nn.ELU()), UnsupportedLayerError, ["LeakyReLU"]),
        (lambda: nn.Sequential(conv(4, 4), nn.GroupNorm(2, 4)), UnsupportedLayerError, ["each image", "BatchNorm"]),
        (lambda: nn.Sequential(conv(4, 4), nn.Threshold(0.5, 0)), UnsupportedLayerError, ["jumps", "Threshold(t, t)"]),
        (lambda: Calls(lambda x, a: a(x) * (x > 0), conv(4, 4)), UnsupportedLayerError, ["mask", "x * (x > 0)"]),
        (lambda: Calls(lambda x, a: a(x).max(1)[0], conv(4, 4)), UnsupportedLayerError, ["over an axis"]),
        (lambda: Calls(lambda x, a: a(x) @ x, conv(4, 4)), UnsupportedLayerError, ["two activations"]),
        (lambda: Calls(lambda x, a: a(x).transpose(0, 1), conv(4, 4)), UnsupportedLayerError, ["mixes images"]),
        (lambda: Calls(lambda x, a: a(x)[0], conv(4, 4)), UnsupportedLayerError, ["mixes images"]),
        (lambda: Calls(lambda x, a: a(x)[:, 7:8, 9], conv(4, 4)), ShapeError, ["'getitem'", "(images, 4, 6, 6)"]),
        (lambda: Calls(lambda x, a: a(x + torch.zeros(x.size(0), 1, 1, 1)), conv(4, 4)), UnsupportedLayerError,
         ["one row per image"]),
        (lambda: nn.Sequential(conv(4, 4), nn.Upsample(scale_factor=2, mode="bicubic")), UnsupportedLayerError,
         ["'bicubic'", "bilinear"]),
        (lambda: nn.Sequential(conv(4, 4), nn.ReLU(), nn.AdaptiveMaxPool2d(4)), UnsupportedLayerError, ["divide"]),
        (lambda: nn.Sequential(nn.Conv1d(4, 4, 3)), ShapeError, ["(images, channels, length)"]),
        (lambda: nn.Linear, UnsupportedLayerError, ["pass the module itself"]),
        (lambda: small().state_dict(), UnsupportedLayerError, ["load_state_dict"]),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused_with_a_remedy(model, error, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = model()
    refuse(built, IMAGE, error, *words)


@pytest.mark.parametrize(
    ("returned", "output", "channels"),
    [
        (lambda x, a, b: {"logits": a(x), "aux": b(x)}, "logits", 3),
        (lambda x, a, b: {"logits": a(x), "aux": b(x)}, "aux", 5),
        (lambda x, a, b: (a(x), b(x)), 1, 5),
        (lambda x, a, b: {"only": a(x), "loss": None}, None, 3),
        (lambda x, a, b: [a(x)], None, 3),
    ],
)
def test_one_of_several_outputs_is_chosen_by_name(returned, output, channels):
    model = Calls(returned, conv(4, 3), conv(4, 5))
    spiking = convert(model, normalization="none", input_shape=IMAGE, output=output)
    assert spiking.graph.output.shape == (channels, 6, 6)


def test_several_outputs_are_refused_with_their_names():
    model = Calls(lambda x, a, b: {"logits": a(x), "aux": b(x)}, conv(4, 3), conv(4, 5))
    refuse(model, IMAGE, UnsupportedLayerError, "'logits', 'aux'", "output='logits'")
    with pytest.raises(UnsupportedLayerError, match="not 'other'"):
        convert(model, normalization="none", input_shape=IMAGE, output="other")
    with pytest.raises(UnsupportedLayerError, match="leave it out"):
        convert(small(), normalization="none", input_shape=IMAGE, output="logits")


@pytest.mark.parametrize(
    "cast",
    [
        lambda x, first: x.to(device=first.weight.device, dtype=first.weight.dtype, non_blocking=True),
        lambda x, first: x.cpu().detach().type(first.weight.dtype).type_as(first.weight),
        lambda x, first: x.cuda() if x.is_cuda else x.contiguous().clone().requires_grad_(False),
    ],
)
def test_what_only_moves_or_casts_a_tensor_changes_nothing(cast):
    assert_same_as_torch(Calls(lambda x, a, b: b(a(cast(x, a)).relu()), conv(4, 6), conv(6, 2)), IMAGE)
