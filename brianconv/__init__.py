"""brianconv: trained PyTorch networks as Brian2 spiking networks."""

from brianconv.analysis.plotting import plot_accuracy, plot_correlation, plot_potentials, plot_raster
from brianconv.coding import SCHEMES
from brianconv.errors import BrianconvError
from brianconv.recording import Recording
from brianconv.simulation.network import BrianNetwork, Settings, build_network
from brianconv.simulation.run import Simulation, simulate
from brianconv.simulation.verification import verify
from brianconv.spiking import SpikingNetwork, convert

__version__ = "0.1.0"
__all__ = [
    "SCHEMES",
    "BrianNetwork",
    "BrianconvError",
    "Recording",
    "Settings",
    "Simulation",
    "SpikingNetwork",
    "build_network",
    "convert",
    "plot_accuracy",
    "plot_correlation",
    "plot_potentials",
    "plot_raster",
    "simulate",
    "verify",
]
