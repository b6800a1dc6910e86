"""VGG-16 of Park et al. (2020), "T2FSNN: deep spiking neural networks with time-to-first-spike coding", section IV.

16 weight layers, as the latency of 1280 = 16 x 80 steps implies; the paper does not say how it pools: here by
averaging.
"""

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from models.layers import convolution, fully_connected
from models.recipe import Recipe

CONVOLUTIONS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

VGG16_RECIPE = Recipe(
    data="cifar10",
    epochs=10,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    label_smoothing=0.0,
    shift=4,
    flip=True,
    optimizer="sgd",
    differs="one cycle of 10 epochs with batch normalisation; the paper does not say how it trains",
)
VGG16_CIFAR100_RECIPE = replace(VGG16_RECIPE, data="cifar100")


def vgg16() -> nn.Sequential:
    """Return VGG-16 with 13 convolutions and 512-512-10 on 32 x 32 colour images."""
    return _vgg16(n_classes=10)


def vgg16_cifar100() -> nn.Sequential:
    """Return VGG-16 with 13 convolutions and 512-512-100 on 32 x 32 colour images."""
    return _vgg16(n_classes=100)


def _vgg16(n_classes: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    n_in = 3
    for stage, widths in enumerate(CONVOLUTIONS, start=1):
        for k, n_out in enumerate(widths, start=1):
            layers |= convolution(f"{stage}_{k}", n_in, n_out, 3)
            n_in = n_out
        layers[f"pool{stage}"] = nn.AvgPool2d(2)
    layers |= {"flatten": nn.Flatten(), **fully_connected(1, 512, 512), **fully_connected(2, 512, 512)}
    layers["fc3"] = nn.Linear(512, n_classes)
    return nn.Sequential(layers)


NETWORKS = {"vgg16": (vgg16, VGG16_RECIPE), "vgg16_cifar100": (vgg16_cifar100, VGG16_CIFAR100_RECIPE)}
