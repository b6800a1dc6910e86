"""Run a campaign of damaged inputs: `python -m tests.fuzz.run --seed 1 --cases 10000 --jobs 2`.

A single case is run again by its name: `python -m tests.fuzz.run --case 1/idx/17`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of OpenMP do not survive in the processes that try the cases

from . import faults, images, planted, programs, stored, words
from .campaign import ACCEPTED, FAILED, REFUSED, Campaign, Kind, Outcome, names_of_cases, prepared_by

FAST = [*images.KINDS, *stored.KINDS, *words.KINDS, *programs.KINDS]  # without compiling
SETS = {
    "all": [*FAST, *programs.PROJECTS],
    "fast": FAST,
    "faults": faults.KINDS,
    "planted": [*planted.HARMLESS, *planted.FAULTS],
}
IN_A_PROCESS = 25  # cases
PAGE = Path(__file__).parents[2] / "docs" / "fuzzing.md"
TABLE = re.compile(r"(?<=<!-- counts -->\n).*?(?=<!-- end of counts -->)", re.DOTALL)


def outcomes(kinds: Sequence[Kind], names: list[str], jobs: int) -> Iterator[Outcome]:
    """Yield the outcome of each case, from several processes."""
    folder = Path(tempfile.mkdtemp(prefix="brianconv-fuzz-"))
    batches = [names[start : start + IN_A_PROCESS] for start in range(0, len(names), IN_A_PROCESS)]
    try:
        used = {name.split("/")[1] for name in names}
        prepared = prepared_by([kind for kind in kinds if kind.name in used], folder)
        with multiprocessing.get_context("fork").Pool(jobs, _start, (kinds, folder, prepared)) as pool:
            for found in pool.imap_unordered(_run, batches):
                yield from found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_own: list[Campaign] = []


def _start(kinds: Sequence[Kind], folder: Path, prepared: Mapping[str, Any]) -> None:
    place = folder / str(os.getpid())
    place.mkdir()
    _own.append(Campaign(kinds, place, prepared))


def _run(names: list[str]) -> list[Outcome]:
    return list(_own[0].run(names))


def table(kinds: Sequence[Kind], found: Iterable[Outcome]) -> str:
    """Return the counts of each kind as a table in Markdown."""
    counts = Counter((outcome.name.split("/")[1], outcome.verdict) for outcome in found)
    verdicts = (REFUSED, ACCEPTED, FAILED)
    rows = [(kind.name, *(counts[kind.name, verdict] for verdict in verdicts)) for kind in kinds]
    rows.append(("all", *(sum(int(row[k]) for row in rows) for k in (1, 2, 3))))
    lines = [f"| {name} | {sum(numbers)} | {' | '.join(map(str, numbers))} |" for name, *numbers in rows]
    return "\n".join(["| kind | cases | refused | accepted as valid | failed |", "|---|---|---|---|---|", *lines])


def main() -> int:
    """Run the cases, and print what failed and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", choices=SETS, default="all", help="of kinds")
    parser.add_argument("--kind", action="append", help="only these")
    parser.add_argument("--case", action="append", help="SEED/KIND/NUMBER: only these, with all that they say")
    parser.add_argument("--page", action="store_true", help=f"write the counts into {PAGE.name}")
    parsed = parser.parse_args()
    kinds = [kind for kind in SETS[parsed.set] if not parsed.kind or kind.name in parsed.kind]
    names = parsed.case or names_of_cases(kinds, parsed.cases, parsed.seed)
    found, start = [], time.monotonic()
    for outcome in outcomes(kinds, names, parsed.jobs):
        found.append(outcome)
        if outcome.verdict == FAILED or parsed.case:
            print(f"{outcome.name}: {outcome.verdict}: {outcome.message}", flush=True)
        if len(found) % 500 == 0:
            print(f"{len(found)} of {len(names)} cases, {time.monotonic() - start:.0f} s", flush=True)
    for outcome in sorted(found, key=lambda outcome: outcome.seconds)[-3:]:
        print(f"slow: {outcome.name}, {outcome.seconds:.1f} s")
    counts = table(kinds, found)
    print(counts)
    if parsed.page:
        text = f"Seed {parsed.seed}:\n\n{counts}\n"
        PAGE.write_text(TABLE.sub(lambda _: text, PAGE.read_text()))
    return int(any(outcome.verdict == FAILED for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
