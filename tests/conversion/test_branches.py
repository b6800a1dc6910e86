"""Branching networks: additions, concatenations, shared modules, and what is left out or refused."""

import copy
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from brianconv import build_network, verify
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.conversion.layers import extract_graph
from brianconv.conversion.normalization import Percentile, normalize
from brianconv.errors import ConversionNote, DataError, ShapeError, UnsupportedLayerError
from models import hwang2021, park2020
from models.layers import Residual
from tests.helpers.conversions import assert_same_as_torch, refuse
from tests.helpers.networks import convert_flat, dyadic_, dyadic_images

IMAGE = (3, 8, 8)


class Forward(nn.Module):
    """A network whose forward() is a function of the module and the images."""

    def __init__(self, forward, **modules):
        super().__init__()
        torch.manual_seed(0)
        for name, make in modules.items():
            setattr(self, name, make())
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def conv(n_in=3, n_out=3, **options):
    return lambda: nn.Conv2d(n_in, n_out, 3, padding=1, **options)


def norm(n_channels=3):
    def make():
        module = nn.BatchNorm2d(n_channels)
        nn.init.normal_(module.running_mean, std=0.1)
        nn.init.uniform_(module.running_var, 0.5, 2.0)
        nn.init.uniform_(module.weight, -2.0, 2.0)
        nn.init.normal_(module.bias, std=0.1)
        return module

    return make


def transposed(n_in=3, n_out=4, **options):
    return lambda: nn.ConvTranspose2d(n_in, n_out, 3, **options)


def head(n_in, n_out=5):
    return lambda: nn.Linear(n_in, n_out)


def pooled(x):
    return x.mean((2, 3))


def shorter(x):
    """The shortcut without weights of He et al. (2016, option A): every other pixel, and empty channels."""
    return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))


NETWORKS = {
    "residual block with an identity": Forward(lambda m, x: pooled(m.b(m.a(x))), a=conv(), b=lambda: Residual(3, 3, 1)),
    "residual block with a shortcut": Forward(lambda m, x: pooled(m.b(x)), b=lambda: Residual(3, 4, 2)),
    "shortcut without weights": Forward(
        lambda m, x: pooled((m.b(h := m.a(x).relu()) + shorter(h)).relu()), a=conv(), b=conv(3, 6, stride=2)
    ),
    "torch.add with a factor": Forward(lambda m, x: torch.add(input=m.a(x), other=x, alpha=0.5).relu(), a=conv()),
    "method": Forward(lambda m, x: m.a(x).add(x).relu(), a=conv()),
    "in place": Forward(lambda m, x: m.a(x).add_(x).relu_(), a=conv()),
    "assignment": Forward(lambda m, x: assignment(m, x), a=conv()),
    "unassigned in-place ReLU": Forward(lambda m, x: unassigned(m, x), a=conv(), r=lambda: nn.ReLU(inplace=True)),
    "sum of rectified layers": Forward(lambda m, x: m.a(x).relu() + m.b(x).relu(), a=conv(), b=conv()),
    "ReLU of a sum of rectified layers": Forward(
        lambda m, x: m.c((m.a(x).relu() + m.b(x).relu()).relu()), a=conv(), b=conv(), c=conv()
    ),
    "convolution of a sum": Forward(lambda m, x: m.c(m.a(x).relu() + m.b(x)).relu(), a=conv(), b=conv(), c=conv()),
    "pooled sum": Forward(
        lambda m, x: m.c(functional.avg_pool2d(m.a(x).relu() + m.b(x).relu(), 2)), a=conv(), b=conv(), c=conv()
    ),
    "addition to itself": Forward(lambda m, x: m.b((h := m.a(x)) + h).relu(), a=conv(), b=conv()),
    "three branches": Forward(lambda m, x: (m.a(x) + m.b(x) + x + m.a(x).relu()).relu(), a=conv(), b=conv()),
    "two paths from one layer": Forward(lambda m, x: (m.a(x) + m.b(x)).relu(), a=conv(), b=conv()),
    "difference": Forward(lambda m, x: (1 - m.a(x) - x / 2).relu() * 0.25, a=conv()),
    "constants": Forward(
        lambda m, x: m.a((x - m.mean) / m.std).relu() + m.bias,
        a=conv(),
        mean=lambda: nn.Parameter(torch.rand(1, 3, 1, 1)),
        std=lambda: nn.Parameter(torch.rand(1, 3, 1, 1) + 0.5),
        bias=lambda: nn.Parameter(torch.rand(3, 8, 8)),
    ),
    "parameters": Forward(
        lambda m, x: functional.linear(x.flatten(1), m.w, m.b), w=lambda: nn.Parameter(torch.randn(4, 192)),
        b=lambda: nn.Parameter(torch.randn(4)),
    ),
    "concatenated channels": Forward(
        lambda m, x: m.c(torch.cat([m.a(x).relu(), m.b(x).relu(), x], 1)).relu(), a=conv(3, 4), b=conv(3, 2), c=conv(9)
    ),
    "ReLU, pooling and normalisation of a concatenation": Forward(
        lambda m, x: m.c(m.n(functional.avg_pool2d(torch.cat((m.a(x), m.b(x)), dim=1).relu(), 2)).relu()),
        a=conv(3, 4), b=conv(3, 2), n=norm(6), c=transposed(6),
    ),
    "concatenated features": Forward(
        lambda m, x: m.c(torch.cat([pooled(m.a(x).relu()), x.flatten(1)], 1)), a=conv(3, 4), c=head(4 + 192)
    ),
    "flattened concatenation": Forward(
        lambda m, x: m.c(torch.cat([m.a(x).relu(), m.b(x).relu()], -3).flatten(1)), a=conv(), b=conv(), c=head(384)
    ),
    "concatenation as output": Forward(lambda m, x: torch.cat([m.a(x), m.b(x).relu()], 1), a=conv(), b=conv()),
    "grouped convolution of a concatenation": Forward(
        lambda m, x: m.c(torch.cat([m.a(x).relu(), m.b(x)], 1)), a=conv(), b=conv(), c=conv(6, 6, groups=2)
    ),
    "concatenation and addition": Forward(
        lambda m, x: m.c((torch.cat([m.a(x), x], 1) + m.b(x)).relu()), a=conv(), b=conv(3, 6), c=conv(6)
    ),
    "transposed convolution": Forward(
        lambda m, x: m.n(m.b(m.a(x).relu())).relu(), a=transposed(3, 4, stride=2, output_padding=1),
        b=transposed(4, 6, groups=2, padding=1, dilation=2), n=norm(6),
    ),
    "image in the middle": Forward(
        lambda m, x: m.b(m.u(m.a(x.flatten(1)).relu())).relu(), a=head(192, 32), b=transposed(2),
        u=lambda: nn.Unflatten(1, (2, 4, 4)),
    ),
    "view as an image before the ReLU": Forward(
        lambda m, x: m.b(m.n(m.a(x.flatten(1)).view(-1, 2, 4, 4)).relu()), a=head(192, 32), n=norm(2), b=transposed(2)
    ),
    "image seen as another": Forward(
        lambda m, x: m.b(m.a(x).relu().view(x.size(0), 2, 12, 8)).relu(), a=conv(), b=conv(2, 2)
    ),
    "adaptive pooling": Forward(
        lambda m, x: m.b(m.p(m.a(x).relu())).relu(), a=conv(), b=conv(), p=lambda: nn.AdaptiveAvgPool2d((4, None))
    ),
    "global pooling": Forward(
        lambda m, x: m.b(functional.adaptive_avg_pool2d(m.a(x).relu(), 1).squeeze(-1).squeeze(-1)), a=conv(), b=head(3)
    ),
    "mean with kept axes": Forward(
        lambda m, x: m.b(torch.mean(m.a(x).relu(), dim=[2, 3], keepdim=True)[:, :, 0, 0]), a=conv(), b=head(3)
    ),
    "mean of flattened rows": Forward(lambda m, x: m.b(m.a(x).relu().flatten(2).mean(-1)), a=conv(), b=head(3)),
    "normalisation of what is pooled": Forward(
        lambda m, x: m.n(functional.avg_pool2d(m.a(x), 2, 2, 1)).relu(), a=conv(), n=norm()
    ),
    "normalisation of the image": Forward(lambda m, x: m.a(m.n(x)).relu(), n=norm(), a=conv()),
    "normalisation of a sum": Forward(lambda m, x: m.n(m.a(x).relu() + m.b(x)).relu(), a=conv(), b=conv(), n=norm()),
    "shared module": Forward(lambda m, x: m.a(m.a(x).relu()).relu(), a=conv()),
    "shared block": Forward(lambda m, x: pooled(m.b(m.b(x))), b=lambda: Residual(3, 3, 1)),
    "two matrices": Forward(lambda m, x: m.b(m.a(x.flatten(1))).relu(), a=head(192), b=head(5)),
    "zero padding": Forward(
        lambda m, x: m.a(m.p(x)).relu(), a=lambda: nn.Conv2d(3, 4, 3), p=lambda: nn.ZeroPad2d((1, 0, 2, 1))
    ),
    "the same ReLU twice": Forward(lambda m, x: m.b((h := m.a(x)).relu() + h.relu()), a=conv(), b=conv()),
    "hidden layer beside its ReLU": Forward(lambda m, x: m.b((h := m.a(x)).relu() + h).relu(), a=conv(), b=conv()),
    "output of a hidden layer": Forward(lambda m, x: (m.a(x).relu(), m.b(x))[0], a=conv(), b=conv()),
}  # fmt: skip


def assignment(m, x):
    y = m.a(x)
    y += x
    return y.relu()


def unassigned(m, x):
    y = m.a(x)
    m.r(y)
    return y + x


@pytest.mark.parametrize("name", NETWORKS)
def test_branching_networks_equal_torch(name):
    assert_same_as_torch(NETWORKS[name], IMAGE)


@pytest.mark.parametrize("per", ["layer", "channel"])
@pytest.mark.parametrize("name", NETWORKS)
def test_normalised_branches_share_one_scale(name, per):
    graph = extract_graph(NETWORKS[name].double(), IMAGE)
    images, others = dyadic_images(8, IMAGE), dyadic_images(4, IMAGE, seed=1)
    normalized = normalize(graph, images, Percentile(99.0, per_channel=per == "channel"))
    before, after = next(graph.activations(others)), next(normalized.graph.activations(others))
    for layer, scale in normalized.activation_scale.items():
        np.testing.assert_allclose(after[layer] * scale, before[layer], atol=1e-9)


def test_a_residual_block_is_two_populations():
    model = nn.Sequential(OrderedDict(stem=nn.Conv2d(3, 4, 3, padding=1), relu=nn.ReLU(), block=Residual(4, 4, 1)))
    graph = extract_graph(model, IMAGE)
    assert graph.names == ["input", "stem", "block_conv1", "block_conv2"]
    assert [c.source for c in graph.output.connections] == ["block_conv1", "stem"]
    assert [type(c.chain[0]) for c in graph.output.connections] == [Convolution, OneToOne]
    assert graph.output.rectified


class InvertedResidual(nn.Module):
    """Sandler et al. (2018): expansion, depthwise convolution, and a projection that is not rectified."""

    def __init__(self, n_channels, factor):
        super().__init__()
        n_hidden = n_channels * factor
        self.expand, self.project = nn.Conv2d(n_channels, n_hidden, 1), nn.Conv2d(n_hidden, n_channels, 1)
        self.depthwise = nn.Conv2d(n_hidden, n_hidden, 3, padding=1, groups=n_hidden)

    def forward(self, x):
        return x + self.project(self.depthwise(self.expand(x).relu()).relu())


def test_synapses_of_linear_bottlenecks_by_hand():
    blocks = [InvertedResidual(24, 6) for _ in range(3)]
    stem = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU())
    graph = extract_graph(nn.Sequential(stem, *blocks, nn.Conv2d(24, 10, 1)), (3, 32, 32))
    places, taps = 32 * 32, (3 * 32 - 2) ** 2  # of 1 x 1 and, without those on padding, of 3 x 3 kernels
    first, depthwise = 3 * 24 * taps, 144 * taps
    # an expansion reads the stem, and through their projections the depthwise layers of all blocks before
    expansions = [(24 + k * 144) * 144 * places for k in range(3)]
    assert graph.n_synapses == first + 3 * depthwise + sum(expansions) + (24 + 3 * 144) * 10 * places


def test_a_module_called_twice_becomes_two_layers_with_the_same_weights():
    graph = extract_graph(NETWORKS["shared module"], IMAGE)
    assert graph.names == ["input", "a", "a_2"]
    first, second = (layer.connections[0].chain[0] for layer in graph.layers)
    np.testing.assert_array_equal(first.weight, second.weight)


def test_a_rectified_sum_is_computed_once():
    assert extract_graph(NETWORKS["the same ReLU twice"], IMAGE).names == ["input", "a", "b"]


def test_paths_that_differ_in_a_gain_become_one():
    model = Forward(lambda m, x: m.a(x).relu() + 2 * x + x, a=conv())
    (layer, output) = extract_graph(model, IMAGE).layers
    assert [c.source for c in output.connections] == [layer.name, "input"]
    assert float(output.connections[1].chain[0].weight) == 3


def test_parts_of_a_concatenation_are_populations_of_their_own():
    graph = extract_graph(NETWORKS["concatenated channels"], IMAGE)
    assert graph.names == ["input", "a", "b", "c"]
    assert [c.source for c in graph.output.connections] == ["a", "b", "input"]


def test_what_the_output_does_not_need_is_left_out():
    assert extract_graph(NETWORKS["output of a hidden layer"], IMAGE).names == ["input", "a"]


@pytest.mark.parametrize(
    "last",
    [nn.Softmax(1), nn.LogSoftmax(-1), functional.log_softmax, lambda x: x.softmax(dim=-1)],
    ids=["module", "LogSoftmax", "function", "method"],
)
def test_softmax_at_the_output_is_left_out_with_a_note(last):
    model = Forward(lambda m, x: m.s(m.a(x)), a=head(4), s=lambda: last)
    with pytest.warns(ConversionNote, match="softmax"):
        graph = extract_graph(model, (4,))
    assert "softmax" in graph.notes[0]
    images = dyadic_images(3, (4,))
    with torch.no_grad():
        expected = model.a.double()(torch.as_tensor(images)).numpy()
    np.testing.assert_allclose(graph.forward(images), expected, atol=1e-12)
    with pytest.warns(ConversionNote):
        assert "left out" in convert_flat(model, images).describe().splitlines()[-1]


def test_images_as_output_keep_their_shape():
    model = hwang2021.net3()
    graph = extract_graph(model, (3, 32, 32))
    assert graph.output.shape == (3, 32, 32) and graph.output.rectified
    assert_same_as_torch(model, (3, 32, 32))
    spiking = convert_flat(model, dyadic_images(2, (3, 32, 32)))
    assert spiking.graph.forward(dyadic_images(2, (3, 32, 32))).shape == (2, 3, 32, 32)
    assert "deconv4: 3 x 32 x 32" in spiking.describe("deconv4")


@pytest.mark.parametrize("make", [hwang2021.resnet20, park2020.vgg16, hwang2021.net2])
def test_networks_of_the_papers_equal_torch(make):
    assert_same_as_torch(make(), (3, 32, 32))


SPIKING = [
    "two paths from one layer", "shortcut without weights", "concatenation and addition", "image in the middle",
    "ReLU, pooling and normalisation of a concatenation",
]  # fmt: skip


@pytest.mark.parametrize("synapses", ["structured", "explicit"])
@pytest.mark.parametrize("name", SPIKING)
def test_spikes_of_branching_networks_equal_the_reference(numpy_target, name, synapses):
    images = dyadic_images(2, IMAGE)
    spiking = convert_flat(dyadic_(copy.deepcopy(NETWORKS[name])), images, per="channel", synaptic_delay=1)
    outcome = verify(spiking, images[:1], 12, synapses=synapses)
    assert outcome.passed and outcome.n_spikes > 100, str(outcome)


def test_two_connections_between_two_populations_have_names_of_their_own(numpy_target):
    brian = build_network(convert_flat(NETWORKS["two paths from one layer"], dyadic_images(2, IMAGE)))
    assert list(brian.connections) == ["input_to_a", "input_to_a_2"]


class Defaults(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x, target=None, scale=2.0):
        y = self.fc(x) * scale
        return y if target is None else functional.cross_entropy(y, target)


def test_further_arguments_keep_their_defaults():
    assert_same_as_torch(Defaults(), (4,))


class Deep(nn.Module):
    """Every addition doubles the paths, as there is no ReLU."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(10))

    def forward(self, x):
        for module in self.convs:
            x = x + module(x)
        return x


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (Deep(), UnsupportedLayerError, ["operation 'add'", "without a ReLU", "put a ReLU"]),
        (Forward(lambda m, x: m.a(x) + x, a=conv(3, 4)), ShapeError, ["'add'", "(4, 8, 8)", "(3, 8, 8)", "1 x 1"]),
        (Forward(lambda m, x: m.a(x) * x, a=conv()), UnsupportedLayerError, ["'mul'", "two activations"]),
        (Forward(lambda m, x: x / m.a(x), a=conv()), UnsupportedLayerError, ["divides"]),
        (Forward(lambda m, x: m.a(x) / 0, a=conv()), DataError, ["infinite"]),
        (Forward(lambda m, x: m.a(x) + torch.rand(5), a=conv()), ShapeError, ["(3, 8, 8)", "(5,)"]),
        (Forward(lambda m, x: torch.cat([m.a(x), x[:, :, ::2]], 1), a=conv()), ShapeError, ["differ"]),
        (Forward(lambda m, x: m.b(m.s(m.a(x))), a=conv(), b=conv(), s=lambda: nn.Softmax(1)), UnsupportedLayerError,
         ["layer 's' (Softmax)", "middle"]),
        (Forward(lambda m, x: m.a(x).softmax(0), a=conv()), UnsupportedLayerError, ["dim=0", "dim=1"]),
        (Forward(lambda m, x: m.a(x).mean(), a=conv()), UnsupportedLayerError, ["dim=None", "axis of images"]),
        (Forward(lambda m, x: torch.cat([m.a(x), x], 0), a=conv()), UnsupportedLayerError, ["axis of images"]),
        (Forward(lambda m, x: functional.dropout(m.a(x)), a=conv()), UnsupportedLayerError, ["self.training"]),
        (Forward(lambda m, x: m.a(x, output_size=(20, 20)), a=transposed()), UnsupportedLayerError, ["'a'", "input"]),
        (Forward(lambda m, x: (m.a(x), x), a=conv()), UnsupportedLayerError, ["returns a tuple", "output=0"]),
        (Forward(lambda m, x: torch.relu(x.sigmoid())), UnsupportedLayerError, ["'sigmoid'", "ReLU"]),
        (Forward(lambda m, x: x.flatten(0)), UnsupportedLayerError, ["start_dim=1"]),
        (Forward(lambda m, x: x.relu(1, 2, 3)), UnsupportedLayerError, ["'relu'", "too many"]),
    ],
)  # fmt: skip
def test_refusals_name_what_was_found_and_what_is_allowed(model, error, words):
    refuse(model, IMAGE, error, *words)
