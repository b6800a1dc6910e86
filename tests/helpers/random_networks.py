"""Random small networks drawn from every layer that can be converted.

A network is a list of stages; each takes and returns an image. Sizes are powers of two and weights multiples of 1/64
where arithmetic is to be exact.
"""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tests.helpers.networks import dyadic_

SHAPE = (2, 8, 8)
RECTIFIERS = (
    lambda x: torch.relu(x),
    lambda x: functional.relu(x),
    lambda x: x.relu(),
    lambda x: functional.relu(x, inplace=True),
)


class Stage(nn.Module):
    """Some layers, and what forward() does with them."""

    def __init__(self, function, *layers, name=""):
        super().__init__()
        self.layers, self.function, self.name = nn.ModuleList(layers), function, name

    def forward(self, x):
        return self.function(x, *self.layers)

    def extra_repr(self):
        return self.name


def norm(n_channels):
    """Batch normalisation whose gain is a power of two."""
    module = nn.BatchNorm2d(n_channels, eps=0.0)
    random = np.random.default_rng(n_channels)
    module.running_var[:] = torch.as_tensor(random.choice([0.25, 1.0, 4.0], n_channels))
    module.running_mean[:] = torch.as_tensor(random.integers(-8, 9, n_channels) / 64)
    return module


def conv(n_in, n_out, stride=1, **options):
    return nn.Conv2d(n_in, n_out, 3, stride, 1, **options)


def in_turn(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


def convolution(draw, c, size):
    n, stride = draw(st.integers(1, 4)), 2 if size > 2 and draw(st.booleans()) else 1
    layers = [conv(c, n, stride, bias=draw(st.booleans()))] + [norm(n)] * draw(st.booleans())
    return Stage(in_turn, *layers, name="convolution"), n, size // stride


def transposed(draw, c, size):
    n, double = draw(st.integers(1, 4)), size < 8 and draw(st.booleans())
    deconv = nn.ConvTranspose2d(c, n, 2, 2) if double else nn.ConvTranspose2d(c, n, 3, 1, 1)
    layers = [deconv] + [norm(n)] * draw(st.booleans())
    return Stage(in_turn, *layers, name="transposed"), n, size * (1 + double)


def pooling(draw, c, size):
    if size == 1:
        return convolution(draw, c, size)
    form = draw(st.sampled_from([
        lambda x: functional.avg_pool2d(x, 2),
        lambda x: functional.avg_pool2d(x, kernel_size=(2, 2), stride=2),
        lambda x: functional.adaptive_avg_pool2d(x, size // 2),
        lambda x: x.reshape(x.size(0), c, -1).view(-1, c, size, size)[:, :, ::2, ::2],
    ]))  # fmt: skip
    return Stage(form, name="pooling"), c, size // 2


def residual(draw, c, size):
    """Residual block: identity, 1 x 1 convolution, or no weights where the shape changes."""
    n, stride = draw(st.sampled_from([(c, 1), (c, 1), (c + 1, 1), (c, 2), (c + 2, 2)]))
    stride = stride if size > 2 else 1
    layers = [conv(c, n, stride), conv(n, n), norm(n), nn.ReLU()]
    if draw(st.booleans()):
        shortcut = nn.Sequential() if (n, stride) == (c, 1) else nn.Conv2d(c, n, 1, stride)
        function = lambda x, a, b, bn, relu, s: bn(b(relu(a(x)))) + s(x)  # noqa: E731
        return Stage(function, *layers, shortcut, name="residual"), n, size // stride
    add = draw(st.sampled_from([torch.add, lambda a, b: a.add(b), lambda a, b: a.add_(b)]))

    def function(x, a, b, bn, relu):
        shortcut = functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, n - c))
        return add(bn(b(relu(a(x)))), shortcut)

    return Stage(function, *layers, name="residual without weights"), n, size // stride


def concatenation(draw, c, size):
    n, m, rectify = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.booleans())
    layers = [conv(c, n), conv(c, m)]
    if rectify:
        return Stage(lambda x, a, b: torch.cat([a(x), b(x).relu()], 1), *layers, name="cat"), n + m, size
    return Stage(lambda x, a, b: torch.cat((x, b(a(x).relu())), dim=1), conv(c, n), conv(n, m), name="cat"), c + m, size


def rectified_sum(draw, c, size):
    gain = draw(st.sampled_from([1.0, 0.5, -0.25]))
    return Stage(lambda x, a: a(x).relu() + x * gain + 0.125, conv(c, c), name="sum"), c, size


def shared(draw, c, size):
    return Stage(lambda x, a: a(a(x).relu()), conv(c, c), name="shared"), c, size


def doubled(draw, c, size):
    return Stage(lambda x, a, b: a(x) + b(x) + x + x, conv(c, c), nn.Conv2d(c, c, 1), name="doubled"), c, size


def rearranged(draw, c, size):
    """An operation that moves or repeats values."""
    form, n, factor = draw(st.sampled_from([
        (lambda x: x.flip(2), c, 1),
        (lambda x: x.transpose(2, 3), c, 1),
        (lambda x: torch.cat([x[:, 1:], x[:, :1]], 1), c, 1),
        (lambda x: x[:, :1], 1, 1),
        (lambda x: torch.cat([x, x.chunk(c, 1)[0]], 1), c + 1, 1),
        (lambda x: functional.channel_shuffle(x.repeat(1, 2, 1, 1), 2), 2 * c, 1),
        (lambda x: functional.pad(x, (1, 1, 1, 1), mode="replicate")[:, :, 1:-1, :-2], c, 1),
        (lambda x: functional.interpolate(x, scale_factor=2)[:, :, ::2, 1::2], c, 1),
    ]))  # fmt: skip
    return Stage(form, name="rearranged"), n, size * factor


def activation(draw, c, size):
    """A piecewise linear function that is no ReLU."""
    module = draw(st.sampled_from([
        nn.LeakyReLU(0.25), nn.Hardtanh(-0.5, 0.5), nn.Threshold(0.125, 0.125), nn.Hardtanh(0, 0.5),
    ]))  # fmt: skip
    return Stage(in_turn, conv(c, c), module, name="activation"), c, size


STAGES = (
    convolution, transposed, pooling, residual, concatenation, rectified_sum, shared, doubled, rearranged, activation,
)  # fmt: skip


class Network(nn.Module):
    def __init__(self, stages, rectifiers, end, layers, softmax=None):
        super().__init__()
        self.stages, self.rectifiers = nn.ModuleList(stages), rectifiers
        self.end, self.layers = end, nn.ModuleList(layers)

    def forward(self, x):
        for stage, rectify in zip(self.stages, self.rectifiers, strict=True):
            x = rectify(stage(x)) if rectify else stage(x)
        return self.end(x, *self.layers)


def _end(draw, c, size):
    n = c * size * size
    return draw(st.sampled_from([
        (lambda x: x, []),
        (lambda x: x.relu(), []),
        (lambda x, f: f(x.flatten(1)), [nn.Linear(n, 3)]),
        (lambda x, f: f(x.mean((2, 3))), [nn.Linear(c, 3)]),
        (lambda x, f: f(torch.mean(x, dim=[2, 3], keepdim=True).view(x.shape[0], -1)).relu(), [nn.Linear(c, 3)]),
        (lambda x, p, f: f(p(x)), [nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, 3, 1)]),
        (lambda x, f, u, g: g(u(f(x.reshape(-1, n)).relu())),
         [nn.Linear(n, 8), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 2, 2, 2)]),
        (lambda x, f: f(torch.cat([x.mean((2, 3)), x.flatten(1)], 1)), [nn.Linear(c + n, 3)]),
    ]))  # fmt: skip


@st.composite
def networks(draw, most_stages=4):
    """Draw a network on images of shape SHAPE, in float64."""
    c, size = SHAPE[:2]
    stages, rectifiers = [], []
    for k in range(draw(st.integers(1, most_stages))):
        kinds = STAGES if k else [stage for stage in STAGES if stage is not rearranged]  # something must have weights
        stage, c, size = draw(st.sampled_from(kinds))(draw, c, size)
        stages.append(stage)
        rectifiers.append(draw(st.sampled_from([*RECTIFIERS, None])))
    end, layers = _end(draw, c, size)
    network = Network(stages, rectifiers, end, layers)
    return dyadic_(network, seed=draw(st.integers(0, 99))).double()
