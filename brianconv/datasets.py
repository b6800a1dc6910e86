"""Image data sets as NumPy arrays: images in [0, 1], shape (n_images, channels, rows, columns), and labels."""

from __future__ import annotations

import gzip
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianconv.errors import DataError

# where each file set is published, and under which folder of the data root torchvision keeps it
IDX_FOLDERS = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"}
PUBLISHED = {
    "mnist": "http://yann.lecun.com/exdb/mnist/ (mirrored as https://ossci-datasets.s3.amazonaws.com/mnist/)",
    "fashion-mnist": "https://github.com/zalandoresearch/fashion-mnist",
}
NAMES = ("digits", *IDX_FOLDERS)
IDX_PREFIX = {"train": "train", "test": "t10k"}
IDX_IMAGES, IDX_LABELS = 0x803, 0x801
DIGITS_TEST = 360


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one split.

    Attributes
    ----------
    name : str
    images : array of float32, shape (n_images, channels, rows, columns)
        In [0, 1].
    labels : array of int64, shape (n_images,)
    """

    name: str
    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def head(self, n_images: int | None) -> Dataset:
        """Return the first images, or all for None."""
        return self if n_images is None else Dataset(self.name, self.images[:n_images], self.labels[:n_images])


def load(name: str, split: str = "test", data_root: str | Path | None = None) -> Dataset:
    """Load a data set by name, or an .npz file.

    Parameters
    ----------
    name : str
        "digits" (8 x 8, part of scikit-learn), "mnist", "fashion-mnist", or the path of an .npz file with `images`
        (n_images, channels, rows, columns) in [0, 1] and `labels`; an .npz file may also have `train_images` and
        `train_labels`, which are used for calibration.
    split : {"train", "test"}
    data_root : path, optional
        Folder of the data sets, as torchvision lays it out; the environment variable BRIANCONV_DATA otherwise, or
        ``data``.

    Raises
    ------
    DataError
        If the name is unknown, or a file is missing or damaged.
    """
    if split not in IDX_PREFIX:
        raise DataError(f"split {split!r} is unknown; choose one of train, test")
    if name == "digits":
        return _load_digits(split)
    if name in IDX_FOLDERS:
        root = Path(data_root or os.environ.get("BRIANCONV_DATA") or "data")
        return _load_idx(name, split, root)
    if str(name).endswith(".npz"):
        return _load_npz(Path(name), split)
    raise DataError(f"data set {name!r} is unknown; choose one of {', '.join(NAMES)}, or an .npz file")


def _load_digits(split: str) -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("the data set 'digits' is part of scikit-learn: pip install 'brianconv[demo]'") from error
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(images))
    chosen = order[:DIGITS_TEST] if split == "test" else order[DIGITS_TEST:]
    return Dataset("digits", images[chosen], labels[chosen].astype(np.int64))


def _load_idx(name: str, split: str, root: Path) -> Dataset:
    prefix, folder = IDX_PREFIX[split], root / IDX_FOLDERS[name]
    images = _read_idx(name, folder, f"{prefix}-images-idx3-ubyte", IDX_IMAGES)
    labels = _read_idx(name, folder, f"{prefix}-labels-idx1-ubyte", IDX_LABELS)
    if len(images) != len(labels):
        raise DataError(f"data set {name!r} has {len(images)} images and {len(labels)} labels in {str(folder)!r}")
    return Dataset(name, (images[:, None] / np.float32(255)).astype(np.float32), labels.astype(np.int64))


def _read_idx(name: str, folder: Path, file_name: str, magic: int) -> np.ndarray:
    path = next((p for p in (folder / file_name, folder / f"{file_name}.gz") if p.exists()), None)
    if path is None:
        raise DataError(
            f"data set {name!r}: {file_name} (or {file_name}.gz) is not in {str(folder)!r}; download it from "
            f"{PUBLISHED[name]} and put it there, or name another folder with --data-root"
        )
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        header = np.frombuffer(content, dtype=">u4", count=1 + magic % 256)
        values = np.frombuffer(content, dtype=np.uint8, offset=header.nbytes)
        if header[0] != magic:
            raise ValueError(f"it starts with {header[0]:#x}, not {magic:#x}")
        return values.reshape(header[1:].astype(int))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{str(path)!r} is not a complete idx file ({error}); download it again") from error


def _load_npz(path: Path, split: str) -> Dataset:
    prefix = "train_" if split == "train" else ""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [key for key in (f"{prefix}images", f"{prefix}labels") if key not in arrays.files]
            if missing:
                raise DataError(f"{str(path)!r} has no array {missing[0]!r}; it has {', '.join(arrays.files)}")
            images, labels = arrays[f"{prefix}images"], arrays[f"{prefix}labels"]
    except FileNotFoundError as error:
        raise DataError(f"{str(path)!r} does not exist; name an .npz file with `images` and `labels`") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{str(path)!r} is not a readable .npz file: {error}") from error
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
