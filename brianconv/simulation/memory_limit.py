"""How much memory a network needs, compared with what the machine has, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from brianconv.connectivity.connection import Connection
from brianconv.errors import MemoryLimitError
from brianconv.simulation.synapses.explicit import BYTES_PER_SYNAPSE

GIGABYTE = 1e9


def synapse_memory(connections: Sequence[Connection], dtype: str) -> int:
    """Return the bytes that the explicit synapses of some connections need."""
    return sum(connection.n_synapses for connection in connections) * BYTES_PER_SYNAPSE[dtype]


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise MemoryLimitError if `needed` bytes are more than what is free."""
    free = psutil.virtual_memory().available
    if needed > free:
        raise MemoryLimitError(
            f"{what} need about {needed / GIGABYTE:.1f} GB of memory, and {free / GIGABYTE:.1f} GB are free; {remedy}"
        )


def check_synapse_memory(connections: Sequence[Connection], synapses: str, dtype: str) -> None:
    """Raise MemoryLimitError if the explicit synapses of some connections do not fit into the free memory."""
    n_synapses = sum(connection.n_synapses for connection in connections)
    kernels = "synapses='structured' (--synapses structured) stores kernels instead of synapses"
    halved = "use dtype='float32' (half of it), a smaller network or a machine with more memory"
    check_memory(
        synapse_memory(connections, dtype),
        f"the {n_synapses:,} explicit synapses of this network",
        kernels if synapses == "explicit" else halved,
    )
