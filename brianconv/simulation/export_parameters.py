"""Which numbers of an exported program may be changed in its parameters.txt, and within which limits.

Everything else that the program takes as an argument is compiled in: what follows from the weights, from the neural
code or from other parameters would be silently wrong if it were changed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from brianconv.coding.scheme import Parameter
from brianconv.errors import ParameterError
from brianconv.simulation.program import LONGEST_RUN_STEPS
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.run_values import parameter_values
from brianconv.spiking import SpikingNetwork

INT32_MAX = 2**31 - 1
OF_A_RUN = {
    "n_steps": Parameter(100, 1, LONGEST_RUN_STEPS, "steps per image", "", True, True),
    "first_image": Parameter(
        0, 0, INT32_MAX, "number of images before the first one, for random numbers that depend on it", "", True, True
    ),
    "early_decision": Parameter(0, 0, np.inf, "threshold of early decision, 0 for no early decision", "", True),
    "evaluation_delay": Parameter(
        0, 0, LONGEST_RUN_STEPS, "steps at the beginning whose output spikes do not count, fewer than n_steps", "",
        True, True,
    ),
    "skip": Parameter(
        0, 0, LONGEST_RUN_STEPS, "steps at the beginning without input to the output layer, fewer than n_steps", "",
        True, True,
    ),
}  # fmt: skip
OF_A_MEMBRANE = {
    "tau_m": Parameter(np.inf, 0, np.inf, "time constant of the leak, in steps", "", True),
    "noise": Parameter(0, 0, np.inf, "standard deviation of the charge of every step", "", True),
    "noise_seed": Parameter(0, 0, INT32_MAX, "seed of the noise", "", True, True),
}
COMPUTED = ("schedule.n_images", "schedule.image", "schedule.step", "schedule.first")  # by classify.cpp
BELOW = (("pixel_low", "pixel_high"),)


@dataclass(frozen=True)
class ChangeableParameter:
    """A parameter of an exported program that may be changed in parameters.txt.

    Attributes
    ----------
    name : str
        Population and variable, such as ``conv1.v_init``.
    value : float or int
    limits : Parameter
        Its range, finite.
    equal_to : str
        Name of the parameter whose value it must have, where all layers share one; its own name otherwise.
    """

    name: str
    value: float | int
    limits: Parameter
    equal_to: str

    def __post_init__(self) -> None:
        low, high = self.limits.low, self.limits.high
        if not low <= self.value <= high:
            raise ParameterError(f"{self.name} is {self.value:g}; an exported program takes [{low:g}, {high:g}]")


@dataclass(frozen=True)
class ProgramParameters:
    """What an exported program takes as arguments, apart from what it computes from them.

    Attributes
    ----------
    changeable : tuple of ChangeableParameter
        The lines of parameters.txt.
    fixed : mapping of str to float or int
        Compiled in.
    below : tuple of (str, str)
        Pairs of names; the value of the first must be below that of the second.
    """

    changeable: tuple[ChangeableParameter, ...]
    fixed: Mapping[str, float | int]
    below: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        values = {**self.fixed, **{parameter.name: parameter.value for parameter in self.changeable}}
        for low, high in self.below:
            if not values[low] < values[high]:
                raise ParameterError(f"{low} is {values[low]:g}; it must be below {high}, which is {values[high]:g}")


def program_parameters(spiking: SpikingNetwork, settings: RunSettings, dtype: str) -> ProgramParameters:
    """Sort the arguments of a program into those that a user may change and those that are compiled in.

    Raises
    ------
    ParameterError
        If a value is outside its range, or not finite.
    """
    limits = {**OF_A_RUN, **OF_A_MEMBRANE, **spiking.coding.all_parameters}
    fixed_variables = _fixed_variables(spiking)
    changeable: list[ChangeableParameter] = []
    fixed: dict[str, float | int] = {}
    first: dict[str, str] = {}
    for name, value in parameter_values(spiking, settings, 1).items():
        variable = name.partition(".")[2]
        if name in COMPUTED:
            continue
        if variable in fixed_variables or variable not in limits:
            fixed[name] = value
            continue
        allowed = _finite(limits[variable], dtype)
        equal_to = name if allowed.per_layer else first.setdefault(variable, name)
        changeable.append(ChangeableParameter(name, value, allowed, equal_to))
    return ProgramParameters(tuple(changeable), fixed, tuple(_relations(spiking, changeable)))


def _finite(limits: Parameter, dtype: str) -> Parameter:
    """Keep a range within the numbers that the program can hold; a time constant is above 0."""
    numbers = np.finfo(dtype)
    low = float(numbers.tiny) if limits is OF_A_MEMBRANE["tau_m"] else limits.low
    return replace(limits, low=max(low, float(numbers.min)), high=min(limits.high, float(numbers.max)))


def _fixed_variables(spiking: SpikingNetwork) -> set[str]:
    output, readout = spiking.graph.output, spiking.coding.readout
    fixed = {"v_rest", "v_swing"} if spiking.units else set()  # the weights are in the same unit
    if len(output.shape) > 1 or spiking.n_classes < 2:
        fixed.add("early_decision")  # early decision compares classes
    if not (readout.fires and readout.can_be_delayed):
        fixed.add("evaluation_delay")
    if spiking.coding.schedule:
        read = _Noted(spiking.parameters)
        fixed |= set(spiking.coding.schedule(read, spiking.graph.depth)) | read.names
    return fixed


class _Noted(Mapping[str, Mapping[str, float]]):
    """Parameters that note which of them are read."""

    def __init__(self, parameters: Mapping[str, Mapping[str, float]]) -> None:
        self.parameters = parameters
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Mapping[str, float]:
        self.names.add(name)
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)


def _relations(spiking: SpikingNetwork, changeable: list[ChangeableParameter]) -> Iterator[tuple[str, str]]:
    for variable in ("evaluation_delay", "skip"):
        yield f"{spiking.output}.{variable}", "schedule.n_steps"
    names = {parameter.name for parameter in changeable}
    for low, high in BELOW:
        for population in spiking.populations:
            if {f"{population}.{low}", f"{population}.{high}"} <= names:
                yield f"{population}.{low}", f"{population}.{high}"
