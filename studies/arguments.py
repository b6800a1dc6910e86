"""What every study asks for on its command line."""

from __future__ import annotations

import argparse


def study_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that is described by the first line of a study's docstring."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--data-root", default="data", help="folder of the data sets, laid out as torchvision does")
    parser.add_argument("--jobs", type=int, default=1, help="processes that simulate (default %(default)s)")
    return parser
