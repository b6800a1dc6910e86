"""`brianconv tune kernels`: kernels of each layer, for time-to-first-spike coding (Park et al. 2020)."""

from __future__ import annotations

import argparse
import time

from brianconv.cli.options import add_fields, from_fields
from brianconv.cli.tune.common import add_search, checked, loaded, state_path, write_tuned

NAME = "kernels"
HELP = "tau and t_d of each layer, for ttfs coding (Park et al. 2020)"
FLAGS = {"n_epochs": "--epochs", "batch_size": "--batch"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the method's arguments."""
    from brianconv.tuning.kernels.settings import Descent

    add_search(parser, "ttfs", n_images=1000)
    add_fields(parser, Descent, FLAGS)
    parser.set_defaults(steps=None)


def run(parsed: argparse.Namespace) -> None:
    """Train the kernels, and write the settings."""
    from brianconv.tuning.kernels.descent import check_kernels, tune_kernels
    from brianconv.tuning.kernels.settings import Descent

    out, settings = checked(parsed)
    spiking, images = loaded(parsed)
    start, descent = time.perf_counter(), from_fields(Descent, parsed, FLAGS)
    check_kernels(spiking, images, descent)
    n_batches = descent.n_epochs * (len(images) // descent.batch_size)
    print(f"{len(images)} images x {descent.n_epochs} epochs = {n_batches} batches", flush=True)
    found = tune_kernels(spiking, images, descent, state=state_path(out), progress=True)
    write_tuned(parsed, found, settings, out, time.perf_counter() - start, len(images))
