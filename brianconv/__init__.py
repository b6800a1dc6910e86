"""brianconv: trained PyTorch networks as Brian2 spiking networks."""

from brianconv.analysis.plotting import plot_accuracy, plot_correlation, plot_potentials, plot_raster
from brianconv.coding import CODINGS
from brianconv.connectivity import (
    AveragePooling,
    ChannelPadding,
    Connectivity,
    Convolution,
    Dense,
    MaxPooling,
    OneToOne,
    Reshape,
    TransposedConvolution,
)
from brianconv.conversion.convert import convert
from brianconv.errors import BrianconvError, ConversionNote
from brianconv.positions import (
    group_index,
    position_of_group_index,
    position_of_torch_index,
    torch_index,
)
from brianconv.recording import Recording
from brianconv.simulation.build import build_network
from brianconv.simulation.network import BrianNetwork
from brianconv.simulation.run import Simulation, simulate
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.synapses.structured import StructuredSynapses
from brianconv.spiking import SpikingNetwork
from brianconv.verification.comparison import verify

__version__ = "0.1.0"
__all__ = [
    "CODINGS",
    "AveragePooling",
    "BrianNetwork",
    "BrianconvError",
    "ChannelPadding",
    "Connectivity",
    "ConversionNote",
    "Convolution",
    "Dense",
    "MaxPooling",
    "OneToOne",
    "Recording",
    "Reshape",
    "RunSettings",
    "Simulation",
    "SpikingNetwork",
    "StructuredSynapses",
    "TransposedConvolution",
    "build_network",
    "convert",
    "group_index",
    "plot_accuracy",
    "plot_correlation",
    "plot_potentials",
    "plot_raster",
    "position_of_group_index",
    "position_of_torch_index",
    "simulate",
    "torch_index",
    "verify",
]
