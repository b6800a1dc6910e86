"""How much memory a network needs, compared with what the machine has, before anything is built."""

from __future__ import annotations

import psutil

from brianconv.conversion.graph import LayerGraph
from brianconv.errors import MemoryLimitError
from brianconv.simulation.synapses.explicit import BYTES_PER_SYNAPSE

GIGABYTE = 1e9


def synapse_memory(graph: LayerGraph, dtype: str) -> int:
    """Return the bytes that the explicit synapses of a network need."""
    return graph.n_synapses * BYTES_PER_SYNAPSE[dtype]


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise MemoryLimitError if `needed` bytes are more than what is free."""
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryLimitError(
            f"{what} need about {needed / GIGABYTE:.1f} GB of memory, and {free / GIGABYTE:.1f} GB are free; {remedy}"
        )


def check_synapse_memory(graph: LayerGraph, dtype: str) -> None:
    """Raise MemoryLimitError if the explicit synapses of a network do not fit the free memory."""
    check_memory(
        synapse_memory(graph, dtype),
        f"the {graph.n_synapses:,} synapses of this network",
        "use dtype='float32' (half of it), a smaller network or a machine with more memory",
    )
