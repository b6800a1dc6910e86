"""Initial values, to which the variables that users add are reset at the start of every image.

They are the values at the start of a run, set by equations, ``initial`` or an assignment before the run. Images
therefore give the same spikes in any order and in any number of processes. A variable that is to be carried over from
image to image is named in ``keep`` of the neuron model, or in `BrianNetwork.keep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from brian2 import NeuronGroup, Synapses, get_device
from brian2.core.variables import ArrayVariable, DynamicArrayVariable
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.groups.group import Group

from brianconv.simulation.network import BrianNetwork

FIXED = {"constant", "linked"}
RESTING = ("not_refractory", "lastspike")


class InitialValues:
    """Stores the values of variables at the start of a run, and restores them (run-time mode).

    A variable that the user has changed after a run begins the next one at its new value.
    """

    def __init__(self) -> None:
        self.variables: dict[str, ArrayVariable] = {}
        self.clocks: list[tuple[ArrayVariable, ArrayVariable]] = []
        self.initial: dict[str, np.ndarray] = {}
        self.final: dict[str, bytes] = {}

    def begin(
        self, variables: dict[str, ArrayVariable], clocks: Sequence[tuple[ArrayVariable, ArrayVariable]] = ()
    ) -> None:
        """Start a run; see `restored_variables` and `last_updates`."""
        self.variables, self.clocks = variables, list(clocks)
        for name, variable in variables.items():
            values = variable.get_value()
            if self.final.get(name) != values.tobytes():
                self.initial[name] = values.copy()
        self.restore()

    def restore(self) -> None:
        """Give the variables the values that they had at the start of the run."""
        for name, variable in self.variables.items():
            variable.get_value()[:] = self.initial[name]
        for variable, now in self.clocks:
            variable.get_value()[:] = now.get_value()

    def end(self) -> None:
        """End a run, complete or not."""
        self.final = {name: variable.get_value().tobytes() for name, variable in self.variables.items()}


def restored_variables(brian: BrianNetwork) -> dict[str, ArrayVariable]:
    """Return the variables that are reset to their initial values, as ``group.variable``.

    Of populations, those that a changed neuron model adds; of the user's own groups in the network, all that a
    simulation can change; of the user's own synapses, those with differential equations (traces, but not weights).
    """
    found: dict[str, ArrayVariable] = {}
    for name, group in brian.populations.items():
        found |= {f"{name}.{v}": group.variables[v] for v in brian.spiking.restored_variables(name)}
    for name, changed in brian.spiking.synapses.items():
        if changed.model:
            synapses = brian.connections[name]
            assert isinstance(synapses, Synapses)
            found |= {
                f"{name}.{v}": synapses.variables[v]
                for v in _changing(synapses, (DIFFERENTIAL_EQUATION,))
                if v not in changed.keep
            }
    for group, names in _of_users(brian):
        found |= {f"{group.name}.{v}": group.variables[v] for v in names}
    return {name: variable for name, variable in found.items() if name not in brian.keep}


def last_updates(brian: BrianNetwork) -> list[tuple[ArrayVariable, ArrayVariable]]:
    """Return when event-driven variables were last updated, and the present time, to which that is set.

    These variables are restored as well; they begin to change when an image does.
    """
    kept = {name.partition(".")[0] for name in brian.keep}
    return [
        (group.variables["lastupdate"], group.variables["t"])
        for group in brian.network.objects
        if isinstance(group, Synapses) and group.event_driven is not None and group.name not in kept
    ]


def _of_users(brian: BrianNetwork) -> Iterator[tuple[Group, list[str]]]:
    ours = [brian.schedule, *brian.populations.values(), *brian.connections.values()]
    for group in brian.network.objects:
        if any(group is one for one in ours):
            continue
        if isinstance(group, NeuronGroup):
            resting = [name for name in RESTING if name in group.variables]
            yield group, [*_changing(group, (DIFFERENTIAL_EQUATION, PARAMETER)), *resting]
        elif isinstance(group, Synapses):
            yield group, _changing(group, (DIFFERENTIAL_EQUATION,))


def _changing(group: Group, kinds: tuple[str, ...]) -> list[str]:
    equations = dict(group.equations.items())
    if isinstance(group, Synapses) and group.event_driven is not None:
        equations |= dict(group.event_driven.items())
    return [name for name, eq in equations.items() if eq.type in kinds and not FIXED & set(eq.flags)]


def restore_statements(brian: BrianNetwork) -> list[str]:
    """Return the C++ statements that do at the start of every image what `InitialValues` does at run time."""
    device = get_device()
    image = f"brian::{device.get_array_name(brian.schedule.variables['image'])}[0]"
    statements = []
    for variable in restored_variables(brian).values():
        array = f"brian::{device.get_array_name(variable, access_data=False)}"
        first = f"{array}.begin()" if isinstance(variable, DynamicArrayVariable) else array
        last = f"{array}.end()" if isinstance(variable, DynamicArrayVariable) else f"{array} + {variable.size}"
        statements.append(
            f"{{ static const std::vector<std::decay<decltype(*{first})>::type> _initial({first}, {last}); "
            f"if ({image} > 0) std::copy(_initial.begin(), _initial.end(), {first}); }}"
        )
    for variable, now in last_updates(brian):
        array, time = (f"brian::{device.get_array_name(v, access_data=False)}" for v in (variable, now))
        statements.append(f"std::fill({array}.begin(), {array}.end(), {time}[0]);")
    return statements
