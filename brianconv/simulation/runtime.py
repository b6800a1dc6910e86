"""A network in run-time mode, and the network operations that move it from image to image, count and decide.

The operations are short and open to change: replace one in `brian.network`, or write your own beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import NetworkOperation, NeuronGroup, Quantity, Synapses
from brian2.core.base import BrianObjectException

from brianconv.early_decision import StableDecision
from brianconv.simulation.compat import pathways, queue_state, restore_queue
from brianconv.simulation.initial_values import InitialValues, last_updates, restored_variables
from brianconv.simulation.network import BrianNetwork, explained
from brianconv.simulation.neurons.threshold import Sleeping
from brianconv.simulation.readout.on_image import begins_anew
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.run_values import layout_images, parameter_values
from brianconv.simulation.synapses.structured import StructuredSynapses
from brianconv.spiking import SpikingNetwork
from brianconv.stopping import StopState


class Tally:
    """What the network operations have recorded: one entry per step.

    Attributes
    ----------
    spikes, operations : list of list of int
        Spikes and synaptic operations of each population.
    steps : list of int
        Number of steps that each image took.
    decided : list of bool
        Whether early decision ended the image.
    progress : callable
        Called with the number of images that are done.
    """

    def __init__(self) -> None:
        self.spikes: list[list[int]] = []
        self.operations: list[list[int]] = []
        self.steps: list[int] = []
        self.decided: list[bool] = []
        self.progress: Callable[[int], None] = lambda _: None


@dataclass(eq=False, repr=False)
class RuntimeNetwork(BrianNetwork):
    """A network that Brian2 runs from Python, image after image.

    Attributes
    ----------
    images : array, shape (n_images, n_pixels)
        Of the next run; see `present`.
    tally : Tally
        What the network operations have recorded in the last run.
    empty_queues : dict of str to object
        State of the spike queues of explicit synapses while no spike is in transit.
    stable_decision : StableDecision
        Early decision of the current image.
    initial_values : InitialValues
    stop_state : StopState
        What the stopping rule knows of the current image.
    output_spikes : int
        Spikes of the output since the image began.
    ended : bool
        Whether `end_image` was called in this step.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images = np.random.default_rng(0).random((5, 4))
    >>> brian = build_network(convert(model, images))
    >>> type(brian).__name__
    'RuntimeNetwork'
    >>> duration = brian.present(images, 10)
    >>> brian.run(duration)
    >>> len(brian.tally.steps)
    5
    """

    images: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    tally: Tally = field(default_factory=Tally)
    empty_queues: dict[str, Any] = field(default_factory=dict)
    stable_decision: StableDecision = field(default_factory=lambda: StableDecision(1))
    initial_values: InitialValues = field(default_factory=InitialValues)
    stop_state: StopState = field(init=False)
    output_spikes: int = 0
    ended: bool = False

    def end_image(self) -> None:
        """End the current image with this step; for network operations of your own, which run at the end of a step.

        Examples
        --------
        >>> def look():
        ...     if values(brian.output, "score").max() >= 0.5:
        ...         brian.end_image()
        """
        self.ended = True

    def add_image_operations(self) -> None:
        """Add the three network operations; the tally fills during a run."""
        clock = self.schedule.clock
        self.add(
            _Advance(self, clock=clock, when="start", order=-1, name="brianconv__advance"),
            NetworkOperation(lambda: count(self), clock=clock, when="end", order=1, name="brianconv__count"),
            NetworkOperation(lambda: finish(self), clock=clock, when="end", order=2, name="brianconv__finish"),
        )

    def prepare_threshold(self, group: NeuronGroup, active: tuple[str, str] | None) -> None:
        """Skip the threshold in steps in which no neuron can fire."""
        if active:
            Sleeping(group, active)

    def present(
        self, images: np.ndarray, settings: RunSettings | int, spiking: SpikingNetwork | None = None
    ) -> Quantity:
        """Prepare images and settings for the next run, and return how long it takes.

        Parameters
        ----------
        images : array, shape (n_images, channels, rows, columns)
            In [0, 1].
        settings : RunSettings or int
            An int is the number of steps per image.
        spiking : SpikingNetwork, optional
            The same network with other parameter values.

        Returns
        -------
        Quantity
            Duration for `network.run`.
        """
        settings = settings if isinstance(settings, RunSettings) else RunSettings(settings)
        self.images = layout_images(self.spiking, images)
        for name, value in parameter_values(
            (spiking or self.spiking).in_steps(self.dt), settings, len(self.images)
        ).items():
            owner, variable = name.split(".")
            group = self.schedule if owner == self.schedule.name else self.populations[owner]
            group.variables[variable].get_value()[...] = value
        self.tally = Tally()
        return len(self.images) * settings.n_steps * self.dt

    def run(self, duration: Quantity) -> None:
        """Run for some time; ParameterError if Brian2 refuses the equations."""
        # Brian2 compares potentials with 1e50, which float32 cannot hold
        with np.errstate(over="ignore"), explained(self, (BrianObjectException,)):
            try:
                self.network.run(duration, namespace={})
            finally:
                self.initial_values.end()  # Brian2 notifies its objects only of runs that were not interrupted


class _Advance(NetworkOperation):
    """Also records the end of a run."""

    def __init__(self, brian: RuntimeNetwork, **options: Any) -> None:
        super().__init__(lambda: advance(brian), **options)
        self.initial_values = brian.initial_values

    def after_run(self) -> None:
        self.initial_values.end()


def advance(brian: RuntimeNetwork) -> None:
    """Count the step; at the end of an image, present the next one."""
    step, image = values(brian.schedule, "step"), values(brian.schedule, "image")
    step += 1
    if step > values(brian.schedule, "n_steps"):
        step[:] = 1
        image += 1
        values(brian.populations["input"], "pixel")[:] = brian.images[image[0]][brian.pixel_order]
        brian.stable_decision = StableDecision(1)
        brian.output_spikes = 0
        if brian.stop:
            brian.stop_state = StopState(brian.stop)
        if begins_anew(brian.schedule):
            _flush(brian)
        if image == 0:
            brian.initial_values.begin(restored_variables(brian), last_updates(brian))
        elif begins_anew(brian.schedule):
            brian.initial_values.restore()


def count(brian: RuntimeNetwork) -> None:
    """Record the spikes and synaptic operations of every population."""
    tally = brian.tally
    spikes = [group.spikes for group in brian.populations.values()]
    tally.spikes.append([len(indices) for indices in spikes])
    tally.operations.append(
        [int(fan_out[indices].sum()) for fan_out, indices in zip(brian.fan_out.values(), spikes, strict=True)]
    )


def finish(brian: RuntimeNetwork) -> None:
    """End the image at its last step or as soon as it is decided; stop after the last image."""
    schedule = brian.schedule
    step, early_decision = values(schedule, "step"), float(values(schedule, "early_decision")[0])
    decided = False
    if early_decision > 0 and step >= values(schedule, "first"):
        scores = values(brian.output, "score")[brian.class_order]
        decided = bool(brian.stable_decision.update(scores[None], early_decision)[0])
    brian.output_spikes += len(brian.output.spikes) if brian.stop else 0
    if brian.stop and not decided and step >= values(schedule, "first"):
        scores = values(brian.output, "score")[brian.class_order]
        decided = brian.stop_state.update(scores, int(step[0]), brian.output_spikes)
    decided, brian.ended = decided or brian.ended, False
    if decided or step == values(schedule, "n_steps"):
        brian.tally.steps.append(int(step[0]))
        brian.tally.decided.append(decided)
        brian.tally.progress(len(brian.tally.steps))
        step[:] = values(schedule, "n_steps")  # the next step belongs to the next image
        if values(schedule, "image") == values(schedule, "n_images") - 1:
            brian.network.stop()


def values(group: NeuronGroup, name: str) -> np.ndarray:
    """Return the array of a variable itself, to read or to write."""
    return group.variables[name].get_value()


def _flush(brian: RuntimeNetwork) -> None:
    """Drop spikes in flight, so that none reaches the next image."""
    for synapses in brian.network.objects:
        if isinstance(synapses, StructuredSynapses):
            synapses.flush()
        if not isinstance(synapses, Synapses) or not _takes_time(brian, synapses):
            continue
        for pathway in pathways(synapses):
            if pathway.name not in brian.empty_queues:
                brian.empty_queues[pathway.name] = queue_state(pathway)
            restore_queue(pathway, brian.empty_queues[pathway.name])


def _takes_time(brian: RuntimeNetwork, synapses: Synapses) -> bool:
    """Whether spikes can be in transit at the end of an image; a user's own synapses may have any delay."""
    ours = brian.connections.get(synapses.name) is synapses
    return not ours or brian.takes_time(synapses.name)
