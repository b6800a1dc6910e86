"""Images of one's own: .npz files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.errors import DataError, NoTrainingImagesError


def load_npz(path: Path, split: str) -> Dataset:
    """Load `images` and `labels`, or `train_images` and `train_labels`."""
    prefix = "train_" if split == "train" else ""
    if path.is_file() and not zipfile.is_zipfile(path):
        raise DataError(f"{str(path)!r} is not an .npz archive, as numpy.savez writes it")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in (f"{prefix}images", f"{prefix}labels") if key in arrays.files}
            held = ", ".join(arrays.files)
    except FileNotFoundError as error:
        raise DataError(f"{str(path)!r} does not exist; name an .npz file with `images` and `labels`") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{str(path)!r} is not a readable .npz file: {error}") from error
    for key in (f"{prefix}images", f"{prefix}labels"):
        if key not in found:
            kind = NoTrainingImagesError if key == "train_images" else DataError
            raise kind(f"{str(path)!r} has no array {key!r}; it has {held}")
    images, labels = found[f"{prefix}images"], found[f"{prefix}labels"]
    if images.ndim not in (2, 4) or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{str(path)!r}: images have shape {images.shape} and labels {labels.shape}; needed are "
            "(n_images, channels, rows, columns) and (n_images,)"
        )
    if images.dtype.kind not in "fiu" or labels.dtype.kind not in "iu":
        raise DataError(
            f"{str(path)!r}: images must be numbers and labels integers, got {images.dtype}, {labels.dtype}"
        )
    return Dataset(path.stem, images.astype(np.float32), labels.astype(np.int64))
