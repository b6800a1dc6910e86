"""Signs of life: progress bars in terminals and notebooks, and none elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

SHORTEST_S = 2.0  # shorter tasks show nothing


def progress_bar(total: int, doing: str, unit: str, *, shown: bool = True, **options: Any) -> Any:
    """Return a progress bar, to be used in a with block; its ``update(n)`` counts what is done.

    Parameters
    ----------
    total : int
    doing : str
        What takes so long, such as "compiling".
    unit : str
        What is counted, in the singular.
    shown : bool
        Whether the caller wants to see it. Even then, it is written neither into files nor into pipes.
    **options
        Of `tqdm.tqdm`.
    """
    visible = shown and (_in_notebook() or bool(getattr(sys.stderr, "isatty", bool)()))
    return tqdm(**{"total": total, "desc": doing, "unit": unit, "leave": False, "disable": not visible, **options})


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
