"""All that touches private names of Brian2, and what its versions do differently.

The versions are 2.9 on Python 3.11, 2.10 on 3.12 and 2.11 on 3.13. What subclasses of Brian2's classes override is kept
with them: `_full_state` of structured synapses, and the templates of code objects.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import brian2
from brian2 import Network, Synapses, get_device
from brian2.core.base import BrianObject
from brian2.synapses.synapses import SynapticPathway

VERSION = tuple(int(number) for number in brian2.__version__.split(".")[:2])


def profiled_seconds(name: str) -> str:
    """Return the C++ expression of the seconds that a profiled code object has taken."""
    counted = f"brian::{name}_profiling_info"
    return counted if VERSION < (2, 10) else f"std::chrono::duration<double>({counted}).count()"


def pathways(synapses: Synapses) -> list[SynapticPathway]:
    """Return the pathways of plain synapses, in the order in which they were given."""
    return synapses._pathways


def queue_state(pathway: SynapticPathway) -> Any:
    """Return the spikes that are in transit along a pathway, as `restore_queue` takes them (run-time mode)."""
    return pathway.queue._full_state()


def restore_queue(pathway: SynapticPathway, state: Any) -> None:
    """Replace the spikes that are in transit along a pathway (run-time mode)."""
    pathway.queue._restore_from_full_state(state)


def mark_as_used(objects: Iterable[BrianObject], network: Network) -> None:
    """Keep Brian2 from warning that an object never ran: a network may be made just to look at it."""
    for brian_object in objects:
        brian_object._network = network.id


def header_folders() -> list[str]:
    """Return the folders with the C++ headers that Brian2's Cython templates include (in two places from 2.11 on)."""
    package = Path(brian2.__file__).parent
    return [str(package / "synapses"), str(package / "devices" / "cpp_standalone" / "brianlib")]


@contextmanager
def names_within_this_program() -> Iterator[None]:
    """Keep Brian2 from numbering code objects after those of other networks that are alive in this process.

    The same network must give the same sources, or it would be compiled again.
    """
    module: Any = importlib.import_module("brian2.devices.device")
    find_name = module.find_name
    module.find_name = lambda name: find_name(name, get_device().code_objects)
    try:
        yield
    finally:
        module.find_name = find_name
