"""Build the Brian2 network of a spiking network, for run-time or standalone mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brian2 import Clock, Network, NeuronGroup, Quantity, ms

from brianconv.coding.scheme import tolerance
from brianconv.positions import Position
from brianconv.simulation.compat import mark_as_used
from brianconv.simulation.extension import Extend, extended
from brianconv.simulation.network import NOTHING, SCHEDULE_EQUATIONS, check_dt, checked_recordings
from brianconv.simulation.readout.on_image import is_standalone
from brianconv.simulation.runtime import RuntimeNetwork
from brianconv.simulation.standalone import StandaloneNetwork
from brianconv.spiking import SpikingNetwork
from brianconv.stopping import StoppingRule


def build_network(
    spiking: SpikingNetwork,
    *,
    synapses: str = "structured",
    dtype: str = "float64",
    dt: Quantity = 1 * ms,
    record_spikes: Sequence[str] = (),
    record_potentials: Sequence[str] | Mapping[str, Sequence[Position | int] | None] = (),
    record_variables: Mapping[str, Sequence[str]] = NOTHING,
    stop: StoppingRule | None = None,
    extend: Extend | None = None,
) -> RuntimeNetwork | StandaloneNetwork:
    """Build the Brian2 network for the active device; nothing has run yet.

    Parameters
    ----------
    spiking : SpikingNetwork
    synapses : {"structured", "explicit"}
        Shared kernels (`StructuredSynapses`), or plain Brian2 `Synapses`, every one stored. A connection whose
        weights have no common kernel, such as two convolutions with nothing between them, is explicit in both.
    dtype : {"float64", "float32"}
    dt : Quantity
        Length of a step.
    record_spikes : sequence of str
        Populations whose spikes are recorded.
    record_potentials : sequence of str, or mapping of str to positions of neurons
        Populations whose membrane potentials are recorded before the reset, and which neurons: a list of (channel, row,
        column), or (feature,); None for all.
    record_variables : mapping of str to sequence of str
        Other variables of the equations that are recorded, such as ``{"conv1": ["fatigue"]}``, at the same moments as
        the potentials and in the same neurons: those of `record_potentials`, or all of a population that is not in it.
    stop : StoppingRule, optional
        Condition at which an image ends.
    extend : callable, optional
        Function of the network that returns objects of your own, which become part of it; see `Simulation`.

    Raises
    ------
    UnknownLayerError
        If a layer to record does not exist.
    ParameterError
        If a variable to record does not.
    MemoryLimitError
        If the synapses do not fit into the free memory.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> brian = build_network(convert(model, images), record_spikes=["layer_0"])
    >>> brian.run(brian.present(images[:1], 10))
    >>> brian.populations["layer_0"].N
    8
    >>> int(brian.spike_monitors["layer_0"].num_spikes) > 0
    True
    """
    check_dt(dt)
    tolerance(dtype)
    neurons, variables = checked_recordings(spiking, record_spikes, record_potentials, record_variables)
    spikes = [spiking.check_population(name) for name in record_spikes]
    spiking = spiking.in_steps(dt)
    kind = StandaloneNetwork if is_standalone() else RuntimeNetwork
    schedule = NeuronGroup(1, SCHEDULE_EQUATIONS, clock=Clock(dt=dt, name="brianconv__clock"), name="schedule")
    brian = kind(spiking, dtype, dt, Network(name="brianconv__network"), schedule)
    brian.stop = stop
    brian.populate(synapses, spikes, neurons, variables)
    brian.extension = extended(brian, extend)
    brian.add(*brian.extension)
    brian.add_image_operations()
    mark_as_used(brian.network.objects, brian.network)
    return brian
