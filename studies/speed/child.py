"""One measurement in a process of its own: python -m studies.speed.child CONTENDER SPECIFICATION."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from studies.speed.contenders import CONTENDERS, use_one_thread
from studies.speed.workload import Workload, from_digits, from_model


def workload_of(specification: dict) -> Workload:
    """Return the workload that a specification describes."""
    if specification["model"] is None:
        return from_digits(Path(specification["folder"]), *(specification[key] for key in ("images", "steps", "width")))
    return from_model(*(specification[key] for key in ("model", "weights", "data", "data_root", "images", "steps")))


def main() -> None:
    use_one_thread()
    name, specification = sys.argv[1], json.loads(sys.argv[2])
    try:
        measured = CONTENDERS[name](workload_of(specification), specification["repeats"])
    except (ImportError, NotImplementedError) as error:
        measured = {"not_run": str(error)}
    print("measured " + json.dumps(measured))


if __name__ == "__main__":
    main()
