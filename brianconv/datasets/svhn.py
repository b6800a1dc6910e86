"""Street View House Numbers, cropped digits (format 2): MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.matlab import read_matlab
from brianconv.datasets.published import check_labels, checksum_notes, first_existing
from brianconv.errors import DataError
from brianconv.readers import read_bytes

SOURCE = "http://ufldl.stanford.edu/housenumbers/"
FOLDERS = ("", "svhn", "SVHN")  # torchvision's is the root itself
MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373", "test": "eb5a983be6a315427106f1b164d9cef3"}


def load_svhn(split: str, root: Path) -> Dataset:
    """Load one split; the digit 0, which the files call 10, is class 0."""
    path = first_existing("svhn", (root / folder / f"{split}_32x32.mat" for folder in FOLDERS), SOURCE)
    content = read_bytes(path)
    pixels, labels = _read(path, content)
    classes = check_labels(path, labels, 11) % 10
    images = pixels.transpose(3, 2, 0, 1) / np.float32(255)
    return Dataset("svhn", images, classes, checksum_notes(path, content, MD5[split]))


def _read(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        arrays = read_matlab(content)
        pixels, labels = arrays["X"], arrays["y"]
    except KeyError as error:
        held = ", ".join(arrays) or "no array"
        raise DataError(
            f"{str(path)!r} is not a complete MATLAB file with X and y: it has {held}; download it again"
        ) from error
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} is not a complete MATLAB file with X and y ({error}); download it again"
        ) from error
    if (
        pixels.ndim != 4
        or pixels.shape[:3] != (32, 32, 3)
        or pixels.dtype != np.uint8
        or labels.shape not in ((pixels.shape[3], 1), (1, pixels.shape[3]))
    ):
        raise DataError(
            f"{str(path)!r}: X is {pixels.dtype} {pixels.shape} beside labels {labels.shape}, needed are uint8 "
            "(32, 32, 3, n_images) and (n_images, 1); download it again"
        )
    return pixels, labels.ravel()
