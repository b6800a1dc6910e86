"""Files of published data sets: where they are, and whether they are the published ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brianconv.errors import DataError


def first_existing(name: str, candidates: Iterable[Path], source: str) -> Path:
    """Return the first path that exists; raise DataError that lists all of them and where to get the file."""
    listed = list(candidates)
    for path in listed:
        if os.path.exists(path):  # noqa: PTH110 (unlike Path.exists, never an error)
            return path
    places = " or ".join(repr(str(path)) for path in listed)
    raise DataError(
        f"data set {name!r}: there is no {places}; download it from {source} and put it there, or name another folder "
        "with --data-root"
    )


def checksum_notes(path: Path, content: bytes, published: str | None) -> tuple[str, ...]:
    """Return a note if the content is not the published one; copies from JPEG files, for instance, are usable."""
    if published is None or hashlib.md5(content, usedforsecurity=False).hexdigest() == published:
        return ()
    return (f"{str(path)!r} is not the published file (MD5 {published}): a changed copy",)


def check_labels(path: Path, labels: np.ndarray, n_classes: int, remedy: str = "download it again") -> np.ndarray:
    """Return labels as whole numbers; raise DataError unless they are a row of classes 0 to n_classes - 1."""
    needed = f"needed is a row of whole numbers from 0 to {n_classes - 1}; {remedy}"
    if labels.ndim != 1 or labels.dtype.kind not in "iuf":
        raise DataError(f"{str(path)!r} has labels of type {labels.dtype} and shape {labels.shape}, {needed}")
    if not labels.size:
        raise DataError(f"{str(path)!r} has no labels, {needed}")
    if not np.isfinite(labels).all() or np.any(labels != np.rint(labels)):
        raise DataError(f"{str(path)!r} has labels that are not whole numbers, {needed}")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(f"{str(path)!r} has labels from {labels.min():g} to {labels.max():g}, {needed}")
    return labels.astype(np.int64)
