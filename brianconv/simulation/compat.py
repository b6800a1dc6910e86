"""What the versions of Brian2 do differently: 2.9 on Python 3.11, 2.10 on 3.12, 2.11 on 3.13."""

from __future__ import annotations

import brian2

VERSION = tuple(int(number) for number in brian2.__version__.split(".")[:2])


def profiled_seconds(name: str) -> str:
    """Return the C++ expression of the seconds that a profiled code object has taken."""
    counted = f"brian::{name}_profiling_info"
    return counted if VERSION < (2, 10) else f"std::chrono::duration<double>({counted}).count()"
