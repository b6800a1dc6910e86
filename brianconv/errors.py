"""The errors that brianconv raises, each of which is also the built-in error of its kind."""


class BrianconvError(Exception):
    """Base class of all errors that a user can cause and mend."""


class UnsupportedLayerError(BrianconvError, NotImplementedError):
    """A module or operation of the torch network has no spiking equivalent here."""


class ConversionNote(UserWarning):
    """Something of the torch network was left out that does not change its decisions."""


class ShapeError(BrianconvError, ValueError):
    """An array or a layer has a shape that does not fit its neighbours."""


class ParameterError(BrianconvError, ValueError):
    """A parameter is unknown or outside its range."""


class DataError(BrianconvError, ValueError):
    """Images, labels or weights are missing, empty or contain impossible values."""


class NoTrainingImagesError(DataError):
    """A file of images has none to train or calibrate with."""


class UnknownLayerError(BrianconvError, KeyError):
    """A layer was asked for by a name that the network does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class MemoryLimitError(BrianconvError, MemoryError):
    """The network does not fit the free memory of the machine."""


class CompilerError(BrianconvError, RuntimeError):
    """The C++ compiler is missing, or it failed."""


class SimulationError(BrianconvError, RuntimeError):
    """A simulation broke off before it was complete."""


class OutputError(BrianconvError, OSError):
    """A result cannot be written where the user wants it."""
