"""The user's own images: .npz files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.published import check_labels
from brianconv.errors import DataError, NoTrainingImagesError
from brianconv.readers import array_names, read_npz

MOST_CLASSES = 2**31


def load_npz(path: Path, split: str) -> Dataset:
    """Load `images` and `labels`, or `train_images` and `train_labels`."""
    prefix = "train_" if split == "train" else ""
    wanted = (f"{prefix}images", f"{prefix}labels")
    found = read_npz(path, wanted)
    for key in wanted:
        if key not in found:
            kind = NoTrainingImagesError if key == "train_images" else DataError
            raise kind(f"{str(path)!r} has no array {key!r}; it has {', '.join(array_names(path)[:10])}")
    images, labels = (found.pop(key) for key in wanted)
    if images.ndim not in (2, 4) or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{str(path)!r}: images have shape {images.shape} and labels {labels.shape}; they must be "
            "(n_images, channels, rows, columns) and (n_images,)"
        )
    if images.dtype.kind not in "fiu" or labels.dtype.kind not in "iu":
        raise DataError(
            f"{str(path)!r}: images must be numbers and labels integers, got {images.dtype}, {labels.dtype}"
        )
    with np.errstate(over="ignore"):  # detected below
        pixels = images.astype(np.float32)
    if 0 in pixels.shape or not np.isfinite(pixels).all():
        raise DataError(f"{str(path)!r}: images of shape {pixels.shape} are empty, or have pixels that are not finite")
    return Dataset(path.stem, pixels, check_labels(path, labels, MOST_CLASSES, "number the classes from 0"))
