"""The user's own images: .npz files, under the names and in the shapes that people give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.published import check_labels
from brianconv.errors import DataError, NoTrainingImagesError
from brianconv.images import as_fractions
from brianconv.readers import array_names, read_npz

MOST_CLASSES = 2**31
# names of arrays, the first that is there counts
IMAGES = {
    "test": ("images", "signals", "x_test", "X_test", "test_images", "x", "X"),
    "train": ("train_images", "train_signals", "x_train", "X_train"),
}
LABELS = {
    "test": ("labels", "y_test", "Y_test", "test_labels", "y", "Y", "targets"),
    "train": ("train_labels", "y_train", "Y_train", "train_targets"),
}
CHANNELS = (1, 3, 4)


def load_npz(path: Path, split: str) -> Dataset:
    """Load images and labels of a split.

    Images are (n_images, channels, rows, columns), (n_images, rows, columns, channels) with 1, 3 or 4 channels, or
    (n_images, rows, columns); signals are (n_images, channels, length), under the name ``signals``. 8-bit pixels become
    fractions of 255. Labels are whole numbers, or rows of which one element is 1.

    Raises
    ------
    DataError
        If an array is missing, or does not have such a shape and type.
    """
    names = array_names(path)
    chosen = []
    for kind, known in (("images", IMAGES[split]), ("labels", LABELS[split])):
        name = next((candidate for candidate in known if candidate in names), None)
        if name is None:
            error = NoTrainingImagesError if (kind, split) == ("images", "train") else DataError
            raise error(f"{str(path)!r} has no array {known[0]!r}; it has {', '.join(names[:10])}")
        chosen.append(name)
    found = read_npz(path, chosen)
    images, notes = _channels_first(chosen[0], found.pop(chosen[0]))
    labels = _numbers(found.pop(chosen[1]))
    if images.ndim not in (2, 3, 4) or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{str(path)!r}: {chosen[0]} have shape {images.shape} and {chosen[1]} {labels.shape}; they must be "
            "(n_images, channels, rows, columns) and (n_images,)"
        )
    if images.dtype.kind not in "fiu" or labels.dtype.kind not in "iu":
        raise DataError(
            f"{str(path)!r}: images must be numbers and labels integers, got {images.dtype}, {labels.dtype}"
        )
    scaled = as_fractions(images)
    if scaled is not images:
        notes.append("8-bit pixels, divided by 255")
    with np.errstate(over="ignore"):  # detected below
        pixels = scaled.astype(np.float32)
    if 0 in pixels.shape or not np.isfinite(pixels).all():
        raise DataError(f"{str(path)!r}: images of shape {pixels.shape} are empty, or have pixels that are not finite")
    checked = check_labels(path, labels, MOST_CLASSES, "number the classes from 0")
    return Dataset(path.stem, pixels, checked, tuple(notes))


def _channels_first(name: str, images: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return images with their channels in front, and what was done."""
    if images.ndim == 4 and images.shape[3] in CHANNELS and images.shape[1] not in CHANNELS:
        return np.ascontiguousarray(np.moveaxis(images, 3, 1)), [f"{name}: channels were last, and are now first"]
    if images.ndim == 3 and not name.endswith("signals"):
        return images[:, None], [f"{name}: one channel"]
    return images, []


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Return rows of which one element is 1 as the number of that element; other labels as they are."""
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "fiub":
        return labels
    one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
    return labels.argmax(axis=1) if one_hot else labels
