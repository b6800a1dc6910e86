"""Networks of Kim et al. (2018), Neurocomputing 311:373-386, Table 1 and section 6.

All have batch normalisation, the CNNs max pooling ("2s"), the networks for CIFAR-100 and ResNet-20 global average
pooling. The widths of the residual networks' last stage are He et al.'s (64), where the text prints 32 a second time;
shortcuts that change their size are 1 x 1 convolutions with batch normalisation, after the paper's Figure 6.
"""

from collections import OrderedDict
from dataclasses import replace

from torch import nn

from models.layers import cifar_resnet, convolution, fully_connected, plain
from models.recipe import Recipe

MNIST_RECIPE = Recipe(
    data="mnist",
    epochs=15,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=1e-2,
    label_smoothing=0.0,
    shift=1,
    optimizer="adamw",
    differs="one cycle of 15 epochs with random shifts of 1 pixel; the paper does not give its schedule",
)
CIFAR_CNN_RECIPE = Recipe(
    data="cifar10",
    epochs=32,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    label_smoothing=0.0,
    shift=4,
    flip=True,
    optimizer="sgd",
    differs="one cycle of 32 epochs; the paper does not give its schedule",
)
NIN_RECIPE = replace(
    CIFAR_CNN_RECIPE, data="svhn", epochs=15, shift=0, flip=False,
    differs="one cycle of 15 epochs; the paper does not give its schedule",
)  # fmt: skip
RESNET32_RECIPE = replace(
    CIFAR_CNN_RECIPE, epochs=30, learning_rate=0.2,
    differs="one cycle of 30 epochs, and CIFAR-10; the paper: CIFAR-100 (resnet32_cifar100, plain32_cifar100)",
)  # fmt: skip
PLAIN32_RECIPE = replace(RESNET32_RECIPE, learning_rate=0.1)
RESNET20_RECIPE = replace(
    RESNET32_RECIPE, epochs=26, differs="one cycle of 26 epochs; the paper does not give its schedule"
)
CIFAR100_RECIPE = replace(
    RESNET32_RECIPE, epochs=10, data="cifar100", differs="one cycle of 10 epochs; the paper does not give its schedule"
)


def mlp() -> nn.Sequential:
    """Return Net1: 784-1200-1200-10 on 28 x 28 grey images; 3,194 neurons with the pixels."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            **fully_connected(1, 784, 1200),
            **fully_connected(2, 1200, 1200),
            fc3=nn.Linear(1200, 10),
        )
    )


def mnist_cnn() -> nn.Sequential:
    """Return Net2: 12c5-2s-64c5-2s-10 on 28 x 28 grey images, without padding.

    29,816 parameters once batch normalisation is folded, as Table 3 counts them: the output layer has no bias.
    """
    return nn.Sequential(
        OrderedDict(
            **convolution(1, 1, 12, 5, padding=0),
            pool1=nn.MaxPool2d(2),
            **convolution(2, 12, 64, 5, padding=0),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc=nn.Linear(64 * 4 * 4, 10, bias=False),
        )
    )


def nin() -> nn.Sequential:
    """Return Net3: Network-in-Network with three multilayer-perceptron convolutions, for SVHN.

    As in Lin et al. (2014), which the paper follows, 3 x 3 pooling with stride 2 and dropout separate the blocks.
    """
    return nn.Sequential(
        OrderedDict(
            **_mlpconv(1, 3, 5, 192),
            pool1=nn.MaxPool2d(3, 2, padding=1),
            dropout1=nn.Dropout(0.5),
            **_mlpconv(2, 192, 3, 192),
            pool2=nn.MaxPool2d(3, 2, padding=1),
            dropout2=nn.Dropout(0.5),
            **_mlpconv(3, 192, 3, 10),
            pool3=nn.AvgPool2d(8),
            flatten=nn.Flatten(),
        )
    )


def _mlpconv(block: int, n_in: int, kernel: int, n_out: int) -> dict[str, nn.Module]:
    return (
        convolution(f"{block}_1", n_in, 192, kernel)
        | convolution(f"{block}_2", 192, 192, 1)
        | convolution(f"{block}_3", 192, n_out, 1)
    )


def cifar_cnn() -> nn.Sequential:
    """Return Net4: 32c3-32c3-2s-64c3-64c3-2s-512-10 on 32 x 32 colour images, "same" padding.

    118,282 neurons, as Table 3 counts them: pixels, every layer, pooling and flattening.
    """
    return nn.Sequential(
        OrderedDict(
            **convolution(1, 3, 32, 3),
            **convolution(2, 32, 32, 3),
            pool1=nn.MaxPool2d(2),
            **convolution(3, 32, 64, 3),
            **convolution(4, 64, 64, 3),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            **fully_connected(1, 64 * 8 * 8, 512),
            fc2=nn.Linear(512, 10),
        )
    )


def resnet20() -> nn.Sequential:
    """Return Net5: ResNet-20 for CIFAR-10, 19 convolutions and one linear layer."""
    return cifar_resnet(20, n_classes=10)


def resnet32() -> nn.Sequential:
    """Return Net6, ResNet-32 with 31 convolutions, with 10 classes for CIFAR-10."""
    return cifar_resnet(32, n_classes=10)


def plain32() -> nn.Sequential:
    """Return Net7, Net6 without its shortcuts, with 10 classes for CIFAR-10."""
    return cifar_resnet(32, n_classes=10, block=plain)


def resnet32_cifar100() -> nn.Sequential:
    """Return Net6: ResNet-32 for CIFAR-100."""
    return cifar_resnet(32, n_classes=100)


def plain32_cifar100() -> nn.Sequential:
    """Return Net7: Net6 without its shortcuts, for CIFAR-100."""
    return cifar_resnet(32, n_classes=100, block=plain)


NETWORKS = {
    "mlp": (mlp, MNIST_RECIPE),
    "mnist_cnn": (mnist_cnn, MNIST_RECIPE),
    "nin": (nin, NIN_RECIPE),
    "cifar_cnn": (cifar_cnn, CIFAR_CNN_RECIPE),
    "resnet20": (resnet20, RESNET20_RECIPE),
    "resnet32": (resnet32, RESNET32_RECIPE),
    "plain32": (plain32, PLAIN32_RECIPE),
    "resnet32_cifar100": (resnet32_cifar100, CIFAR100_RECIPE),
    "plain32_cifar100": (plain32_cifar100, CIFAR100_RECIPE),
}
