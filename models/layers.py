"""Blocks that the paper networks are made of.

Batch normalisation follows its convolution directly and the weights before it have no bias, so that both become one
weight and one bias when a network is converted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn


def convolution(
    name: int | str, n_in: int, n_out: int, kernel: int, stride: int = 1, padding: int | None = None
) -> dict[str, nn.Module]:
    """Return convolution, batch normalisation and ReLU by name; "same" padding unless another is given."""
    padding = kernel // 2 if padding is None else padding
    return {
        f"conv{name}": nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False),
        f"bn{name}": nn.BatchNorm2d(n_out),
        f"relu{name}": nn.ReLU(),
    }


def fully_connected(name: int | str, n_in: int, n_out: int) -> dict[str, nn.Module]:
    """Return a linear layer, batch normalisation and ReLU by name."""
    return {
        f"fc{name}": nn.Linear(n_in, n_out, bias=False),
        f"bn_fc{name}": nn.BatchNorm1d(n_out),
        f"relu_fc{name}": nn.ReLU(),
    }


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al., 2016); sum and ReLU become one population.

    The shortcut is the identity, or a 1 x 1 convolution where the number of channels or the stride changes.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.relu2 = nn.ReLU()
        self.shortcut = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_images, n_in, rows, columns) to (n_images, n_out, rows / stride, columns / stride)."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.shortcut(x))


def plain(n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """Return the two convolutions of a residual block without its shortcut."""
    return nn.Sequential(OrderedDict(convolution(1, n_in, n_out, 3, stride) | convolution(2, n_out, n_out, 3)))


def cifar_resnet(depth: int, n_classes: int, block: Callable[..., nn.Module] = Residual) -> nn.Sequential:
    """Return He et al.'s (2016, section 4.2) network for 32 x 32 colour images with depth = 6 n + 2 weight layers.

    Three stages of n blocks with 16, 32 and 64 channels at 32 x 32, 16 x 16 and 8 x 8; global average pooling; one
    linear layer. Shortcuts that change their size are 1 x 1 convolutions, where He et al. have no parameters.
    """
    layers = OrderedDict(convolution("", 3, 16, 3))
    n_in = 16
    for stage, n_out in enumerate((16, 32, 64), start=1):
        for k in range(1, (depth - 2) // 6 + 1):
            layers[f"block{stage}_{k}"] = block(n_in, n_out, 2 if n_in != n_out else 1)
            n_in = n_out
    layers |= {"pool": nn.AvgPool2d(8), "flatten": nn.Flatten(), "fc": nn.Linear(64, n_classes)}
    return nn.Sequential(layers)
