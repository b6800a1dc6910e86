"""`brianconv tune pcmp`: pre-charge of each layer, for rate coding (Hwang et al. 2021)."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from brianconv.cli.options import steps
from brianconv.cli.tune.common import add_search, checked, loaded, state_path, write_tuned

if TYPE_CHECKING:
    import numpy as np

    from brianconv.spiking import SpikingNetwork
    from brianconv.tuning.pcmp.search import PrechargeResult

NAME = "pcmp"
HELP = "pre-charge v_init of each layer, for rate coding (Hwang et al. 2021)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the method's arguments."""
    add_search(parser, "rate", n_images=100)
    parser.add_argument("--steps", type=steps, default=255, metavar="N", help="steps in the error sum (default: 255)")
    parser.add_argument(
        "--refine",
        action="store_true",
        help="then lower the error of the output layer, from the best of several starts",
    )


def run(parsed: argparse.Namespace) -> None:
    """Search, and write the settings."""
    from brianconv.tuning.pcmp.cost import estimate_cost
    from brianconv.tuning.pcmp.search import CANDIDATES, check_pcmp, tune_pcmp

    out, settings = checked(parsed)
    spiking, images = loaded(parsed)
    start, state = time.perf_counter(), state_path(out)
    check_pcmp(spiking, images, parsed.steps, CANDIDATES)
    print(estimate_cost(spiking, len(images), parsed.steps), flush=True)
    found = tune_pcmp(spiking, images, n_steps=parsed.steps, state=state, progress=True)
    if parsed.refine:
        found = _refined(found, spiking, images, state.with_suffix(".refinement.json"))
    write_tuned(parsed, found, settings, out, time.perf_counter() - start, len(images))


def _refined(found: PrechargeResult, spiking: SpikingNetwork, images: np.ndarray, state: Path) -> PrechargeResult:
    """Refine pre-charges with a compiled simulation."""
    from brianconv.simulation.run import Simulation
    from brianconv.tuning.checkpoint import Checkpoint, fingerprint
    from brianconv.tuning.pcmp.refinement import GLOBAL_STARTS, output_error, refine_pcmp

    simulation = Simulation(spiking, "standalone", dtype="float32")
    starts = [found.v_init, *(dict.fromkeys(found.v_init, v) for v in GLOBAL_STARTS)]
    about = {"network_and_images": fingerprint(spiking, images), "n_steps": found.n_steps, "start": dict(found.v_init)}
    refined = refine_pcmp(
        lambda v_init: output_error(simulation.run(images, found.n_steps, v_init=v_init)),
        starts,
        checkpoint=Checkpoint(state, about),
    )
    return replace(found, v_init=refined.v_init)
