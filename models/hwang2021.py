"""Networks of Hwang et al. (2021), Front. Neurosci. 15:629000, section "Network Architecture"."""

from collections import OrderedDict

from torch import nn

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


NETWORKS = {"net1": (net1, NET1_RECIPE)}
