"""`brianconv demo`: train, convert and run a small network on real digits."""

from __future__ import annotations

import argparse

from brianconv.cli.options import text

NAME = "demo"
HELP = "train, convert and run a small network on real digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--out", type=text, default="demo_output", help="folder for pictures and result.json")


def run(parsed: argparse.Namespace) -> None:
    """Run the demo."""
    from brianconv.demo import run_demo

    run_demo(parsed.out)
