"""Which neurons of two layers are joined, and with what weight: one file for each kind of connectivity.

Each file contains the map in NumPy, its names in torch, and its conversion from torch. A new kind is one
file, and one line in `KINDS`.
"""

from types import ModuleType

from brianconv.connectivity import (
    average_pooling,
    channel_padding,
    convolution,
    dense,
    max_pooling,
    one_dimensional,
    one_to_one,
    reshape,
    selection,
    transposed_convolution,
    weighted_sum,
)
from brianconv.connectivity.average_pooling import AveragePooling
from brianconv.connectivity.base import Connectivity, Converter
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.selection import Selection
from brianconv.connectivity.transposed_convolution import TransposedConvolution
from brianconv.connectivity.weighted_sum import WeightedSum

KINDS: tuple[ModuleType, ...] = (
    dense,
    convolution,
    transposed_convolution,
    average_pooling,
    max_pooling,
    one_dimensional,
    one_to_one,
    reshape,
    channel_padding,
    selection,
    weighted_sum,
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
    Selection,
    TransposedConvolution,
    WeightedSum,
)
