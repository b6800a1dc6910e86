"""`brianconv export`: write a self-contained C++ project."""

from __future__ import annotations

import argparse

from brianconv.cli.loading import load_converted
from brianconv.cli.options import add_network, text

NAME = "export"
HELP = "write a self-contained C++ project"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_network(parser)
    parser.add_argument("--out", type=text, required=True, metavar="DIR", help="new or empty folder of the project")


def run(parsed: argparse.Namespace) -> None:
    """Run the command."""
    from brianconv.simulation.export import export_program
    from brianconv.simulation.run import checked_run

    converted = load_converted(parsed)
    settings = checked_run(converted.spiking, converted.n_steps, parsed.delay, converted.skip, parsed.early_decision)
    folder = export_program(converted.spiking, parsed.out, settings, synapses=parsed.synapses, dtype=parsed.dtype)
    print(f"the C++ project is in {folder}; its README.md says how to build and run it")
