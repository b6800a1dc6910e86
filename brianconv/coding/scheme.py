"""What a neural code consists of: strings, numbers and their sources; nothing about images, devices or files.

All equations are Brian2 syntax. Besides their own variables they can use

``step``
    The step within the current image, counted from 1. Codes use this counter, never ``t``.
``dt``
    The length of a step; `drive / dt` makes a neuron integrate `drive` in every step.
``tolerance``
    Relative tolerance of a threshold, for "at or above" in floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Values = Mapping[str, Mapping[str, float]]
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
    """

    default: float
    low: float
    high: float
    meaning: str
    source: str
    per_layer: bool = False


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
    on_pre : str
        What a spike of this neuron does to a postsynaptic one; ``w`` is the weight, and variables of this neuron have
        the suffix ``_pre``.
    refractory : str or None
        Brian2 expression for a refractory period, or None.
    namespace : mapping
        Values of names in the equations that are no variables.
    source : str
    """

    name: str
    equations: str
    method: str
    threshold: str
    reset: str
    on_image: str
    on_pre: str = "v_post += w"
    refractory: str | None = None
    namespace: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class InputEncoding:
    """How an image enters the network: the neurons of the input population and what a pixel does to them.

    Attributes
    ----------
    name : str
    neuron : NeuronModel
    on_image : str
        Statement at the first step of an image; ``pixel`` is the value in [0, 1] of the neuron's pixel.
    source : str
    """

    name: str
    neuron: NeuronModel
    on_image: str
    source: str = ""


@dataclass(frozen=True)
class Readout:
    """How the output population is read; added to its neuron model.

    Attributes
    ----------
    name : str
    equations : str
        Additional variables, ``score`` among them; the counter ``step`` and ``delay`` (steps that do not count) are
        there for every readout.
    on_spike : str
        Additional statements of the reset.
    on_image : str
        Additional statements at the first step of an image.
    fires : bool
        Whether output neurons fire; otherwise they only integrate.
    evaluate : str
        Statement at the end of every step that sets ``score``; the decision is the highest score, the lowest class
        if several are equal.
    source : str
    """

    name: str
    equations: str
    on_spike: str
    on_image: str
    evaluate: str
    fires: bool = True
    source: str = ""


@dataclass(frozen=True)
class CodingScheme:
    """A neural code: a preset of input encoding, hidden neuron and readout, with its parameters.

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
        value a population.
    threshold_path : callable or None
        For pictures: a function of the values of a population's parameters and of whether a neuron fired, shape
        (n_steps,), which returns the threshold of every step, NaN where the neuron cannot fire.
    expected_spike_count : callable or None
        Closed form of the spike count under constant drive, for tests.
    source : str
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
