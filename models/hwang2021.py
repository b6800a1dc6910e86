"""Networks of Hwang et al. (2021), Front. Neurosci. 15:629000, section "Network Architecture".

nCm(s) is an n x n convolution with m filters and stride s, nC^T m(s) a transposed one. The paper does not print
the padding: here it is "same" except in Net 1.
"""

from collections import OrderedDict

from torch import nn

from models.layers import cifar_resnet, convolution
from models.recipe import Recipe

NET1_RECIPE = Recipe(
    data="mnist",
    epochs=8,
    batch_size=128,
    learning_rate=1e-3,
    weight_decay=1e-4,
    label_smoothing=0.0,
    shift=1,
    differs="one cycle of 8 epochs and random shifts of 1 pixel; the paper: learning rate 1e-3, times 0.1 after 60, "
    "120 and 180 epochs. Dropout 0.5 before the output layer, as the paper does not say where",
)
NET2_RECIPE = Recipe(
    data="cifar10",
    epochs=12,
    batch_size=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    label_smoothing=0.0,
    shift=4,
    flip=True,
    optimizer="sgd",
    differs="one cycle of 12 epochs with batch normalisation, shifts and flips; the paper: learning rate 1e-3, times "
    "0.5 after 50, 100 and 200 epochs. No dropout: its 50 % are for more epochs than these; L2 5e-4",
)
NET3_RECIPE = Recipe(
    data="cifar10",
    epochs=15,
    batch_size=128,
    learning_rate=1e-3,
    weight_decay=0.0,
    label_smoothing=0.0,
    shift=0,
    flip=True,
    loss="mean_squared_error",
    differs="one cycle of 15 epochs; the paper: learning rate 1e-3, times 0.1 after 120, 240 and 360 epochs, details "
    "in Hwang et al. (2020)",
)
RESNET20_RECIPE = Recipe(
    data="cifar10",
    epochs=40,
    batch_size=128,
    learning_rate=0.2,
    weight_decay=5e-4,
    label_smoothing=0.0,
    shift=4,
    flip=True,
    optimizer="sgd",
    differs="one cycle of 40 epochs, L2 5e-4, 1 x 1 convolutions where a shortcut changes its size; the paper: "
    "learning rate 0.1, times 0.1 after 82, 123 and 164 epochs, L2 1e-4",
)


def net1() -> nn.Sequential:
    """Return Net 1: 3C20-5C50-FC50-FC10 on 28 x 28 grey images, without padding or pooling."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 20, 3),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(20, 50, 5),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(22 * 22 * 50, 50),
            relu3=nn.ReLU(),
            dropout=nn.Dropout(0.5),
            fc2=nn.Linear(50, 10),
        )
    )


def net2() -> nn.Sequential:
    """Return Net 2: 3C96-3C96(2)-3C192-3C192-3C192(2)-3C192-1C192-1C10-GAP on 32 x 32 colour images.

    As in Springenberg et al. (2014), which the paper follows, the last convolution has a ReLU too.
    """
    return nn.Sequential(
        OrderedDict(
            **convolution(1, 3, 96, 3),
            **convolution(2, 96, 96, 3, stride=2),
            **convolution(3, 96, 192, 3),
            **convolution(4, 192, 192, 3),
            **convolution(5, 192, 192, 3, stride=2),
            **convolution(6, 192, 192, 3),
            **convolution(7, 192, 192, 1),
            **convolution(8, 192, 10, 1),
            pool=nn.AvgPool2d(8),
            flatten=nn.Flatten(),
        )
    )


def net3() -> nn.Sequential:
    """Return Net 3: 3C96-3C96(2)-3C32(2)-3C16(2)-3C^T 32(2)-3C^T 96(2)-3C^T 96(2)-3C^T 3, an autoencoder.

    Maps (n_images, 3, 32, 32) onto itself through a code of 16 x 4 x 4. All layers have a ReLU: the output is a firing
    rate as well.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 96, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(96, 96, 3, stride=2, padding=1),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(96, 32, 3, stride=2, padding=1),
            relu3=nn.ReLU(),
            conv4=nn.Conv2d(32, 16, 3, stride=2, padding=1),
            relu4=nn.ReLU(),
            deconv1=nn.ConvTranspose2d(16, 32, 3, stride=2, padding=1, output_padding=1),
            relu5=nn.ReLU(),
            deconv2=nn.ConvTranspose2d(32, 96, 3, stride=2, padding=1, output_padding=1),
            relu6=nn.ReLU(),
            deconv3=nn.ConvTranspose2d(96, 96, 3, stride=2, padding=1, output_padding=1),
            relu7=nn.ReLU(),
            deconv4=nn.ConvTranspose2d(96, 3, 3, padding=1),
            relu8=nn.ReLU(),
        )
    )


def resnet20() -> nn.Sequential:
    """Return ResNet-20 (section "Effects on ResNet-20") on 32 x 32 colour images, with 1 x 1 shortcuts."""
    return cifar_resnet(20, n_classes=10)


NETWORKS = {
    "net1": (net1, NET1_RECIPE),
    "net2": (net2, NET2_RECIPE),
    "net3": (net3, NET3_RECIPE),
    "resnet20": (resnet20, RESNET20_RECIPE),
}
