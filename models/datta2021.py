"""Networks of Datta et al. (2021), "Training energy-efficient deep spiking neural networks with single-spike hybrid
input encoding", section V-A.

No biases and hence no batch normalisation; dropout; average pooling; images with zero mean. The paper names the
networks without their layers: the convolutions of VGG-11 and VGG-16 are Simonyan and Zisserman's; those of VGG-6
(three) and VGG-9, the two hidden fully connected layers of 512 neurons and the shares of dropout are our choice. The
network for MNIST is not the paper's: it is Kim et al.'s CNN under the same constraints.
"""

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from models.recipe import Recipe

# widths of the convolutions; average pooling follows each group
VGG6 = ((64,), (128, 128))
VGG9 = ((64,), (128,), (256, 256), (512, 512))
VGG11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
HIDDEN = 512
CIFAR100_MEAN, CIFAR100_STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
DROPOUT_CONVOLUTIONS, DROPOUT_HIDDEN = 0.1, 0.4

VGG6_RECIPE = Recipe(
    data="cifar10",
    epochs=30,
    batch_size=128,
    learning_rate=0.04,
    weight_decay=5e-4,
    label_smoothing=0.0,
    shift=4,
    flip=True,
    optimizer="sgd",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    differs="one cycle of 30 epochs; the paper: 200 epochs from 0.01, times 0.1 after 120, 160 and 180",
)
MNIST_RECIPE = Recipe(
    data="mnist",
    epochs=15,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=1e-2,
    label_smoothing=0.0,
    shift=1,
    optimizer="adamw",
    mean=(0.1307,),
    std=(0.3081,),
    differs="not a network of the paper; one cycle of 15 epochs with random shifts of 1 pixel",
)
VGG_RECIPE = replace(
    VGG6_RECIPE, epochs=60,
    differs="one cycle of 60 epochs; the paper: 200 epochs from 0.01, times 0.1 after 120, 160 and 180",
)  # fmt: skip


def mnist_cnn() -> nn.Sequential:
    """Return 12c5-2s-64c5-2s-10 (Kim et al., 2018, Net2) on 28 x 28 grey images of zero mean, without padding.

    Average pooling, no biases, no batch normalisation; no dropout either, as the network is small.
    """
    layers = OrderedDict(
        conv1=nn.Conv2d(1, 12, 5, bias=False),
        relu1=nn.ReLU(),
        pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(12, 64, 5, bias=False),
        relu2=nn.ReLU(),
        pool2=nn.AvgPool2d(2),
        flatten=nn.Flatten(),
        fc=nn.Linear(64 * 4 * 4, 10, bias=False),
    )
    return _initialised(nn.Sequential(layers))


def vgg6() -> nn.Sequential:
    """Return VGG-6 on 32 x 32 colour images of zero mean."""
    return _vgg(VGG6)


def vgg9() -> nn.Sequential:
    """Return VGG-9 on 32 x 32 colour images of zero mean."""
    return _vgg(VGG9)


def vgg11() -> nn.Sequential:
    """Return VGG-11 on 32 x 32 colour images of zero mean."""
    return _vgg(VGG11)


def vgg16() -> nn.Sequential:
    """Return VGG-16 on 32 x 32 colour images of zero mean."""
    return _vgg(VGG16)


def vgg16_cifar100() -> nn.Sequential:
    """Return VGG-16 with 100 classes on 32 x 32 colour images of zero mean."""
    return _vgg(VGG16, n_classes=100)


def _vgg(groups: tuple[tuple[int, ...], ...], n_classes: int = 10) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    n_in, size = 3, 32
    for group, widths in enumerate(groups, start=1):
        for k, n_out in enumerate(widths, start=1):
            layers[f"conv{group}_{k}"] = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
            layers[f"relu{group}_{k}"] = nn.ReLU()
            if k < len(widths):
                layers[f"dropout{group}_{k}"] = nn.Dropout(DROPOUT_CONVOLUTIONS)
            n_in = n_out
        layers[f"pool{group}"] = nn.AvgPool2d(2)
        size //= 2
    layers["flatten"] = nn.Flatten()
    return _initialised(nn.Sequential(layers | _classifier(n_in * size * size, n_classes)))


def _classifier(n_in: int, n_classes: int) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        fc1=nn.Linear(n_in, HIDDEN, bias=False),
        relu_fc1=nn.ReLU(),
        dropout_fc1=nn.Dropout(DROPOUT_HIDDEN),
        fc2=nn.Linear(HIDDEN, HIDDEN, bias=False),
        relu_fc2=nn.ReLU(),
        dropout_fc2=nn.Dropout(DROPOUT_HIDDEN),
        fc3=nn.Linear(HIDDEN, n_classes, bias=False),
    )


def _initialised(model: nn.Sequential) -> nn.Sequential:
    """Scale the weights such that the signal neither fades nor grows, as there is no batch normalisation."""
    for module in model:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


NETWORKS = {
    "mnist_cnn": (mnist_cnn, MNIST_RECIPE),
    "vgg6": (vgg6, VGG6_RECIPE),
    "vgg9": (vgg9, VGG_RECIPE),
    "vgg11": (vgg11, VGG_RECIPE),
    "vgg16": (vgg16, VGG_RECIPE),
    "vgg16_cifar100": (vgg16_cifar100, replace(VGG_RECIPE, data="cifar100", mean=CIFAR100_MEAN, std=CIFAR100_STD)),
}
