"""Build the Brian2 objects of a spiking network: populations, synapses, schedule and monitors.

All layers are updated in order within one step, so that a spike of one layer reaches the next one in the same step:
every layer has its own slots in `Network.schedule`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from brian2 import (
    Clock,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    linked_var,
    ms,
    mV,
)
from brian2.core.base import BrianObject, BrianObjectException
from brian2.equations.equations import EquationError
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity, have_same_dimensions

from brianconv.coding.equations import equations_of, renamed
from brianconv.coding.scheme import NeuronModel, tolerance
from brianconv.coding.synapse_model import SynapseModel
from brianconv.connectivity.base import channels_last
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.shared_kernel import share_weights
from brianconv.errors import ParameterError
from brianconv.graph import INPUT
from brianconv.positions import Position, checked_positions, torch_index
from brianconv.simulation.compat import mark_as_used
from brianconv.simulation.cython_modules import code_object_class
from brianconv.simulation.memory_limit import check_synapse_memory
from brianconv.simulation.random_functions import RANDOM_FUNCTIONS
from brianconv.simulation.readout.on_image import OnImage
from brianconv.simulation.synapses.explicit import connect_explicit, connect_gate
from brianconv.simulation.synapses.structured import StructuredSynapses
from brianconv.spiking import SpikingNetwork
from brianconv.stopping import StoppingRule
from brianconv.values import check_choice

EQUATION_ERRORS: tuple[type[Exception], ...] = (
    BrianObjectException, EquationError, DimensionMismatchError, SyntaxError, ValueError, TypeError, KeyError,
    NotImplementedError,
)  # fmt: skip
SYNAPSES = ("structured", "explicit")
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})  # no variables to record
LAYER_SLOTS = ("thresholds", "synapses", "resets")
SCHEDULE_EQUATIONS = """
step     : integer (shared)
image    : integer (shared)
n_steps  : integer (shared, constant)
n_images : integer (shared, constant)
first_image : integer (shared, constant)
image_index = image + first_image : integer (shared)
early_decision    : 1 (shared, constant)
first    : integer (shared, constant)
reset_every : integer (shared, constant)
"""


@dataclass(eq=False, repr=False)
class BrianNetwork(ABC):
    """A spiking network as Brian2 objects, each under the name of its torch module.

    What moves it from image to image differs between the two modes: see `RuntimeNetwork` and `StandaloneNetwork`.

    Attributes
    ----------
    spiking : SpikingNetwork
    network : brian2.Network
        Contains all objects below; add your own monitors to it.
    schedule : NeuronGroup
        One element that holds the shared counters ``step`` and ``image``.
    populations : dict of str to NeuronGroup
    connections : dict of str to StructuredSynapses or Synapses
        Named ``conv1_to_conv2``, and ``conv1_to_conv2_2`` where a second one joins the same populations.
    score_monitor : StateMonitor
        The score of every output neuron at the end of every step.
    spike_monitors, potential_monitors : dict of str to monitor
        Those that were requested; potentials and other variables are sampled before the reset.
    keep : set of str
        Variables of your own groups and synapses, as ``"group.variable"``, that are carried over from image to image;
        others have their initial values at the start of each (see simulation/initial_values.py).
    stop : StoppingRule or None
        Condition at which an image ends.
    extension : list of BrianObject
        Objects of the user's own, of `extend`.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> brian = build_network(convert(model, np.random.default_rng(0).random((5, 4))))
    >>> isinstance(brian, BrianNetwork)
    True
    >>> list(brian.populations)
    ['input', 'layer_0', 'layer_2']
    >>> list(brian.connections)
    ['input_to_layer_0', 'layer_0_to_layer_2']
    """

    spiking: SpikingNetwork
    dtype: str
    dt: Quantity
    network: Network
    schedule: NeuronGroup
    populations: dict[str, NeuronGroup] = field(default_factory=dict)
    connections: dict[str, StructuredSynapses | Synapses] = field(default_factory=dict)
    score_monitor: StateMonitor = field(init=False)
    spike_monitors: dict[str, SpikeMonitor] = field(default_factory=dict)
    potential_monitors: dict[str, StateMonitor] = field(default_factory=dict)
    keep: set[str] = field(default_factory=set)
    stop: StoppingRule | None = None
    extension: list[BrianObject] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<BrianNetwork, {self.dtype}, dt = {self.dt}: {', '.join(self.populations)}; {self._synapse_kinds}>"

    def _repr_html_(self) -> str:
        return self.spiking.html(f"BrianNetwork, {self.dtype}, dt = {self.dt}; {self._synapse_kinds}")

    @property
    def _synapse_kinds(self) -> str:
        kinds = Counter(type(synapses).__name__ for synapses in self.connections.values())
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items())

    @cached_property
    def fan_out(self) -> dict[str, np.ndarray]:
        """Number of synapses that leave each neuron, by population, as laid out there."""
        graph = self.spiking.graph
        none = {name: np.zeros(int(np.prod(shape)), dtype=np.int64) for name, shape in graph.shapes.items()}
        return {name: sum((c.fan_out for c in graph.outgoing(name)), none[name]) for name in graph.names}

    @cached_property
    def pixel_order(self) -> np.ndarray:
        """For each input neuron the index of its pixel in torch's flat order."""
        return channels_last(self.spiking.graph.input_shape)

    @cached_property
    def class_order(self) -> np.ndarray:
        """For each class the index of its neuron in the output population."""
        return np.argsort(channels_last(self.spiking.graph.output.shape))

    @property
    def clock(self) -> Clock:
        """The clock of the network, for objects of your own; Brian2 would give them ``defaultclock``."""
        return self.schedule.clock

    @property
    def output(self) -> NeuronGroup:
        return self.populations[self.spiking.output]

    def takes_time(self, connection: str) -> bool:
        """Whether spikes of a connection can be in transit at the end of an image."""
        changed = self.spiking.synapses.get(connection)
        delayed = self.spiking.synaptic_delay.get(self.spiking.connections[connection][1])
        return bool(delayed) or bool(changed and changed.delay)

    def add(self, *objects: BrianObject) -> None:
        """Add objects to the network."""
        self.network.add(*objects)

    def populate(
        self,
        synapses: str,
        record_spikes: Sequence[str],
        neurons: Mapping[str, np.ndarray],
        variables: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Make all objects; see `build_network` for the parameters."""
        spiking = self.spiking
        explicit = explicit_connections(spiking, synapses)
        check_synapse_memory(explicit, synapses, self.dtype)
        self.network.schedule = _slots(len(spiking.populations))
        self.add(self.schedule)
        for index, name in enumerate(spiking.populations):
            with explained(self, EQUATION_ERRORS, name):
                _add_population(self, index, name)
        for label, connection, layer in spiking.labelled_connections:
            with explained(self, EQUATION_ERRORS, connection=label):
                _connect(self, label, layer.name, connection, connection in explicit)
        _add_output_operations(self)
        _add_monitors(self, record_spikes, neurons, variables)

    @abstractmethod
    def add_image_operations(self) -> None:
        """Add what counts steps, presents images, counts spikes and ends images."""

    @abstractmethod
    def prepare_threshold(self, group: NeuronGroup, active: tuple[str, str] | None) -> None:
        """Prepare the threshold of a population that can fire in some steps only, if `active` names them."""


@contextmanager
def explained(
    brian: BrianNetwork,
    errors: tuple[type[Exception], ...],
    population: str | None = None,
    connection: str | None = None,
) -> Iterator[None]:
    """Turn Brian2's message about equations that it refuses into one ParameterError that names object and reason."""
    try:
        yield
    except errors as error:
        mark_as_used(brian.network.objects, brian.network)
        reason: BaseException = error
        while (below := reason.__cause__ or reason.__context__) is not None:
            reason = below
        where = str(error).split("\n")[0]
        where = f"population {population!r}" if population else f"connection {connection!r}" if connection else where
        raise ParameterError(
            f"Brian2 refuses the equations ({where}): {reason}{_missing(brian, population)}"
        ) from error


def _missing(brian: BrianNetwork, population: str | None) -> str:
    """Return which variables of its coding scheme a changed population has lost, as the end of a message."""
    spiking = brian.spiking
    lost = {}
    for name in [population] if population else spiking.populations:
        own = equations_of(spiking.own_neuron(name).equations)
        absent = [variable for variable in own if variable not in spiking.neurons[name].equations]
        if absent:
            lost[name] = absent
    if not lost:
        return ""
    return "; changed neurons must keep the variables of their coding scheme: " + ", ".join(
        f"{name!r} has lost {', '.join(absent)}" for name, absent in lost.items()
    )


def check_dt(dt: Quantity) -> None:
    """Raise ParameterError unless this is a positive time."""
    if not isinstance(dt, Quantity) or not have_same_dimensions(dt, ms) or dt.ndim or not 0 < float(dt) < np.inf:
        raise ParameterError(f"dt is {dt}; it is a positive time such as 1*ms")


def checked_recordings(
    spiking: SpikingNetwork,
    record_spikes: Sequence[str],
    record_potentials: Sequence[str] | Mapping[str, Sequence[Position | int] | None],
    record_variables: Mapping[str, Sequence[str]],
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """Return the neurons whose potentials are recorded (in torch's flat order), and other variables."""
    if any(
        isinstance(given, str) or not isinstance(given, (Sequence, Set, Mapping))
        for given in (record_spikes, record_potentials)
    ):
        raise ParameterError("layers to record must be a list of names, such as ['conv1']")
    for name in record_spikes:
        spiking.check_population(name)
    if not isinstance(record_potentials, Mapping):
        record_potentials = dict.fromkeys(record_potentials)
    if not isinstance(record_variables, Mapping):
        raise ParameterError("variables to record must be lists of names by layer, such as {'conv1': ['fatigue']}")
    variables = {
        (layer := spiking.check_population(name)): _checked_variables(spiking, layer, names)
        for name, names in record_variables.items()
    }
    named = {spiking.check_population(name): chosen for name, chosen in record_potentials.items()}
    everything: dict[str, Sequence[Position | int] | None] = dict.fromkeys(variables)
    neurons = {name: _checked_neurons(spiking, name, chosen) for name, chosen in (everything | named).items()}
    return neurons, variables


def _checked_neurons(spiking: SpikingNetwork, name: str, chosen: Sequence[Position | int] | None) -> np.ndarray:
    shape = spiking.graph.shapes[name]
    if chosen is None:
        return np.arange(int(np.prod(shape)))
    return np.array([torch_index(shape, position) for position in checked_positions(shape, chosen, name)])


def _checked_variables(spiking: SpikingNetwork, layer: str, names: Sequence[str]) -> tuple[str, ...]:
    equations = equations_of(spiking.model(layer).equations)
    allowed = [name for name, equation in equations.items() if "shared" not in equation.flags and name != "v"]
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ParameterError(f"variables of {layer!r} to record must be a list of names, such as ['fatigue']")
    for name in names:
        if name not in allowed and name != "v":
            raise ParameterError(
                f"population {layer!r} has no variable {name!r} in each neuron; it has v, {', '.join(allowed)}"
            )
    return tuple(dict.fromkeys(name for name in names if name != "v"))  # the potential is always recorded


def _slots(n_populations: int) -> list[str]:
    layers = [_slot(kind, index) for index in range(n_populations) for kind in LAYER_SLOTS]
    return ["start", "groups", "integrate", *layers, "thresholds", "synapses", "resets", "end"]


def _slot(kind: str, index: int) -> str:
    return f"{kind}_{index}"


def _add_population(brian: BrianNetwork, index: int, name: str) -> None:
    spiking = brian.spiking
    model = spiking.model(name)
    group = NeuronGroup(
        int(np.prod(spiking.graph.shapes[name])),
        model.equations,
        method=model.method,
        threshold=model.threshold,
        reset=model.reset,
        refractory=model.refractory or False,
        namespace={"tolerance": tolerance(brian.dtype), **RANDOM_FUNCTIONS, **model.namespace},
        dtype=getattr(np, brian.dtype),
        clock=brian.schedule.clock,
        codeobj_class=code_object_class(),
        name=name,
    )
    for counter in ("step", "image_index"):
        if counter in group.equations:
            setattr(group, counter, linked_var(brian.schedule, counter))
    if name != INPUT and "drive" in group.equations:
        group.drive = spiking.graph.layer(name).bias.ravel()[channels_last(spiking.graph.shapes[name])]
    for variable, value in model.initial.items():
        setattr(group, variable, value)
    group.state_updater.when = "integrate"
    group.thresholder["spike"].when = _slot("thresholds", index)
    group.resetter["spike"].when = _slot("resets", index)
    brian.prepare_threshold(group, model.active)
    line = spiking.delay_line(name)
    if line:
        group.run_regularly(
            line, when=_slot("synapses", index), order=-1, clock=group.clock, name=f"{name}__delay_line"
        )
    brian.populations[name] = group
    brian.add(group)
    each = spiking.each_image(name)
    statements = _initial_statements(model, each)
    if statements:
        brian.add(OnImage(group, statements, brian.schedule))
    if each:
        brian.add(OnImage(group, each, brian.schedule, resets=False))


def _initial_statements(model: NeuronModel, each: str) -> str:
    # first, as a potential that stands still (unless refractory) could not be set otherwise
    awake = "not_refractory = True\nlastspike = -1e4*second\n" if model.refractory else ""
    return (awake + model.on_image.removesuffix(each)).strip()


def explicit_connections(spiking: SpikingNetwork, synapses: str) -> list[Connection]:
    """Return the connections whose synapses are stored one by one."""
    check_choice("synapses", synapses, SYNAPSES, "are")
    return [
        c
        for label, c, _ in spiking.labelled_connections
        if synapses == "explicit"
        or (label in spiking.synapses and spiking.synapses[label].is_explicit)
        or (share_weights(c.chain) is None and not c.chain[-1].gates)
    ]


def _connect(brian: BrianNetwork, label: str, name: str, connection: Connection, explicit: bool) -> None:
    spiking = brian.spiking
    source, target = brian.populations[connection.source], brian.populations[name]
    on_pre, changed = spiking.on_pre(label), spiking.synapses.get(label, SynapseModel())
    delay = spiking.synaptic_delay.get(name, 0) * brian.dt
    slot = _slot("synapses", spiking.populations.index(connection.source))
    dtype = getattr(np, brian.dtype)
    in_volts = spiking.units and spiking.is_biological(name) and not changed.equations  # its variables have no unit
    unit = spiking.units.swing * mV if spiking.units and in_volts else 1
    pooling = spiking.graph.layer(name).is_pooling
    if pooling:
        on_pre = renamed(on_pre, lambda name: "1" if name == "w" else name)
    synapses: StructuredSynapses | Synapses
    if explicit and pooling:
        synapses = connect_gate(connection, source, target, on_pre, worth(on_pre), delay, slot, label)
    elif explicit:
        synapses = connect_explicit(
            connection, source, target, on_pre, delay, slot, dtype, label, unit, changed, brian.dt
        )
    else:
        synapses = StructuredSynapses(
            source, target, connection.chain, on_pre,
            gate=f"abs({worth(on_pre)})", delay=delay, weight_unit=unit, dtype=dtype, when=slot,
            name=label, namespace=changed.namespace,
        )  # fmt: skip
    brian.connections[synapses.name] = synapses
    brian.add(synapses)
    if explicit and pooling:
        brian.add(OnImage(synapses, "total = 0", brian.schedule))


def worth(on_pre: str) -> str:
    """Return what a spike adds to its target: the right side of ``v_post += ...``."""
    return on_pre.partition("+=")[2].strip()


def _add_output_operations(brian: BrianNetwork) -> None:
    output, last = brian.output, len(brian.populations) - 1
    skip, evaluate = brian.spiking.skip_statement, brian.spiking.evaluate
    output.run_regularly(
        skip, when=_slot("thresholds", last), order=-1, clock=output.clock, name="brianconv__skip_output"
    )
    if evaluate.strip():
        output.run_regularly(evaluate, when="end", clock=output.clock, name="brianconv__evaluate_output")


def _add_monitors(
    brian: BrianNetwork,
    record_spikes: Sequence[str],
    neurons: Mapping[str, np.ndarray],
    variables: Mapping[str, tuple[str, ...]],
) -> None:
    for name in record_spikes:
        brian.spike_monitors[name] = SpikeMonitor(
            brian.populations[name], codeobj_class=code_object_class(), name=f"{name}__spikes"
        )
    for name, chosen in neurons.items():
        order = channels_last(brian.spiking.graph.shapes[name])
        place = np.argsort(order)[chosen]
        slot = _slot("thresholds", brian.spiking.populations.index(name))
        brian.potential_monitors[name] = StateMonitor(
            brian.populations[name], ["v", *variables.get(name, ())], record=place, when=slot, order=1,
            clock=brian.schedule.clock, codeobj_class=code_object_class(), name=f"{name}__potentials",
        )  # fmt: skip
    brian.score_monitor = StateMonitor(
        brian.output,
        "score",
        record=brian.class_order,
        when="end",
        order=1,
        clock=brian.schedule.clock,
        codeobj_class=code_object_class(),
        name="brianconv__output_scores",
    )
    brian.add(brian.score_monitor, *brian.spike_monitors.values(), *brian.potential_monitors.values())
