"""Damaged inputs are refused by an error with a message, or what is taken from them is valid.

`make fuzz` runs 10,000 of them; see docs/fuzzing.md.
"""

import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz import planted

ROOT = Path(__file__).parent.parent


def campaign(*arguments: str) -> tuple[int, str, dict[str, list[int]]]:
    """Run a campaign; return its exit status, what it printed, and the counts of each kind."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--jobs", "1", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", done.stdout, re.MULTILINE)
    return done.returncode, done.stdout + done.stderr, {name: list(map(int, counts)) for name, *counts in rows}


def test_damaged_inputs_are_refused_or_valid():
    status, said, counts = campaign("--set", "fast", "--cases", "500")
    assert status == 0, said
    cases, refused, accepted, failed = counts["all"]
    assert (cases, failed) == (500, 0) and refused > 200 and accepted > 50, said


def test_a_campaign_finds_every_planted_fault():
    n_kinds = len(planted.HARMLESS) + len(planted.FAULTS)
    status, said, counts = campaign("--set", "planted", "--cases", str(2 * n_kinds))
    assert status == 1, said
    for kind in planted.FAULTS:
        assert counts[kind.name] == [2, 0, 0, 2], (kind.name, said)
    assert counts["refuse"] == [2, 2, 0, 0] and counts["accept"] == [2, 0, 2, 0], said
