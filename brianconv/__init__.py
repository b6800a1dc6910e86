"""brianconv: trained PyTorch networks as Brian2 spiking networks."""

from brianconv.analysis.plotting import plot_accuracy, plot_correlation, plot_potentials, plot_raster
from brianconv.coding import SCHEMES
from brianconv.conversion.channels import Placement
from brianconv.conversion.geometry import (
    Convolution,
    Dense,
    MaxPooling,
    OneToOne,
    Reshape,
    TransposedConvolution,
    average_pooling,
)
from brianconv.errors import BrianconvError, ConversionNote
from brianconv.positions import (
    group_index,
    position_of_group_index,
    position_of_torch_index,
    torch_index,
)
from brianconv.recording import Recording
from brianconv.simulation.network import BrianNetwork, Settings, build_network
from brianconv.simulation.run import Simulation, simulate
from brianconv.simulation.synapses.structured import StructuredSynapses
from brianconv.simulation.verification import verify
from brianconv.spiking import SpikingNetwork, convert

__version__ = "0.1.0"
__all__ = [
    "SCHEMES",
    "BrianNetwork",
    "BrianconvError",
    "ConversionNote",
    "Convolution",
    "Dense",
    "MaxPooling",
    "OneToOne",
    "Placement",
    "Recording",
    "Reshape",
    "Settings",
    "Simulation",
    "SpikingNetwork",
    "StructuredSynapses",
    "TransposedConvolution",
    "average_pooling",
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
