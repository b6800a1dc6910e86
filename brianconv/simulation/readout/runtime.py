"""Run-time readout: the network operations that move from image to image, count and decide.

They are short and open to change: replace one in `brian.network`, or write your own beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import NetworkOperation, NeuronGroup, Synapses

from brianconv.decisions import StableDecision
from brianconv.simulation.initial_values import restored_variables
from brianconv.simulation.synapses.structured import StructuredSynapses

if TYPE_CHECKING:
    from brianconv.simulation.network import BrianNetwork


class Tally:
    """What the network operations have written down: one entry a step.

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


class _Advance(NetworkOperation):
    """Also takes note of the end of a run."""

    def __init__(self, brian: BrianNetwork, **options: Any) -> None:
        super().__init__(lambda: advance(brian), **options)
        self.initial_values = brian.initial_values

    def after_run(self) -> None:
        self.initial_values.end()


def add_operations(brian: BrianNetwork) -> None:
    """Add the operations to a network; its `tally` fills during a run."""
    clock = brian.schedule.clock
    brian.add(
        _Advance(brian, clock=clock, when="start", order=-1, name="brianconv__advance"),
        NetworkOperation(lambda: count(brian), clock=clock, when="end", order=1, name="brianconv__count"),
        NetworkOperation(lambda: finish(brian), clock=clock, when="end", order=2, name="brianconv__finish"),
    )


def advance(brian: BrianNetwork) -> None:
    """Count the step; at the end of an image, present the next one."""
    step, image = values(brian.schedule, "step"), values(brian.schedule, "image")
    step += 1
    if step > values(brian.schedule, "n_steps"):
        step[:] = 1
        image += 1
        values(brian.populations["input"], "pixel")[:] = brian.images[image[0]][brian.pixel_order]
        brian.stable_decision = StableDecision(1)
        _flush(brian)
        if image == 0:
            brian.initial_values.begin(restored_variables(brian))
        else:
            brian.initial_values.restore()


def count(brian: BrianNetwork) -> None:
    """Write down the spikes and synaptic operations of every population."""
    tally = brian.tally
    spikes = [group.spikes for group in brian.populations.values()]
    tally.spikes.append([len(indices) for indices in spikes])
    tally.operations.append(
        [int(fan_out[indices].sum()) for fan_out, indices in zip(brian.fan_out.values(), spikes, strict=True)]
    )


def finish(brian: BrianNetwork) -> None:
    """End the image at its last step or as soon as it is decided; stop after the last image."""
    schedule = brian.schedule
    step, theta = values(schedule, "step"), float(values(schedule, "theta")[0])
    decided = False
    if theta > 0 and step >= values(schedule, "first"):
        scores = values(brian.output, "score")[brian.class_order]
        decided = bool(brian.stable_decision.update(scores[None], theta)[0])
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


def _flush(brian: BrianNetwork) -> None:
    """Drop spikes in flight, so that none reaches the next image."""
    for synapses in brian.network.objects:
        if isinstance(synapses, StructuredSynapses):
            synapses.flush()
        if not isinstance(synapses, Synapses) or not _takes_time(brian, synapses):
            continue
        for pathway in synapses._pathways:
            if pathway.name not in brian.empty_queues:
                brian.empty_queues[pathway.name] = pathway.queue._full_state()
            pathway.queue._restore_from_full_state(brian.empty_queues[pathway.name])


def _takes_time(brian: BrianNetwork, synapses: Synapses) -> bool:
    """Whether spikes can be under way at the end of an image; a user's own synapses may have any delay."""
    ours = brian.connections.get(synapses.name) is synapses
    return not ours or bool(brian.spiking.synaptic_delay.get(synapses.target.name))
