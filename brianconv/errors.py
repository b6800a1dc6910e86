"""The errors that brianconv raises, each of which is also the built-in error of its kind."""


class BrianconvError(Exception):
    """Base class of all errors that a user can cause and fix.

    Examples
    --------
    >>> try:
    ...     convert(nn.Linear(4, 2), coding="morse", input_shape=(4,), normalization="none")
    ... except BrianconvError as error:
    ...     print(type(error).__name__)
    ParameterError
    """


class UnsupportedLayerError(BrianconvError, NotImplementedError):
    """A module or operation of the torch network has no spiking equivalent here.

    Examples
    --------
    >>> try:
    ...     convert(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), np.random.default_rng(0).random((5, 4)))
    ... except UnsupportedLayerError as error:
    ...     print(str(error).split(":")[0])
    layer '1' (Tanh)
    """


class ConversionNote(UserWarning):
    """A part of the torch network that does not change its decisions was left out.

    Examples
    --------
    >>> import warnings
    >>> model = nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1))
    >>> with warnings.catch_warnings(record=True) as notes:
    ...     warnings.simplefilter("always")
    ...     _ = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> [note.category.__name__ for note in notes][:1]
    ['ConversionNote']
    """


class ShapeError(BrianconvError, ValueError):
    """An array or a layer has a shape that does not fit its neighbours.

    Examples
    --------
    >>> try:
    ...     convert(nn.Linear(4, 2), np.random.default_rng(0).random((5, 3)))
    ... except ShapeError as error:
    ...     print(type(error).__name__)
    ShapeError
    """


class ParameterError(BrianconvError, ValueError):
    """A parameter is unknown or outside its range.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> try:
    ...     convert(nn.Linear(4, 2), np.random.default_rng(0).random((5, 4)), coding=Rate(v_init=2))
    ... except ParameterError as error:
    ...     print(error)
    v_init of 'input' is 2; it must lie in [0, 0.99]
    """


class DataError(BrianconvError, ValueError):
    """Images, labels or weights are missing, empty or contain impossible values.

    Examples
    --------
    >>> try:
    ...     convert(nn.Linear(4, 2), np.full((5, 4), np.nan))
    ... except DataError as error:
    ...     print(error)
    calibration images contain NaN or infinity
    """


class NoTrainingImagesError(DataError):
    """A file of images has none to train or calibrate with.

    Examples
    --------
    >>> from brianconv import datasets
    >>> np.savez("images.npz", images=np.ones((2, 1, 3, 3)), labels=[0, 1])
    >>> try:
    ...     datasets.load("images.npz", "train")
    ... except NoTrainingImagesError as error:
    ...     print(error)
    'images.npz' has no array 'train_images'; it has images, labels
    """


class UnknownLayerError(BrianconvError, KeyError):
    """A layer was asked for by a name that the network does not have.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> try:
    ...     simulate(spiking, np.ones((1, 4)), 3, record_spikes=["conv1"])
    ... except UnknownLayerError as error:
    ...     print(error)
    there is no layer 'conv1'; the layers are input, layer_0, layer_2
    """

    def __str__(self) -> str:
        return str(self.args[0])


class MemoryLimitError(BrianconvError, MemoryError):
    """The network does not fit into the free memory of the machine.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> try:
    ...     simulate(spiking, np.zeros((100_000, 4)), 1_000_000, record_potentials=["layer_0"])
    ... except MemoryLimitError as error:
    ...     print(error)
    800,000,000,000 membrane potentials need about 19200.0 GB of memory, and ... GB are free; record fewer neurons,
    steps or images
    """


class CompilerError(BrianconvError, RuntimeError):
    """The C++ compiler is missing, or it failed.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)))
    >>> with patch.dict("os.environ", CXX="no-such-compiler"):
    ...     try:
    ...         Simulation(spiking, "standalone")
    ...     except CompilerError as error:
    ...         print(str(error).split(",")[0])
    no-such-compiler was not found
    """


class SimulationError(BrianconvError, RuntimeError):
    """A simulation broke off before it was complete.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brianconv.files import WorkingFolder
    >>> from brianconv.simulation.program import Program
    >>> spiking = convert(nn.Linear(4, 2), input_shape=(4,), normalization="none")
    >>> program = Program(WorkingFolder(Path("runs")), Path("not-compiled"), {}, dt_s=0.001)
    >>> try:
    ...     program.run(spiking, np.ones((1, 4)), RunSettings(n_steps=3))
    ... except SimulationError as error:
    ...     print(error)
    the generated program cannot be started (No such file or directory); build the simulation again
    """


class OutputError(BrianconvError, OSError):
    """A result cannot be written where the user wants it.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> recording = simulate(convert(model, images), images, 3)
    >>> try:
    ...     recording.save("/dev/null/recording.npz")
    ... except OutputError as error:
    ...     print(error)
    cannot write into '/dev/null/recording.npz' (Not a directory); choose another folder
    """
