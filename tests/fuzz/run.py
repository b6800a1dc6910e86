"""Run a campaign of damaged inputs: `python -m tests.fuzz.run --seed 1 --cases 10000 --jobs 2`.

A single case is run again by its name: `python -m tests.fuzz.run --case 1/idx/17`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import images
from .campaign import ACCEPTED, FAILED, REFUSED, Campaign, Outcome, names_of_cases

KINDS = [*images.KINDS]
IN_A_PROCESS = 25  # cases


def outcomes(names: list[str], jobs: int) -> Iterator[Outcome]:
    """Yield the outcome of each case, from several processes."""
    folder = Path(tempfile.mkdtemp(prefix="brianconv-fuzz-"))
    batches = [names[start : start + IN_A_PROCESS] for start in range(0, len(names), IN_A_PROCESS)]
    try:
        if jobs == 1:
            campaign = Campaign(KINDS, folder)
            for batch in batches:
                yield from campaign.run(batch)
            return
        with multiprocessing.get_context("fork").Pool(jobs, _start, (folder,)) as pool:
            for found in pool.imap_unordered(_run, batches):
                yield from found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_own: list[Campaign] = []


def _start(folder: Path) -> None:
    place = folder / str(os.getpid())
    place.mkdir()
    _own.append(Campaign(KINDS, place))


def _run(names: list[str]) -> list[Outcome]:
    return list(_own[0].run(names))


def table(found: Iterable[Outcome]) -> str:
    """Return the counts of each kind as a table in Markdown."""
    counts = Counter((outcome.name.split("/")[1], outcome.verdict) for outcome in found)
    verdicts = (REFUSED, ACCEPTED, FAILED)
    rows = [[kind.name, *(counts[kind.name, verdict] for verdict in verdicts)] for kind in KINDS]
    rows.append(["all", *(sum(row[k] for row in rows) for k in (1, 2, 3))])
    lines = [f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} |" for name, *numbers in rows]
    return "\n".join(["| kind | cases | refused | accepted as valid | failed |", "|---|---|---|---|---|", *lines])


def main() -> int:
    """Run the cases, print what failed, and rewrite the table of the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS], help="only these")
    parser.add_argument("--case", action="append", help="SEED/KIND/NUMBER: only these, with all that they say")
    parsed = parser.parse_args()
    kinds = [kind for kind in KINDS if not parsed.kind or kind.name in parsed.kind]
    names = parsed.case or names_of_cases(kinds, parsed.cases, parsed.seed)
    found, start = [], time.monotonic()
    for outcome in outcomes(names, parsed.jobs):
        found.append(outcome)
        if outcome.verdict == FAILED or parsed.case:
            print(f"{outcome.name}: {outcome.verdict}: {outcome.message}", flush=True)
        if len(found) % 500 == 0:
            print(f"{len(found)} of {len(names)} cases, {time.monotonic() - start:.0f} s", flush=True)
    print(table(found))
    print(f"{time.monotonic() - start:.0f} s")
    return int(any(outcome.verdict == FAILED for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
