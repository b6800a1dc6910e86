"""What a membrane can do besides integrating: leak, rest after a spike, and be noisy; with every coding scheme.

Each changes the equations of a neuron model, where a reader sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2 import Quantity, second

from brianconv.coding.equations import DIFFERENTIAL_EQUATION, equations_of, mentioned, rewritten
from brianconv.coding.neuron_models import LEAK
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import (
    Time,
    in_steps,
    in_whole_steps,
    is_number,
    is_per_root_time,
    is_time,
    per_root_step,
)
from brianconv.errors import ParameterError

NOISE_EQUATIONS = """
fluctuation = normal(noise_seed, image_index, step, i) : 1
noise                         : 1 (shared, constant)
noise_seed                    : 1 (shared, constant)
image_index                   : integer (linked)
"""


LONGEST_REST = 10**6


@dataclass(frozen=True)
class Membrane:
    """Properties of the membranes of a population.

    Attributes
    ----------
    tau_m : Quantity, float or None
        Time constant of the leak, such as ``20*ms``, or in steps; None for no leak.
    refractory : Quantity or int
        Refractory period, such as ``2*ms``, or in steps, as Brian2 counts it: intervals between spikes last at least
        this long, so that 0 or 1 step changes nothing.
    noise : Quantity or float
        Standard deviation of normally distributed charge, in normalised activations per square root of time, such as
        ``0.1*ms**-0.5``; a plain number is the standard deviation of each step's charge.
    noise_seed : int
        The same seed gives the same noise.

    Examples
    --------
    >>> from brian2 import ms
    >>> membrane = Membrane(tau_m=20*ms, refractory=2*ms)
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> spiking = convert(model, np.random.default_rng(0).random((5, 4)), membrane=membrane)
    >>> spiking.membranes["layer_0"].refractory
    2. * msecond
    """

    tau_m: Time | None = None
    refractory: Time = 0
    noise: Any = 0.0
    noise_seed: int = 0

    def __post_init__(self) -> None:
        if self.tau_m is not None and not ((is_number(self.tau_m) or is_time(self.tau_m)) and self.tau_m > 0):
            raise ParameterError(
                f"tau_m is {self.tau_m!r}; a time constant is a time such as 20*ms or one number of steps, above 0, or "
                "None for no leak (for some layers only: with_membrane)"
            )
        if not is_time(self.refractory) and (
            not isinstance(self.refractory, int) or not 0 <= self.refractory <= LONGEST_REST
        ):
            raise ParameterError(
                f"refractory is {self.refractory!r}; it is a time such as 2*ms or a number of steps, 0 or more, up to "
                f"{LONGEST_REST}"
            )
        if is_time(self.refractory) and not self.refractory >= 0 * second:
            raise ParameterError(f"refractory is {self.refractory}; a refractory period is not negative")
        if not is_number(self.noise) and not is_per_root_time(self.noise):
            raise ParameterError(
                f"noise is {self.noise!r}; it must be a finite number, 0 or more, or a quantity such as 0.1*ms**-0.5"
            )
        if np.asarray(self.noise) < 0:
            raise ParameterError(f"noise is {self.noise!r}; a standard deviation is a finite number, 0 or more")
        if not isinstance(self.noise_seed, int) or not 0 <= self.noise_seed < 2**31:
            raise ParameterError(f"noise_seed is {self.noise_seed!r}; it must be a whole number from 0 to 2^31 - 1")

    def in_steps(self, dt: Quantity) -> Membrane:
        """Return the same membrane with times in steps of a length.

        Raises
        ------
        ParameterError
            If the refractory period is not a whole number of steps.
        """
        return replace(
            self,
            tau_m=None if self.tau_m is None else in_steps(self.tau_m, dt, "tau_m"),
            refractory=in_whole_steps(self.refractory, dt, "refractory"),
            noise=per_root_step(self.noise, dt, "noise"),
        )

    @property
    def is_noisy(self) -> bool:
        """Whether there is any noise."""
        return bool(np.asarray(self.noise) > 0)

    @property
    def shared_values(self) -> dict[str, Any]:
        """Values of the variables that the changed equations have."""
        values: dict[str, Any] = {"noise": self.noise, "noise_seed": float(self.noise_seed)} if self.is_noisy else {}
        return values if self.tau_m is None else {**values, "tau_m": self.tau_m}


def with_membrane(model: NeuronModel, membrane: Membrane) -> NeuronModel:
    """Return a neuron model with a leak, a refractory period or noise.

    Raises
    ------
    ParameterError
        If the model has no potential that can leak, or leaks already.
    """
    if np.asarray(membrane.refractory) > 0:
        refractory = membrane.refractory
        model = replace(model, refractory=repr(refractory) if is_time(refractory) else f"{refractory} * dt")
    if membrane.tau_m is None and not membrane.is_noisy:
        return model
    if membrane.tau_m is not None and "decay" in mentioned(model.equations):
        raise ParameterError(
            f"neurons of model {model.name!r} leak by themselves: set decay=exp(-1/tau_m) instead of tau_m"
        )
    potential = equations_of(model.equations).get("v")
    if potential is None or not potential.changes or "shared" in potential.flags:
        raise ParameterError(f"neurons of model {model.name!r} have no membrane (no dv/dt) that could leak or be noisy")
    leak = LEAK if membrane.tau_m is not None else ""
    noise = " + noise * fluctuation / dt" if membrane.is_noisy else ""
    right = f"{potential.expression}{leak}{noise}".strip().removeprefix("+ ")
    derivative = potential.written(kind=DIFFERENTIAL_EQUATION, expression=right)
    equations = rewritten(model.equations, lambda equation: derivative if equation.name == "v" else None)
    parts = [equations.rstrip()]
    if membrane.tau_m is not None:
        parts.append("tau_m                         : 1 (shared, constant)")
    if membrane.is_noisy:
        parts.append(NOISE_EQUATIONS.strip())
        if "step" not in equations_of(equations):
            parts.append("step                          : integer (linked)")
    return replace(model, equations="\n".join(parts), method="exponential_euler" if leak else model.method)
