"""What a connection does besides adding weights to potentials: strings that extend the neurons at both of its ends.

Named models are in `brianconv.biology`; each is one small file that returns such strings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from brianconv.coding.equations import DIFFERENTIAL_EQUATION, assigned, equations_of, names_in, renamed, rewritten
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time, in_steps, in_whole_steps, is_number, is_time
from brianconv.errors import ParameterError

if TYPE_CHECKING:
    from brian2 import Quantity

RATE = "{rate}"  # in equations: what makes a variable decay with a time constant under the integrator of the neuron


@dataclass(frozen=True)
class JitteredDelay:
    """Delays that differ between the synapses of a connection, drawn once from a uniform distribution of whole steps.

    Attributes
    ----------
    low, high : Quantity or int
        Shortest and longest delay, such as ``1*ms`` and ``5*ms``, or in steps.
    seed : int
        The same seed gives the same delays.

    Examples
    --------
    >>> JitteredDelay(0, 3).drawn(5)
    array([3, 2, 2, 1, 1])
    """

    low: Time = 0
    high: Time = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if not (is_number(value) or is_time(value)) or np.asarray(value) < 0:
                raise ParameterError(
                    f"{name} is {value!r}; a delay is a time such as 2*ms or a number of steps, 0 or more"
                )
        if is_time(self.low) == is_time(self.high) and self.high < self.low:
            raise ParameterError(f"delays from {self.low} to {self.high}: the longest is not the shorter one")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ParameterError(f"seed is {self.seed!r}; it is a whole number, 0 or more")

    def in_steps(self, dt: Quantity) -> JitteredDelay:
        """Return the same delays in steps of a length."""
        low, high = (in_whole_steps(value, dt, "a synaptic delay") for value in (self.low, self.high))
        return JitteredDelay(low, high, self.seed)

    def drawn(self, n_synapses: int) -> np.ndarray:
        """Return the delay of each synapse in steps, in the order in which synapses are made."""
        return np.random.default_rng(self.seed).integers(self.low, self.high, size=n_synapses, endpoint=True)


@dataclass(frozen=True)
class SynapseModel:
    """What the spikes of one connection do.

    Attributes
    ----------
    name : str
    on_pre : str
        What a spike does when it arrives, as in `brian2.Synapses`; empty for what the coding scheme says.
    onto : str
        Variable of the postsynaptic neuron to which the spike adds its weight, if `on_pre` is empty.
    equations : str
        Added to the postsynaptic neurons. ``{rate}(tau)`` stands for the rate, per step, at which a variable decays
        with a time constant in steps.
    charge : str
        What these variables add to the potential in each step.
    source_equations, source_reset : str
        Added to the presynaptic neurons, and to what they do after a spike.
    release : str
        Factor of the spike, in variables of the presynaptic neuron.
    model : str
        Equations of each synapse besides ``w``; such a connection has explicit synapses.
    on_post : str
        What a postsynaptic spike does to the synapse; such a connection has explicit synapses.
    delay : JitteredDelay or None
        Delays that differ between synapses; such a connection has explicit synapses.
    namespace : mapping
        Values of names that are not variables.
    times : sequence of str
        Those of `namespace` that are time constants: a quantity, or a number of steps.
    initial : mapping
        Initial values of variables; others begin at 0. Variables of the neurons, and those of the synapses that have a
        differential equation, have their initial values at the start of each image; other variables of the synapses,
        such as weights, are carried over.
    keep : sequence of str
        Variables of the synapses with a differential equation that are carried over as well.
    source : str

    Examples
    --------
    >>> SynapseModel(on_pre="v_post += 0.5 * w").is_explicit
    False
    >>> SynapseModel(on_pre="v_post += w; w *= 0.99").is_explicit
    True
    """

    name: str = "changed"
    on_pre: str = ""
    onto: str = "v"
    equations: str = ""
    charge: str = ""
    source_equations: str = ""
    source_reset: str = ""
    release: str = ""
    model: str = ""
    on_post: str = ""
    delay: JitteredDelay | None = None
    namespace: Mapping[str, Any] = field(default_factory=dict)
    times: Sequence[str] = ()
    initial: Mapping[str, Any] = field(default_factory=dict)
    keep: Sequence[str] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.delay is not None and not isinstance(self.delay, JitteredDelay):
            raise ParameterError(
                f"delay is {self.delay!r}; it is a JitteredDelay(low, high). One delay for all synapses of a layer is "
                "given to convert, as synaptic_delay"
            )
        texts = ("on_pre", "equations", "charge", "source_equations", "source_reset", "release", "model", "on_post")
        for name in (*texts, "onto", "name"):
            if not isinstance(getattr(self, name), str):
                raise ParameterError(f"{name} is {getattr(self, name)!r}; it is text, as in brian2.Synapses")
        for name in ("namespace", "initial"):
            if not isinstance(getattr(self, name), Mapping):
                raise ParameterError(f"{name} is {getattr(self, name)!r}; it is a mapping of names to values")

    @property
    def is_explicit(self) -> bool:
        """Whether each synapse has something of its own besides its weight."""
        return bool(self.model or self.on_post or self.delay or "w" in assigned(self.on_pre, changed=True))

    def in_steps(self, dt: Quantity) -> SynapseModel:
        """Return the same model with time constants in steps of a length."""
        values = {name: in_steps(self.namespace[name], dt, name) for name in self.times}
        delay = self.delay.in_steps(dt) if self.delay else None
        return replace(self, namespace={**self.namespace, **values}, delay=delay)

    def effect(self, of_coding: str) -> str:
        """Return what a spike does, from what it does in the coding scheme (``v_post += ...``)."""
        if self.on_pre:
            return self.on_pre
        target, _, worth = of_coding.partition("+=")
        if self.onto != "v":
            target = f"{self.onto}_post "
        release = f" * ({suffixed_variables(self.release, self.namespace)})" if self.release else ""
        return f"{target}+={worth}{release}"


class SynapseKind(ABC):
    """A named model of synapses; each is a dataclass of its parameters in a file of its own in `brianconv.biology`.

    Examples
    --------
    >>> issubclass(ExponentialCurrent, SynapseKind)
    True
    """

    @property
    @abstractmethod
    def model(self) -> SynapseModel:
        """The equations and statements."""


def suffixed_variables(expression: str, namespace: Mapping[str, Any]) -> str:
    """Return an expression of the presynaptic neuron as it is written in synapses; constants have no suffix."""
    return renamed(expression, lambda name: name if name in namespace else f"{name}_pre")


def with_inputs(model: NeuronModel, arriving: Iterable[SynapseModel], population: str) -> NeuronModel:
    """Return a neuron model with the variables in which its synapses keep what arrives."""
    for synapses in _different(arriving, population):
        if not synapses.equations:
            continue
        added = _with_rates(synapses.equations, synapses, model.method)
        equations = f"{model.equations.rstrip()}\n{added.strip()}"
        if synapses.charge:
            equations = _charged(model, equations, synapses.charge, population)
        model = _joined(replace(model, equations=equations), synapses, population)
    return model


def with_outputs(model: NeuronModel, leaving: Iterable[SynapseModel], population: str) -> NeuronModel:
    """Return a neuron model with the variables that its synapses need on the presynaptic side."""
    for synapses in _different(leaving, population):
        if not synapses.source_equations:
            continue
        added = _with_rates(synapses.source_equations, synapses, model.method)
        changed = replace(
            model,
            equations=f"{model.equations.rstrip()}\n{added.strip()}",
            reset=f"{model.reset.rstrip()}\n{synapses.source_reset.strip()}".strip(),
        )
        model = _joined(changed, synapses, population)
    return model


def _with_rates(equations: str, synapses: SynapseModel, method: str) -> str:
    """Return equations with the rates at which variables decay under an integrator."""
    rate = "(1 - exp(-1 / {}))" if method == "euler" else "(1 / {})"
    for name in synapses.times:
        equations = equations.replace(f"{RATE}({name})", rate.format(name))
    return equations


def _different(models: Iterable[SynapseModel], population: str) -> list[SynapseModel]:
    """Return each model once; ParameterError if two that differ define the same variable."""
    found: list[SynapseModel] = []
    for model in models:
        if any(_same(model, other) for other in found):
            continue
        for other in found:
            shared = (set(_defined(model)) | set(model.namespace)) & (set(_defined(other)) | set(other.namespace))
            if shared and (_defined(model) or _defined(other)):
                raise ParameterError(
                    f"two connections of population {population!r} have different synapses with the same variable "
                    f"{sorted(shared)[0]!r}: give them different labels, such as label='nmda'"
                )
        found.append(model)
    return found


def _same(a: SynapseModel, b: SynapseModel) -> bool:
    return (a.equations, a.source_equations, a.charge, dict(a.namespace)) == (
        b.equations, b.source_equations, b.charge, dict(b.namespace),
    )  # fmt: skip


def _defined(model: SynapseModel) -> list[str]:
    texts = (_with_rates(text, model, "euler") for text in (model.equations, model.source_equations) if text)
    return [name for text in texts for name in equations_of(text)]


def _charged(model: NeuronModel, equations: str, charge: str, population: str) -> str:
    potential = equations_of(model.equations).get("v")
    if potential is None or potential.kind != DIFFERENTIAL_EQUATION:
        raise ParameterError(
            f"population {population!r} has no dv/dt ({model.name}) to which a synaptic current could be added"
        )
    added = potential.written(expression=f"{potential.expression} + ({charge}) / dt")
    return rewritten(equations, lambda equation: added if equation.name == "v" else None)


def _joined(model: NeuronModel, synapses: SynapseModel, population: str) -> NeuronModel:
    own = dict(synapses.namespace)
    clash = [name for name in own if name in model.namespace and model.namespace[name] is not own[name]]
    clash += [name for name in own if name in equations_of(model.equations)]
    if clash:
        raise ParameterError(f"population {population!r} has {clash[0]!r} already; give the synapses another label")
    initial = {name: value for name, value in synapses.initial.items() if name in equations_of(model.equations)}
    return replace(model, namespace={**model.namespace, **own}, initial={**model.initial, **initial})


def check_names(model: SynapseModel, source: NeuronModel, target: NeuronModel, connection: str) -> None:
    """Raise ParameterError if statements of a connection name what neither side, nor the synapse, has.

    Parameters
    ----------
    model : SynapseModel
    source, target : NeuronModel
        Complete models of both populations.
    connection : str
        For the message.
    """
    before, after = equations_of(source.equations), equations_of(target.equations)
    own = set(equations_of(model.model)) if model.model else set()
    constants = set(model.namespace) | {"w", "dt", "t", "i", "j", "inf", "pi", "e", "lastspike"} | {
        "second", "ms", "volt", "mV", "amp", "nA", "pA", "siemens", "nS", "Hz",
    }  # fmt: skip
    known = own | constants | set(after) | {f"{n}_post" for n in after} | {f"{n}_pre" for n in before}
    for name in (*model.initial, *model.keep):
        if name not in own | set(after) | set(before):
            raise ParameterError(f"connection {connection!r} has no variable {name!r} to initialise or to keep")
    for text in (model.on_pre, model.on_post):
        local = assigned(text) if text else set()
        for name in names_in(text) - known - local - {"True", "False"}:
            raise ParameterError(
                f"connection {connection!r}: the statements name {name!r}, which is no variable of the synapse (w"
                f"{''.join(f', {n}' for n in sorted(own))}), of the postsynaptic neurons "
                f"({', '.join(f'{n}_post' for n in after)}) or of the presynaptic ones "
                f"({', '.join(f'{n}_pre' for n in before)}), nor in the namespace"
            )
