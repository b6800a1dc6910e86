"""The user's own images: PNG files in one folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.errors import DataError, NoTrainingImagesError
from brianconv.readers import regular_file
from brianconv.values import shown

MOST_PIXELS = 4096 * 4096  # of one file
MOST_FILES = 1_000_000


def load_folder(path: Path, split: str) -> Dataset:
    """Load ``PATH/CLASS/*.png``, or ``PATH/train/CLASS/*.png`` and ``PATH/test/CLASS/*.png``.

    Classes are numbered in the order of their names; of folders without a split, all files are test images.

    Raises
    ------
    DataError
        If there are no such files, one cannot be read, or they differ in size.
    """
    splits = [folder for name in ("train", "test") if (folder := path / name).is_dir()]
    if splits and path / split not in splits:
        kind = NoTrainingImagesError if split == "train" else DataError
        raise kind(f"{str(path)!r} has a folder {splits[0].name!r}, but none {split!r}")
    if not splits and split == "train":
        raise NoTrainingImagesError(f"{str(path)!r} has no folder 'train'; its images are all test images")
    root = path / split if splits else path
    classes = sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [(file, number) for number, folder in enumerate(classes) for file in sorted(folder.glob("*.png"))]
    if not files or len(files) > MOST_FILES:
        raise DataError(f"{str(root)!r} has {len(files)} files CLASS/*.png; needed are 1 to {MOST_FILES:,}")
    pictures = [_read(file) for file, _ in files]
    shape = pictures[0].shape[:2]
    for (file, _), picture in zip(files, pictures, strict=True):
        if picture.shape[:2] != shape:
            raise DataError(
                f"{str(file)!r} has {picture.shape[0]} x {picture.shape[1]} pixels and {str(files[0][0])!r} "
                f"{shape[0]} x {shape[1]}; all must be of one size"
            )
    if any(picture.ndim == 3 for picture in pictures):
        pictures = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures]
        images = np.stack(pictures).transpose(0, 3, 1, 2)
    else:
        images = np.stack(pictures)[:, None]
    names = ", ".join(folder.name for folder in classes[:10])
    labels = np.array([number for _, number in files], dtype=np.int64)
    return Dataset(path.name, np.ascontiguousarray(images, dtype=np.float32), labels, (f"classes in order: {names}",))


def _read(path: Path) -> np.ndarray:
    """Return the pixels of a PNG file in [0, 1], shape (rows, columns) or (rows, columns, 3)."""
    from PIL import Image

    regular_file(path)
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            rows, columns, mode = picture.height, picture.width, picture.mode
            if rows * columns > MOST_PIXELS:
                raise DataError(f"{str(path)!r} has {rows} x {columns} pixels, more than {MOST_PIXELS:,}")
            deep = mode.startswith("I")
            plain = picture if deep else picture.convert("L" if mode in ("1", "L", "LA") else "RGB")
            pixels = np.asarray(plain, dtype=np.float32)
    except DataError:
        raise
    except Exception as error:  # whatever Pillow raises for damaged files
        raise DataError(f"{str(path)!r} is no readable PNG file: {shown(str(error))}") from error
    return pixels / np.float32(65535 if deep else 255)
