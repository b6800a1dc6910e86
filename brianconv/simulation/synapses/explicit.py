"""Explicit synapses: plain `brian2.Synapses`, every synapse stored with its weight."""

from __future__ import annotations

import numpy as np
from brian2 import NeuronGroup, Synapses, ms
from brian2.units.fundamentalunits import Quantity

from brianconv.coding.synapse_model import SynapseModel
from brianconv.connectivity.base import Edges
from brianconv.connectivity.connection import Connection
from brianconv.simulation.compat import pathways
from brianconv.simulation.synapses.targets import protect_events

# memory of one stored synapse while the network is built, measured on 13.4 million synapses
BYTES_PER_SYNAPSE = {"float64": 95, "float32": 50}

UNCHANGED = SynapseModel()


def sorted_edges(connection: Connection) -> Edges:
    """Return the edges of a connection by presynaptic, then by postsynaptic neuron.

    Brian2 stores synapses in the order in which they are made. Sorted, those of one spike lie side by side, and a spike
    reads its synapses and weights and writes to its targets in the order of memory.
    """
    i, j, w = connection.edges()
    order = np.lexsort((j, i))
    return i[order], j[order], w[order]


def connect_explicit(
    connection: Connection,
    source: NeuronGroup,
    target: NeuronGroup,
    on_pre: str,
    delay: Quantity,
    slot: str,
    dtype: type,
    name: str,
    weight_unit: Quantity | float = 1,
    changed: SynapseModel = UNCHANGED,
    dt: Quantity = 1 * ms,
) -> Synapses:
    """Return the synapses of a connection, made from its sorted edges.

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
    weight_unit : Quantity
        Of the weights, such as mV.
    changed : SynapseModel
        What the synapses have besides their weights.
    dt : Quantity
        Length of a step.
    """
    weight = "w : 1" if weight_unit == 1 else "w : volt"
    synapses = Synapses(
        source,
        target,
        f"{weight}\n{changed.model}",
        on_pre=on_pre,
        on_post=changed.on_post or None,
        delay=None if changed.delay else delay,
        namespace=dict(changed.namespace),
        dtype=dtype,
        clock=source.clock,
        name=name,
    )
    i, j, w = sorted_edges(connection)
    synapses.connect(i=i, j=j)
    synapses.w = w.astype(dtype) * weight_unit
    if changed.delay:
        synapses.pre.delay = changed.delay.drawn(len(i)) * dt + delay
    for variable, value in changed.initial.items():
        if variable in synapses.variables:
            setattr(synapses, variable, value)
    synapses.pre.when = slot
    protect_events(synapses)
    return synapses


GATE = """
total += abs({worth})
leader_post = i * int(total > best_post or (total == best_post and i < leader_post)) + \\
    leader_post * int(total < best_post or (total == best_post and i >= leader_post))
best_post = total * int(total > best_post) + best_post * int(total <= best_post)
"""


def connect_gate(
    connection: Connection,
    source: NeuronGroup,
    target: NeuronGroup,
    on_pre: str,
    worth: str,
    delay: Quantity,
    slot: str,
    name: str,
) -> Synapses:
    """Return the synapses of a maximum pooling: of each window, only the spikes of the leading input pass.

    Two pathways in order: the first adds up what each input has sent and finds the leader, the first input of the
    window in row-major order if several have sent as much; the second passes the spikes of the leader.

    Parameters
    ----------
    connection : Connection
    source, target : NeuronGroup
        The target has variables ``leader`` and ``best``.
    on_pre : str
        What a spike that passes does.
    worth : str
        What a spike adds to the sum by which inputs compete.
    delay, slot, name
        As for `connect_explicit`.
    """
    synapses = Synapses(
        source,
        target,
        "total : 1",
        on_pre={"gate": GATE.format(worth=worth).replace("\\\n", ""), "pass": f"{on_pre} * int(leader_post == i)"},
        delay={"gate": delay, "pass": delay},
        clock=source.clock,
        name=name,
    )
    i, j, _ = sorted_edges(connection)
    synapses.connect(i=i, j=j)
    for order, (pathway, name) in enumerate(zip(pathways(synapses), ("gate", "pass"), strict=True)):
        pathway.when, pathway.order = slot, order
        assert pathway.objname.endswith(name)
    protect_events(synapses)
    return synapses
