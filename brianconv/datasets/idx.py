"""MNIST and its like: idx files, compressed or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.published import check_labels, checksum_notes, first_existing
from brianconv.errors import DataError
from brianconv.readers import read_bytes, unzipped

PREFIX = {"train": "train", "test": "t10k"}
IMAGES, LABELS = 0x803, 0x801


@dataclass(frozen=True)
class IdxFiles:
    """Where the files are published, torchvision's folder for them, and the MD5 of their uncompressed content."""

    name: str
    folder: str
    source: str
    md5: dict[str, str] = field(default_factory=dict)


MNIST = IdxFiles(
    "mnist",
    "MNIST/raw",
    "http://yann.lecun.com/exdb/mnist/ (mirrored as https://ossci-datasets.s3.amazonaws.com/mnist/)",
    {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
)
FASHION_MNIST = IdxFiles("fashion-mnist", "FashionMNIST/raw", "https://github.com/zalandoresearch/fashion-mnist")


def load_idx(files: IdxFiles, split: str, root: Path) -> Dataset:
    """Load one split from two idx files."""
    folder = root / files.folder
    images, image_notes = _read(files, folder, f"{PREFIX[split]}-images-idx3-ubyte", IMAGES)
    labels, label_notes = _read(files, folder, f"{PREFIX[split]}-labels-idx1-ubyte", LABELS)
    if len(images) != len(labels):
        raise DataError(
            f"data set {files.name!r} has {len(images)} images and {len(labels)} labels in {str(folder)!r}; "
            "download both files again"
        )
    classes = check_labels(folder / f"{PREFIX[split]}-labels-idx1-ubyte", labels, 10)
    pixels = (images[:, None] / np.float32(255)).astype(np.float32)
    return Dataset(files.name, pixels, classes, image_notes + label_notes)


def _read(files: IdxFiles, folder: Path, file_name: str, magic: int) -> tuple[np.ndarray, tuple[str, ...]]:
    path = first_existing(files.name, (folder / file_name, folder / f"{file_name}.gz"), files.source)
    content = read_bytes(path)
    try:
        content = unzipped(content) if path.suffix == ".gz" else content
        header = np.frombuffer(content, dtype=">u4", count=1 + magic % 256)
        values = np.frombuffer(content, dtype=np.uint8, offset=header.nbytes)
        if header[0] != magic:
            raise ValueError(f"it starts with {header[0]:#x}, not {magic:#x}")
        if 0 in header:
            raise ValueError(f"its lengths are {header[1:].tolist()}, none of which may be 0")
        array = values.reshape(header[1:].astype(int))
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not a complete idx file ({error}); download it again") from error
    return array, checksum_notes(path, content, files.md5.get(file_name))
