"""Which neurons of two layers are joined, and with what weight: one file for each kind of connectivity.

Each file holds the map in NumPy, what torch calls it, and how torch's module or function becomes it. A new kind is one
file, and one line in `KINDS`.
"""

from types import ModuleType

from brianconv.connectivity import (
    average_pooling,
    channel_padding,
    convolution,
    dense,
    max_pooling,
    one_to_one,
    reshape,
    transposed_convolution,
)
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity, Converter
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.transposed_convolution import TransposedConvolution

KINDS: tuple[ModuleType, ...] = (
    dense,
    convolution,
    transposed_convolution,
    average_pooling,
    max_pooling,
    one_to_one,
    reshape,
    channel_padding,
)
MODULES: dict[str, Converter] = {name: convert for kind in KINDS for name, convert in kind.MODULES.items()}
FUNCTIONS: dict[str, Converter] = {name: convert for kind in KINDS for name, convert in kind.FUNCTIONS.items()}
CLASSES: tuple[type[Connectivity], ...] = (
    AveragePooling,
    ChannelPadding,
    Convolution,
    Dense,
    MaxPooling,
    OneToOne,
    Reshape,
    TransposedConvolution,
)
