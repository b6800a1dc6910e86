"""Measure the speed of brianconv beside that of other simulators: python -m studies.speed.run [--quick] [--out DIR]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from brianconv.cli.options import steps, text
from brianconv.errors import BrianconvError, ParameterError
from studies.speed.report import Contest, run_bench
from studies.speed.workload import N_STEPS


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and return 0, or 2 after a message about bad input."""
    try:
        _measure(_parser().parse_args(arguments))
    except BrianconvError as error:
        print(f"studies.speed: error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.speed.run", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and repeats, no growth curves")
    parser.add_argument(
        "--out", type=text, default="bench_output", metavar="DIR", help="folder for result.json and speed.png"
    )
    parser.add_argument(
        "--model", type=text, help="a trained network instead of one trained for some seconds on digits"
    )
    parser.add_argument("--weights", type=text, metavar="FILE", help="of the model")
    parser.add_argument("--data", type=text, default="mnist", metavar="NAME|FILE.npz", help="data set of the model")
    parser.add_argument("--steps", type=steps, metavar="N", help="steps per image (default: 50)")
    parser.add_argument(
        "--also", nargs=3, type=text, action="append", default=[], metavar=("MODEL", "DATA", "STEPS"),
        help="another network, measured side by side; may be given several times",
    )  # fmt: skip
    parser.add_argument("--data-root", type=text, metavar="DIR", help="folder of the data sets")
    return parser


def _measure(parsed: argparse.Namespace) -> None:
    if not parsed.model and (parsed.weights or parsed.data != "mnist"):
        raise ParameterError("--weights and --data belong to a --model: name it, or leave them out")
    for model, _, count in parsed.also:
        if not count.isdecimal() or int(count) < 1:
            raise ParameterError(f"--also {model}: STEPS is {count!r}; it is a whole number, 1 or more")
    contest = Contest(parsed.model, parsed.data, parsed.steps or N_STEPS, parsed.weights)
    also = [Contest(model, data, int(count)) for model, data, count in parsed.also]
    run_bench(parsed.out, parsed.quick, contest, also, parsed.data_root)


if __name__ == "__main__":
    sys.exit(main())
