"""Street View House Numbers, cropped digits (format 2): MATLAB files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import scipy.io

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.published import check_labels, checksum_notes, first_existing
from brianconv.errors import DataError

SOURCE = "http://ufldl.stanford.edu/housenumbers/"
FOLDERS = ("", "svhn", "SVHN")  # torchvision's is the root itself
MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373", "test": "eb5a983be6a315427106f1b164d9cef3"}


def load_svhn(split: str, root: Path) -> Dataset:
    """Load one split; the digit 0, which the files call 10, is class 0."""
    path = first_existing("svhn", (root / folder / f"{split}_32x32.mat" for folder in FOLDERS), SOURCE)
    content = path.read_bytes()
    pixels, labels = _read(path, content)
    check_labels(path, labels, 11)
    images = pixels.transpose(3, 2, 0, 1) / np.float32(255)
    return Dataset("svhn", images, labels.astype(np.int64).ravel() % 10, checksum_notes(path, content, MD5[split]))


def _read(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        arrays = scipy.io.loadmat(io.BytesIO(content), variable_names=["X", "y"])
        pixels, labels = np.asarray(arrays["X"]), np.asarray(arrays["y"])
    except Exception as error:  # a damaged file can raise almost anything
        raise DataError(
            f"{str(path)!r} is not a complete MATLAB file with X and y ({error!r}); download it again"
        ) from error
    if (
        pixels.ndim != 4
        or pixels.shape[:3] != (32, 32, 3)
        or pixels.dtype != np.uint8
        or labels.size != pixels.shape[3]
    ):
        raise DataError(
            f"{str(path)!r}: X is {pixels.dtype} {pixels.shape} beside {labels.size} labels, needed are uint8 "
            "(32, 32, 3, n_images) and n_images labels; download it again"
        )
    return pixels, labels
