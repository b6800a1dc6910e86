"""Run-time readout: the network operations that move from image to image, count and decide.

They are short and open to change: replace one in `brian.network`, or write your own beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from brian2 import NetworkOperation, NeuronGroup

from brianconv.decisions import StableDecision
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


def add_operations(brian: BrianNetwork) -> None:
    """Add the operations to a network; its `tally` fills during a run."""
    clock = brian.schedule.clock
    brian.add(
        NetworkOperation(lambda: advance(brian), clock=clock, when="start", order=-1, name="advance"),
        NetworkOperation(lambda: count(brian), clock=clock, when="end", order=1, name="count"),
        NetworkOperation(lambda: finish(brian), clock=clock, when="end", order=2, name="finish"),
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
    for synapses in brian.connections.values():
        if isinstance(synapses, StructuredSynapses):
            synapses.flush()
            continue
        if not brian.spiking.synaptic_delay.get(synapses.target.name):
            continue
        for pathway in synapses._pathways:
            if pathway.name not in brian.empty_queues:
                brian.empty_queues[pathway.name] = pathway.queue._full_state()
            pathway.queue._restore_from_full_state(brian.empty_queues[pathway.name])
