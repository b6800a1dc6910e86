"""brianconv: trained PyTorch networks as Brian2 spiking networks.

Names are loaded when they are first used, so that the command line starts without torch and Brian2.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brianconv.analysis.plotting import plot_accuracy as plot_accuracy
    from brianconv.analysis.plotting import plot_correlation as plot_correlation
    from brianconv.analysis.plotting import plot_f_i_curve as plot_f_i_curve
    from brianconv.analysis.plotting import plot_potentials as plot_potentials
    from brianconv.analysis.plotting import plot_raster as plot_raster
    from brianconv.coding import CODINGS as CODINGS
    from brianconv.coding import encodings as encodings
    from brianconv.coding import readouts as readouts
    from brianconv.coding.analog import Analog as Analog
    from brianconv.coding.burst import Burst as Burst
    from brianconv.coding.direct import Direct as Direct
    from brianconv.coding.hybrid import Hybrid as Hybrid
    from brianconv.coding.membrane import Membrane as Membrane
    from brianconv.coding.phase import Phase as Phase
    from brianconv.coding.poisson import Poisson as Poisson
    from brianconv.coding.rate import Rate as Rate
    from brianconv.coding.reverse import Reverse as Reverse
    from brianconv.coding.scheme import Coding as Coding
    from brianconv.coding.scheme import CodingScheme as CodingScheme
    from brianconv.coding.scheme import InputEncoding as InputEncoding
    from brianconv.coding.scheme import NeuronModel as NeuronModel
    from brianconv.coding.scheme import Parameter as Parameter
    from brianconv.coding.scheme import Readout as Readout
    from brianconv.coding.ttfs import TTFS as TTFS
    from brianconv.comparison import Comparison as Comparison
    from brianconv.comparison import compare as compare
    from brianconv.connectivity import AveragePooling as AveragePooling
    from brianconv.connectivity import ChannelPadding as ChannelPadding
    from brianconv.connectivity import Connectivity as Connectivity
    from brianconv.connectivity import Convolution as Convolution
    from brianconv.connectivity import Dense as Dense
    from brianconv.connectivity import MaxPooling as MaxPooling
    from brianconv.connectivity import OneToOne as OneToOne
    from brianconv.connectivity import Reshape as Reshape
    from brianconv.connectivity import TransposedConvolution as TransposedConvolution
    from brianconv.conversion.convert import convert as convert
    from brianconv.conversion.normalization import Maximum as Maximum
    from brianconv.conversion.normalization import Normalization as Normalization
    from brianconv.conversion.normalization import Percentile as Percentile
    from brianconv.conversion.normalization import Unscaled as Unscaled
    from brianconv.errors import BrianconvError as BrianconvError
    from brianconv.errors import CompilerError as CompilerError
    from brianconv.errors import ConversionNote as ConversionNote
    from brianconv.errors import DataError as DataError
    from brianconv.errors import MemoryLimitError as MemoryLimitError
    from brianconv.errors import NoTrainingImagesError as NoTrainingImagesError
    from brianconv.errors import OutputError as OutputError
    from brianconv.errors import ParameterError as ParameterError
    from brianconv.errors import ShapeError as ShapeError
    from brianconv.errors import SimulationError as SimulationError
    from brianconv.errors import UnknownLayerError as UnknownLayerError
    from brianconv.errors import UnsupportedLayerError as UnsupportedLayerError
    from brianconv.positions import group_index as group_index
    from brianconv.positions import position_of_group_index as position_of_group_index
    from brianconv.positions import position_of_torch_index as position_of_torch_index
    from brianconv.positions import torch_index as torch_index
    from brianconv.recording import Recording as Recording
    from brianconv.simulation.build import build_network as build_network
    from brianconv.simulation.network import BrianNetwork as BrianNetwork
    from brianconv.simulation.run import Simulation as Simulation
    from brianconv.simulation.run import simulate as simulate
    from brianconv.simulation.run_settings import RunSettings as RunSettings
    from brianconv.simulation.runtime import RuntimeNetwork as RuntimeNetwork
    from brianconv.simulation.standalone import StandaloneNetwork as StandaloneNetwork
    from brianconv.simulation.synapses.structured import StructuredSynapses as StructuredSynapses
    from brianconv.spike_trains import SpikeTrain as SpikeTrain
    from brianconv.spiking import SpikingNetwork as SpikingNetwork
    from brianconv.verification.comparison import Verification as Verification
    from brianconv.verification.comparison import verify as verify

__version__ = "0.1.0"
_PLACES = {
    "brianconv.analysis.plotting": (
        "plot_accuracy",
        "plot_correlation",
        "plot_f_i_curve",
        "plot_potentials",
        "plot_raster",
    ),
    "brianconv.coding": ("CODINGS",),
    "brianconv.coding.analog": ("Analog",),
    "brianconv.coding.burst": ("Burst",),
    "brianconv.coding.direct": ("Direct",),
    "brianconv.coding.hybrid": ("Hybrid",),
    "brianconv.coding.membrane": ("Membrane",),
    "brianconv.coding.phase": ("Phase",),
    "brianconv.coding.poisson": ("Poisson",),
    "brianconv.coding.rate": ("Rate",),
    "brianconv.coding.reverse": ("Reverse",),
    "brianconv.coding.scheme": ("Coding", "CodingScheme", "InputEncoding", "NeuronModel", "Parameter", "Readout"),
    "brianconv.coding.ttfs": ("TTFS",),
    "brianconv.connectivity": (
        "AveragePooling",
        "ChannelPadding",
        "Connectivity",
        "Convolution",
        "Dense",
        "MaxPooling",
        "OneToOne",
        "Reshape",
        "TransposedConvolution",
    ),
    "brianconv.comparison": ("Comparison", "compare"),
    "brianconv.conversion.convert": ("convert",),
    "brianconv.conversion.normalization": ("Maximum", "Normalization", "Percentile", "Unscaled"),
    "brianconv.errors": (
        "BrianconvError",
        "CompilerError",
        "ConversionNote",
        "DataError",
        "MemoryLimitError",
        "NoTrainingImagesError",
        "OutputError",
        "ParameterError",
        "ShapeError",
        "SimulationError",
        "UnknownLayerError",
        "UnsupportedLayerError",
    ),
    "brianconv.positions": ("group_index", "position_of_group_index", "position_of_torch_index", "torch_index"),
    "brianconv.recording": ("Recording",),
    "brianconv.simulation.build": ("build_network",),
    "brianconv.simulation.network": ("BrianNetwork",),
    "brianconv.simulation.run": ("Simulation", "simulate"),
    "brianconv.simulation.run_settings": ("RunSettings",),
    "brianconv.simulation.runtime": ("RuntimeNetwork",),
    "brianconv.simulation.standalone": ("StandaloneNetwork",),
    "brianconv.simulation.synapses.structured": ("StructuredSynapses",),
    "brianconv.spike_trains": ("SpikeTrain",),
    "brianconv.spiking": ("SpikingNetwork",),
    "brianconv.verification.comparison": ("Verification", "verify"),
}
_PLACE_OF = {name: module for module, names in _PLACES.items() for name in names}
_MODULES = {
    "biology": "brianconv.biology",
    "encodings": "brianconv.coding.encodings",
    "readouts": "brianconv.coding.readouts",
}
__all__ = [
    "CODINGS",
    "TTFS",
    "Analog",
    "AveragePooling",
    "BrianNetwork",
    "BrianconvError",
    "Burst",
    "ChannelPadding",
    "Coding",
    "CodingScheme",
    "Comparison",
    "CompilerError",
    "Connectivity",
    "ConversionNote",
    "Convolution",
    "DataError",
    "Dense",
    "Direct",
    "Hybrid",
    "InputEncoding",
    "MaxPooling",
    "Maximum",
    "Membrane",
    "MemoryLimitError",
    "NeuronModel",
    "NoTrainingImagesError",
    "Normalization",
    "OneToOne",
    "OutputError",
    "Parameter",
    "ParameterError",
    "Percentile",
    "Phase",
    "Poisson",
    "Rate",
    "Readout",
    "Recording",
    "Reshape",
    "Reverse",
    "RunSettings",
    "RuntimeNetwork",
    "ShapeError",
    "Simulation",
    "SimulationError",
    "SpikeTrain",
    "SpikingNetwork",
    "StandaloneNetwork",
    "StructuredSynapses",
    "TransposedConvolution",
    "UnknownLayerError",
    "Unscaled",
    "UnsupportedLayerError",
    "Verification",
    "build_network",
    "compare",
    "convert",
    "encodings",
    "group_index",
    "plot_accuracy",
    "plot_correlation",
    "plot_f_i_curve",
    "plot_potentials",
    "plot_raster",
    "position_of_group_index",
    "position_of_torch_index",
    "readouts",
    "simulate",
    "torch_index",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(_MODULES[name])
    elif name in _PLACE_OF:
        value = getattr(import_module(_PLACE_OF[name]), name)
    else:
        raise AttributeError(f"module 'brianconv' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
