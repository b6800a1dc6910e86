"""What a coding scheme consists of: strings, numbers and their sources; nothing about images, devices or files.

All equations are Brian2 syntax. Besides their own variables they can use

``step``
    The step within the current image, counted from 1. Codes use this counter, never ``t``.
``dt``
    The length of a step; `drive / dt` makes a neuron integrate `drive` in every step.
``tolerance``
    Relative tolerance of a threshold, for "at or above" in floating point.
``uniform(seed, image_index, step, i)``, ``normal(...)``
    Random numbers that depend on their arguments only, so that every backend draws the same; ``image_index`` counts
    the images of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np

from brianconv.coding.equations import mentioned, names_in, renamed
from brianconv.errors import ParameterError
from brianconv.values import check_choice

Values = Mapping[str, Mapping[str, float]]
PerLayer = Any  # a number, a mapping of layer name to number, or a sequence with one number per population
TOLERANCE = {"float64": 1e-6, "float32": 1e-4}


@dataclass(frozen=True)
class Parameter:
    """A number that a user may set.

    Attributes
    ----------
    default, low, high : float
        Default and allowed range, in normalised units (threshold = 1) or steps.
    meaning : str
    source : str
        Paper and equation.
    per_layer : bool
        Whether each layer may have its own value.
    whole : bool
        Whether it is a whole number.
    is_time : bool
        Whether it is a time: a number of steps, or a quantity such as ``6*ms``.

    Examples
    --------
    >>> parameter = CODINGS["phase"].parameters["n_phases"]
    >>> isinstance(parameter, Parameter)
    True
    >>> parameter.default, parameter.low, parameter.whole
    (8, 1, True)
    """

    default: float
    low: float
    high: float
    meaning: str
    source: str
    per_layer: bool = False
    whole: bool = False
    is_time: bool = False


@dataclass(frozen=True)
class NeuronModel:
    """A spiking neuron, in the order in which things happen within a step.

    Attributes
    ----------
    name : str
    equations : str
        Brian2 equations. Parameters that may change without recompiling are ``(shared, constant)`` variables.
    method : str
        Integrator of the equations.
    threshold, reset : str
    on_image : str
        Statements that set the state at the first step of an image.
    spike_value : str
        What a spike of this neuron is worth, in its own variables.
    refractory : str or None
        Brian2 expression for a refractory period, or None.
    active : (str, str) or None
        Shared variables that hold the first step in which a neuron can fire, and the number of such steps; the
        population costs no time in other steps. None if it can always fire.
    namespace : mapping
        Values of names in the equations that are not variables.
    initial : mapping of str to number, Quantity or str
        Initial values of variables that `on_image` does not set; a string is a Brian2 expression such as ``"rand()"``.
        Others begin at 0.
    keep : sequence of str
        Variables that keep their values from one image to the next. All others have their initial values at the start
        of every image.
    dt : Quantity or None
        Length of the steps for which numbers in the equations hold; None for any.
    source : str

    Examples
    --------
    >>> neuron = CODINGS["rate"].neuron
    >>> isinstance(neuron, NeuronModel)
    True
    >>> neuron.threshold, neuron.reset
    ('v >= v_threshold * (1 - tolerance)', 'v -= v_threshold')
    """

    name: str
    equations: str
    method: str
    threshold: str
    reset: str
    on_image: str
    spike_value: str = "1"
    refractory: str | None = None
    active: tuple[str, str] | None = None
    namespace: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    keep: Sequence[str] = ()
    dt: Any = None
    source: str = ""

    @property
    def effect(self) -> str:
        """What a spike of this neuron does to a postsynaptic one, unless its connection is changed."""
        worth = suffixed(self.spike_value, "_pre")
        worth = f"({worth})" if " + " in worth else worth
        return "v_post += w" if worth == "1" else f"v_post += w * {worth}"


@dataclass(frozen=True)
class InputEncoding:
    """How an image enters the network: the neurons of the input population and what a pixel does to them.

    Attributes
    ----------
    name : str
    neuron : NeuronModel
    on_image : str
        Statement at the first step of an image; ``pixel`` is the value of the neuron's pixel.
    parameters : mapping of str to Parameter
        What the encoding needs beyond the parameters of the coding scheme.
    bounded : bool
        Whether pixels must lie in [0, 1].
    analog_steps : int or None
        Number of steps in which pixels themselves, rather than spikes, meet the weights; None for all steps.
    source : str

    Examples
    --------
    >>> encoding = CODINGS["phase"].encoding
    >>> isinstance(encoding, InputEncoding)
    True
    >>> encoding.on_image
    'drive = floor(pixel * (2.0 ** n_phases - 1) + 0.5) / 2.0 ** n_phases'
    """

    name: str
    neuron: NeuronModel
    on_image: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    bounded: bool = True
    analog_steps: int | None = 0
    source: str = ""


@dataclass(frozen=True)
class Readout:
    """How the output population is read; added to its neuron model.

    Attributes
    ----------
    name : str
    equations : str
        Additional variables, ``score`` among them; the counter ``step`` and ``evaluation_delay`` (steps that do not
        count) are available to every readout.
    on_spike : str
        Additional statements of the reset.
    on_image : str
        Additional statements at the first step of an image.
    fires : bool
        Whether output neurons fire; otherwise they only integrate.
    evaluate : str
        Statements at the end of every step that set ``score``; the decision is the highest score, the lowest class
        if several are equal.
    neuron : NeuronModel or None
        Model of the output neurons, or None for that of the hidden ones.
    more_steps : callable or None
        Function of the values of the output's parameters: steps that the readout needs beyond those of the scheme.
    source : str

    Examples
    --------
    >>> readout = CODINGS["rate"].readout
    >>> isinstance(readout, Readout)
    True
    >>> readout.fires
    True
    """

    name: str
    equations: str
    on_spike: str
    on_image: str
    evaluate: str
    fires: bool = True
    neuron: NeuronModel | None = None
    more_steps: Callable[[Mapping[str, float]], int] | None = None
    source: str = ""

    @property
    def can_be_delayed(self) -> bool:
        """Whether its statements use ``evaluation_delay``."""
        return "evaluation_delay" in mentioned(self.equations) | names_in(self.on_spike, self.evaluate)


@dataclass(frozen=True)
class CodingScheme:
    """A coding scheme: a preset of input encoding, hidden neuron and readout, with its parameters.

    Attributes
    ----------
    name : str
    encoding : InputEncoding
    neuron : NeuronModel
    readout : Readout
    default_steps : int, or callable
        Length of an image in steps unless the user says otherwise; or a function of the values of the parameters by
        population and of the depth of each population, which returns it.
    parameters : mapping of str to Parameter
    schedule : callable or None
        For codes in which layers take turns: a function of the same two that returns further shared variables, one
        value per population.
    threshold_path : callable or None
        For pictures: a function of the values of a population's parameters and of whether a neuron fired, shape
        (n_steps,), which returns the threshold of every step, NaN where the neuron cannot fire.
    expected_spike_count : callable or None
        Closed form of the spike count under constant drive, for tests.
    other_encodings : tuple of InputEncoding
        Encodings that the coding scheme can take in place of its own.
    other_readouts : tuple of Readout
    no_max_pooling : str
        Why the coding scheme cannot express maximum pooling, if it cannot.
    no_delay : str
        Why the coding scheme cannot take synaptic delays, if it cannot.
    ticks : callable or None
        For codes with neurons that tick: a function of the values of a population's parameters and of the number of
        steps, which returns how many ticks reach each of its neurons in every step.
    score_of_one : callable or None
        For outputs that are images: a function of the values of the output's parameters and of the number of steps,
        which returns the score that stands for an activation of 1 after each step; None if it is 1.
    normalization : str
        How weights are normalised unless the user says otherwise.
    measured_threshold : float or None
        If `v_threshold` is measured layer by layer in the spiking network: the factor of the measured value.
    saturates : bool
        Whether what a neuron sends cannot exceed the scale of its layer: a clipped ReLU is then one population, and the
        difference of two otherwise.
    source : str

    Examples
    --------
    >>> scheme = CODINGS["burst"]
    >>> isinstance(scheme, CodingScheme)
    True
    >>> list(scheme.parameters)
    ['beta', 'v_threshold', 'v_init']
    >>> scheme.encoding.name, scheme.readout.name
    ('burst', 'accumulated_potential')
    """

    name: str
    encoding: InputEncoding
    neuron: NeuronModel
    readout: Readout
    default_steps: int | Callable[[Values, Mapping[str, int]], int]
    parameters: Mapping[str, Parameter]
    source: str
    schedule: Callable[[Values, Mapping[str, int]], dict[str, dict[str, float]]] | None = None
    threshold_path: Callable[[Mapping[str, float], np.ndarray], np.ndarray] | None = None
    expected_spike_count: Callable[..., np.ndarray] | None = None
    other_encodings: tuple[InputEncoding, ...] = ()
    other_readouts: tuple[Readout, ...] = ()
    no_max_pooling: str = ""
    no_delay: str = ""
    ticks: Callable[[Mapping[str, float], int], np.ndarray] | None = None
    score_of_one: Callable[[Mapping[str, float], int], np.ndarray] | None = None
    normalization: str = "percentile"
    measured_threshold: float | None = None
    saturates: bool = False

    def with_encoding(self, name: str) -> CodingScheme:
        """Return the scheme with another of its input encodings; raise ParameterError if it has none of that name."""
        encodings = {encoding.name: encoding for encoding in (self.encoding, *self.other_encodings)}
        if not isinstance(name, str) or name not in encodings:
            raise ParameterError(
                f"coding {self.name!r} takes input encoded as {', '.join(encodings)}, not as {name!r}: its hidden "
                f"neurons ({self.neuron.name}) would not understand it"
            )
        return replace(self, encoding=encodings[name])

    def with_readout(self, name: str) -> CodingScheme:
        """Return the coding scheme with another of its readouts; raise ParameterError if it has none of that name."""
        readouts = {readout.name: readout for readout in (self.readout, *self.other_readouts)}
        if not isinstance(name, str) or name not in readouts:
            raise ParameterError(f"coding {self.name!r} is read out by {', '.join(readouts)}, not by {name!r}")
        return replace(self, readout=readouts[name])

    @property
    def all_parameters(self) -> dict[str, Parameter]:
        """Parameters of the coding scheme and of its input encoding."""
        return {**self.parameters, **self.encoding.parameters}


@dataclass(frozen=True, kw_only=True)
class Coding:
    """A coding scheme with values of its parameters; each scheme has a subclass, such as `Rate`.

    Fields that are None take the default of the scheme. A value is one number; where the scheme allows it, a mapping of
    layer name to number or a sequence with one number per population, the input first. Times are numbers of steps or
    quantities such as ``6*ms``.

    Examples
    --------
    >>> isinstance(Phase(n_phases=4), Coding)
    True
    >>> Phase(n_phases=4).scheme.name
    'phase'
    >>> Phase(n_phases=4).options
    {'n_phases': 4}
    """

    scheme: ClassVar[CodingScheme]

    @property
    def options(self) -> dict[str, Any]:
        """The fields that are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def suffixed(expression: str, suffix: str) -> str:
    """Return an expression whose variables have a suffix; function names have none."""
    return renamed(expression, lambda name: name + suffix)


def tolerance(dtype: str) -> float:
    """Return the relative tolerance of thresholds at a floating-point precision."""
    check_choice("dtype", dtype, TOLERANCE)
    return TOLERANCE[dtype]
