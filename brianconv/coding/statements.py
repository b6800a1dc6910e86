"""Complete neuron models: what makes one the input or the output, what its spikes do, and what delays need.

Everything that happens to a population within a step is put together here, as Brian2 code: `SpikingNetwork.describe`
prints it, and simulation/ runs it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace

from brianconv.coding.equations import Code, assigned, equations_of, state_variables
from brianconv.coding.millivolts import statements_in_volts
from brianconv.coding.scheme import InputEncoding, NeuronModel, Readout
from brianconv.errors import ParameterError

NEVER = "False"
STEP_EQUATION = "step : integer (linked)\n"
OUTPUT_EQUATIONS = """
evaluation_delay              : integer (shared, constant)
skip                          : integer (shared, constant)
"""
INPUT_EQUATIONS = """
pixel                         : 1
"""


def as_input(model: NeuronModel, encoding: InputEncoding) -> NeuronModel:
    """Return the model of the input population: with a pixel, and what happens to it when an image begins."""
    return _extended(model, INPUT_EQUATIONS, "", encoding.on_image)


def as_output(model: NeuronModel, readout: Readout) -> NeuronModel:
    """Return the model of the output population: with the variables and statements of its readout."""
    model = _extended(model, OUTPUT_EQUATIONS + readout.equations, readout.on_spike, readout.on_image)
    if not has_variable(model, "step"):
        model = replace(model, equations=joined(STEP_EQUATION, model.equations))
    return model


def without_spikes(model: NeuronModel) -> NeuronModel:
    """Return the model of neurons that only integrate."""
    return replace(model, threshold=NEVER, reset="")


def with_delay_line(model: NeuronModel, longest: int) -> NeuronModel:
    """Return a model with the variables that keep what its spikes carry until the last of them has arrived."""
    if not longest or model.spike_value == "1":
        return model
    variables = "\n".join(f"sent_{k} : 1" for k in range(longest + 1))
    return replace(model, equations=joined(model.equations, variables))


def delay_line(model: NeuronModel, longest: int) -> str:
    """Return the statements that keep what spikes carry until they arrive; '' if that is the same for all spikes."""
    if not longest or model.spike_value == "1":
        return ""
    shifted = [f"sent_{k} = sent_{k - 1}" for k in range(longest, 0, -1)]
    return "\n".join([*shifted, f"sent_0 = {model.spike_value}"])


def on_pre(model: NeuronModel, delay: int) -> str:
    """Return what a spike does to a postsynaptic neuron when it arrives, after a delay in steps."""
    if delay and model.spike_value != "1":
        return replace(model, spike_value=f"sent_{delay}").effect
    return model.effect


def skip_statement(model: NeuronModel, in_volts: bool) -> str:
    """Return the statement that keeps output neurons at their initial potential while their input is skipped."""
    code = Code(model.on_image)
    starts = [code.written(node.value) for name, node in code.assignments() if name == "v"]
    value = starts[-1] if starts else "0"
    if in_volts:
        value = statements_in_volts(f"v = {value}").partition("=")[2].strip()
    value = value if value.isidentifier() else f"({value})"
    return f"v = int(step > skip) * v + int(step <= skip) * {value}"


def states(model: NeuronModel, population: str) -> list[str]:
    """Return the variables of a model that a simulation can change.

    Raises
    ------
    ParameterError
        If Brian2 refuses the equations.
    """
    try:
        return state_variables(model.equations)
    except ParameterError as error:
        raise ParameterError(f"{error} (population {population!r})") from error


def restored(changed: NeuronModel, complete: NeuronModel, of_coding: NeuronModel, population: str) -> list[str]:
    """Return the variables of a changed model that are reset to their initial values when an image begins.

    Those that its `on_image` does not set and that it does not keep. What a coding scheme itself does not set when an
    image begins, such as the bias, is not changed by a simulation.

    Parameters
    ----------
    changed : NeuronModel
        As the user has changed it.
    complete, of_coding : NeuronModel
        The complete models of the population, as changed and as in the coding scheme.
    population : str
        For the error.
    """
    set_by_coding, set_now = assigned(of_coding.on_image), assigned(complete.on_image)
    return [
        name
        for name in states(complete, population)
        if name not in set_now
        and name not in changed.keep
        and (name in set_by_coding or not has_variable(of_coding, name))
    ]


def check_own_values(changed: NeuronModel, complete: NeuronModel, population: str) -> None:
    """Raise ParameterError unless `initial` and `keep` of a changed model name variables that nothing else sets."""
    if isinstance(changed.keep, str) or not isinstance(changed.initial, Mapping):
        raise ParameterError("keep is a list of variables such as ['w_a'], initial a mapping such as {'w_a': 0.1}")
    free = [name for name in states(complete, population) if name not in assigned(complete.on_image)]
    for name in (*changed.keep, *changed.initial):
        if name not in free:
            known = has_variable(complete, name)
            reason = "which the first step of an image sets: change on_image" if known else ""
            raise ParameterError(
                f"population {population!r} has no {name!r} to keep or to initialise"
                + (f", {reason}" if reason else f"; it has {', '.join(free) or 'none'}")
            )


def has_variable(model: NeuronModel, name: str) -> bool:
    """Return whether the equations of a model define a variable; raise ParameterError if Brian2 refuses them."""
    return name in equations_of(model.equations)


def _extended(model: NeuronModel, equations: str, on_spike: str, on_image: str) -> NeuronModel:
    return replace(
        model,
        equations=joined(model.equations, equations),
        reset=joined(model.reset, on_spike),
        on_image=joined(model.on_image, on_image),
    )


def joined(*parts: str) -> str:
    """Return statements or equations one after the other, without indentation and empty lines around them."""
    return "\n".join(text for part in parts if (text := textwrap.dedent(part).strip()))
