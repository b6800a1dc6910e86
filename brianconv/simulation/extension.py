"""Objects of the user's own in a network: monitors, groups, synapses, operations, in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from brian2 import (
    EventMonitor,
    NetworkOperation,
    PopulationRateMonitor,
    SpikeMonitor,
    StateMonitor,
    get_device,
)
from brian2.core.base import BrianObject
from brian2.core.variables import Variable

from brianconv.errors import ParameterError
from brianconv.simulation.network import BrianNetwork
from brianconv.simulation.readout.on_image import is_standalone

Extend = Callable[[BrianNetwork], Iterable[BrianObject]]
MONITORS = (EventMonitor, PopulationRateMonitor, SpikeMonitor, StateMonitor)
PREFIX = "monitor_"


def extended(brian: BrianNetwork, extend: Extend | None) -> list[BrianObject]:
    """Return the objects that a user's function makes for a network.

    Raises
    ------
    ParameterError
        If it returns something else, a name is taken, or an object needs Python in a generated program.
    """
    if extend is None:
        return []
    if not callable(extend):
        raise ParameterError(
            f"extend is {extend!r}; it is a function that takes the network and returns a list of objects"
        )
    made = extend(brian)
    if isinstance(made, BrianObject):
        made = [made]
    if made is None or isinstance(made, (str, dict)) or not isinstance(made, Iterable):
        raise ParameterError(
            f"extend returned {made!r}; it returns a list of Brian2 objects, such as [SpikeMonitor(...)]"
        )
    objects = list(made)
    taken = {thing.name for thing in brian.network.objects}
    for thing in objects:
        if not isinstance(thing, BrianObject):
            raise ParameterError(f"extend returned {thing!r}, which is no object of Brian2")
        if thing.name in taken:
            raise ParameterError(
                f"an object of your own has the name {thing.name!r}, which is taken: give it another one"
            )
        taken.add(thing.name)
        if is_standalone() and isinstance(thing, NetworkOperation):
            raise ParameterError(
                f"the network operation {thing.name!r} is a Python function, which a generated program cannot call: "
                "use run_regularly(...), stop='...', or mode='runtime'"
            )
    return objects


def monitors(objects: Iterable[BrianObject]) -> dict[str, BrianObject]:
    """Return the monitors among objects, by name."""
    return {thing.name: thing for thing in objects if isinstance(thing, MONITORS)}


def results(objects: Iterable[BrianObject]) -> dict[str, tuple[Variable, int | None]]:
    """Return the variables that monitors record, by the name of the result, and how many columns their rows have."""
    found: dict[str, tuple[Variable, int | None]] = {}
    for name, monitor in monitors(objects).items():
        if isinstance(monitor, StateMonitor):
            columns: dict[str, int | None] = {v: len(monitor.record) for v in monitor.record_variables}
        elif isinstance(monitor, PopulationRateMonitor):
            columns = {"rate": None}
        else:
            columns = dict.fromkeys(["i", *(v for v in monitor.record_variables if v not in ("i", "t"))])
        for variable, count in {"t": None, **columns}.items():
            found[f"{PREFIX}{name}__{variable}"] = monitor.variables[variable], count
    return found


def arrays_of(objects: Iterable[BrianObject]) -> dict[str, np.ndarray]:
    """Return what monitors have recorded so far (run-time mode)."""
    device = get_device()
    return {name: np.asarray(device.get_value(variable)) for name, (variable, _) in results(objects).items()}


def by_monitor(raw: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return results by monitor and variable; samples are the last axis."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, values in raw.items():
        if key.startswith(PREFIX):
            name, _, variable = key.removeprefix(PREFIX).rpartition("__")
            found.setdefault(name, {})[variable] = values.T
    return found
