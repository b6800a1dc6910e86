"""The command line: `brianconv COMMAND`, or `python -m brianconv COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import matplotlib

from brianconv.errors import BrianconvError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 after a message about bad input, or 130 if interrupted."""
    parsed = _parser().parse_args(arguments)
    matplotlib.use("Agg")
    try:
        parsed.run(parsed)
    except BrianconvError as error:
        print(f"brianconv: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("brianconv: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianconv", description="Trained torch networks as Brian2 simulations.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="train, convert and run a small network on real digits")
    demo.add_argument("--out", default="demo_output", help="folder for pictures and result.json")
    demo.set_defaults(run=_demo)
    return parser


def _demo(parsed: argparse.Namespace) -> None:
    from brianconv.demo import run_demo

    run_demo(parsed.out)
