"""Explicit synapses: plain `brian2.Synapses`, every synapse stored with its weight."""

from __future__ import annotations

from brian2 import NeuronGroup, Synapses
from brian2.units.fundamentalunits import Quantity

from brianconv.conversion.graph import Connection

# memory of one stored synapse while the network is built, measured on 13.4 million synapses
BYTES_PER_SYNAPSE = {"float64": 95, "float32": 50}


def connect_explicit(
    connection: Connection,
    source: NeuronGroup,
    target: NeuronGroup,
    on_pre: str,
    delay: Quantity,
    slot: str,
    dtype: type,
    name: str,
) -> Synapses:
    """Return the synapses of a connection, made from its edges.

    Parameters
    ----------
    connection : Connection
    source, target : NeuronGroup
    on_pre : str
        What a spike does; ``w`` is the weight of the synapse.
    delay : Quantity
        One delay for all synapses.
    slot : str
        Scheduling slot in which spikes arrive.
    dtype : NumPy float type
        Of the weights.
    name : str
        Of the synapses.
    """
    synapses = Synapses(
        source,
        target,
        "w : 1",
        on_pre=on_pre,
        delay=delay,
        dtype=dtype,
        clock=source.clock,
        name=name,
    )
    i, j, w = connection.edges()
    synapses.connect(i=i, j=j)
    synapses.w = w.astype(dtype)
    synapses.pre.when = slot
    return synapses
