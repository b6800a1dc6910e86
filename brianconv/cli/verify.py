"""`brianconv verify`: compare Brian2 with an independent simulation, step by step."""

from __future__ import annotations

import argparse

from brianconv.cli.loading import about_run, load_converted_and_test
from brianconv.cli.options import add_mode, add_network, positive, text
from brianconv.files import writable_folder, write_json

DIFFERENT = 1

NAME = "verify"
HELP = "compare Brian2 with an independent simulation, step by step"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_network(parser)
    parser.add_argument("--images", type=positive, default=5, metavar="N", help="test images to compare (default: 5)")
    add_mode(parser)
    parser.add_argument("--out", type=text, default="verify_output", metavar="DIR", help="folder for result.json")


def run(parsed: argparse.Namespace) -> int:
    """Print how a network's Brian2 simulation compares with the reference; return DIFFERENT if it does not agree."""
    from brianconv.analysis.result_json import versions
    from brianconv.verification.comparison import verify

    folder = writable_folder(parsed.out)
    converted, test = load_converted_and_test(parsed)
    outcome = verify(
        converted.spiking,
        test.images,
        converted.n_steps,
        mode=parsed.mode,
        synapses=parsed.synapses,
        dtype=parsed.dtype,
        evaluation_delay=parsed.delay,
        skip=converted.skip,
        early_decision=parsed.early_decision,
    )
    about = about_run(parsed, converted) | {
        "mode": parsed.mode,
        "n_images": len(test),
        "n_steps": converted.n_steps,
    }
    write_json(folder / "result.json", about | outcome.as_dict() | {"versions": versions()})
    print(f"{len(test)} images, {converted.n_steps} steps, {parsed.mode} mode, {parsed.synapses} synapses")
    print(outcome)
    return 0 if outcome.passed else DIFFERENT
