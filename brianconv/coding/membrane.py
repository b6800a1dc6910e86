"""What a membrane can do besides integrating: leak, rest after a spike, and be noisy; with every code.

Each changes the equations of a neuron model, where a reader sees it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from brianconv.coding.scheme import NeuronModel
from brianconv.errors import ParameterError

DERIVATIVE = re.compile(r"^([ \t]*)dv/dt\s*=\s*(.+?)\s*:\s*(\w+)[ \t]*$", re.MULTILINE)
CONSTANT = re.compile(r"^([ \t]*)v\s*:\s*1[ \t]*$", re.MULTILINE)
NOISE_EQUATIONS = """
fluctuation = normal(noise_seed, image_index, step, i) : 1
noise                         : 1 (shared, constant)
noise_seed                    : 1 (shared, constant)
image_index                   : integer (linked)
"""


LONGEST_REST = 10**6


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


@dataclass(frozen=True)
class Membrane:
    """Properties of the membranes of a population.

    Attributes
    ----------
    tau_m : float or None
        Time constant of the leak, in steps (milliseconds at the default dt of 1 ms); None for no leak.
    refractory : int
        Refractory period in steps, as Brian2 counts it: intervals between spikes last at least so many steps, so that
        0 and 1 change nothing.
    noise : float
        Standard deviation of the normally distributed charge of every step, in normalised activations.
    noise_seed : int
    """

    tau_m: float | None = None
    refractory: int = 0
    noise: float = 0.0
    noise_seed: int = 0

    def __post_init__(self) -> None:
        if self.tau_m is not None and not (_is_number(self.tau_m) and self.tau_m > 0):
            raise ParameterError(
                f"tau_m is {self.tau_m!r}; a time constant is one number of steps above 0, None for no leak (for some "
                "layers only: with_membrane)"
            )
        if not isinstance(self.refractory, int) or not 0 <= self.refractory <= LONGEST_REST:
            raise ParameterError(
                f"refractory is {self.refractory!r}; it is a number of steps, 0 or more, up to {LONGEST_REST}"
            )
        if not (_is_number(self.noise) and self.noise >= 0):
            raise ParameterError(f"noise is {self.noise!r}; a standard deviation is a finite number, 0 or more")
        if not isinstance(self.noise_seed, int) or not 0 <= self.noise_seed < 2**31:
            raise ParameterError(f"noise_seed is {self.noise_seed!r}; it is a whole number from 0 to 2^31 - 1")

    @property
    def shared_values(self) -> dict[str, float]:
        """Values of the variables that the changed equations have."""
        values = {"noise": self.noise, "noise_seed": float(self.noise_seed)} if self.noise else {}
        return values if self.tau_m is None else {**values, "tau_m": float(self.tau_m)}


def with_membrane(model: NeuronModel, membrane: Membrane) -> NeuronModel:
    """Return a neuron model with a leak, a refractory period or noise.

    Raises
    ------
    ParameterError
        If the model has no potential that can leak, or leaks already.
    """
    if membrane.refractory:
        model = replace(model, refractory=f"{membrane.refractory} * dt")
    if membrane.tau_m is None and not membrane.noise:
        return model
    if membrane.tau_m is not None and re.search(r"\bleak\b", model.equations):
        raise ParameterError(
            f"neurons of model {model.name!r} leak by themselves: set leak=exp(-1/tau_m) instead of tau_m"
        )
    equations = CONSTANT.sub(r"\1dv/dt = 0 / dt : 1", model.equations)
    if not DERIVATIVE.search(equations):
        raise ParameterError(f"neurons of model {model.name!r} have no membrane (no dv/dt) that could leak or be noisy")
    leak = " - v / (tau_m * dt)" if membrane.tau_m is not None else ""
    noise = " + noise * fluctuation / dt" if membrane.noise else ""
    equations = DERIVATIVE.sub(rf"\1dv/dt = \2{leak}{noise} : \3", equations).replace("dv/dt = 0 / dt ", "dv/dt = ")
    equations = re.sub(r"dv/dt = \+ ", "dv/dt = ", equations)
    parts = [equations.rstrip()]
    if membrane.tau_m is not None:
        parts.append("tau_m                         : 1 (shared, constant)")
    if membrane.noise:
        parts.append(NOISE_EQUATIONS.strip())
        if not re.search(r"^\s*step\s*:", equations, re.MULTILINE):
            parts.append("step                          : integer (linked)")
    return replace(model, equations="\n".join(parts), method="exponential_euler" if leak else model.method)
