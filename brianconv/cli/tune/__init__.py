"""`brianconv tune METHOD MODEL`: fit what a coding scheme leaves open, for `brianconv run --set @FILE`.

The result is a small JSON file of settings: those that were given with ``--set``, and the tuned ones. The curves of the
search are written beside it. A method that was interrupted resumes where it stopped.
"""

from __future__ import annotations

import argparse
from types import ModuleType

from brianconv.cli.tune import auto, kernels, pcmp, stdb

NAME = "tune"
HELP = "fit a coding scheme's parameters to a network, for run --set @FILE"
METHODS: tuple[ModuleType, ...] = (pcmp, kernels, auto, stdb)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the methods and their arguments."""
    methods = parser.add_subparsers(dest="method", required=True, metavar="METHOD")
    for method in METHODS:
        added = methods.add_parser(method.NAME, help=method.HELP)
        method.add_arguments(added)
        added.set_defaults(tune=method.run, resumes=True)


def run(parsed: argparse.Namespace) -> None:
    """Run the method."""
    parsed.tune(parsed)
