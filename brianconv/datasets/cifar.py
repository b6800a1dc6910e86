"""CIFAR-10 and CIFAR-100, in the binary layout and as Python pickles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.datasets.plain_pickle import PickledArray, read_pickle
from brianconv.datasets.published import check_labels, checksum_notes, first_existing
from brianconv.errors import DataError
from brianconv.readers import read_bytes

SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"
SHAPE = (3, 32, 32)
N_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarFiles:
    """The names of one data set's files and keys.

    Attributes
    ----------
    name : str
    n_classes : int
    python_folder, binary_folder : str
        As the publisher's archives unpack.
    parts : dict
        File names, without the suffix of the binary layout, of each split.
    n_label_bytes : int
        In front of the pixels of a binary record; the last of them is the class.
    label_key : str
        Of the classes in a pickle.
    md5 : dict
        Of the pickles, as published with them.
    """

    name: str
    n_classes: int
    python_folder: str
    binary_folder: str
    parts: dict[str, tuple[str, ...]]
    n_label_bytes: int
    label_key: str
    md5: dict[str, str]


CIFAR10 = CifarFiles(
    name="cifar10",
    n_classes=10,
    python_folder="cifar-10-batches-py",
    binary_folder="cifar-10-batches-bin",
    parts={"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
    n_label_bytes=1,
    label_key="labels",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
)
CIFAR100 = CifarFiles(
    name="cifar100",
    n_classes=100,
    python_folder="cifar-100-python",
    binary_folder="cifar-100-binary",
    parts={"train": ("train",), "test": ("test",)},
    n_label_bytes=2,
    label_key="fine_labels",
    md5={"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
)


def load_cifar(files: CifarFiles, split: str, root: Path) -> Dataset:
    """Load one split from whichever layout is there; the pickles if both are."""
    parts = [_load_part(files, part, root) for part in files.parts[split]]
    pixels = np.concatenate([part[0] for part in parts]).reshape(-1, *SHAPE)
    labels = np.concatenate([part[1] for part in parts])
    return Dataset(files.name, pixels / np.float32(255), labels, tuple(note for part in parts for note in part[2]))


def _load_part(files: CifarFiles, part: str, root: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    candidates = (root / files.python_folder / part, root / files.binary_folder / f"{part}.bin")
    path = first_existing(files.name, candidates, SOURCE)
    content = read_bytes(path)
    pixels, labels = _from_binary(files, path, content) if path.suffix else _from_pickle(files, path, content)
    notes = () if path.suffix else checksum_notes(path, content, files.md5[part])
    return pixels, check_labels(path, labels, files.n_classes), notes


def _from_binary(files: CifarFiles, path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    size = files.n_label_bytes + N_PIXELS
    if not content or len(content) % size:
        raise DataError(
            f"{str(path)!r} has {len(content)} bytes, needed is a multiple of {size}, the bytes of an image: it is "
            "truncated or damaged; download it again"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, size)
    return records[:, files.n_label_bytes :], records[:, files.n_label_bytes - 1]


def _from_pickle(files: CifarFiles, path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = read_pickle(content)
    except Exception as error:  # a damaged pickle can raise almost anything
        raise DataError(f"{str(path)!r} is not a pickle of image arrays ({error}); download it again") from error
    if not isinstance(batch, dict):
        raise DataError(f"{str(path)!r} holds a {type(batch).__name__}, needed is a dict; download it again")
    named = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    missing = [key for key in ("data", files.label_key) if key not in named]
    if missing:
        raise DataError(f"{str(path)!r} has no {missing[0]!r}; it has {', '.join(list(named)[:10])}. Download it again")
    try:
        pixels, labels = named["data"], _label_array(named[files.label_key])
        pixels = pixels.array() if isinstance(pixels, PickledArray) else pixels
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not a pickle of image arrays ({error}); download it again") from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != (*labels.shape, N_PIXELS):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DataError(
            f"{str(path)!r}: the pixels are {found} beside {labels.shape} labels, needed are uint8 (n_images, "
            f"{N_PIXELS}) and (n_images,); download it again"
        )
    return pixels, labels


def _label_array(labels: object) -> np.ndarray:
    if isinstance(labels, PickledArray):
        return labels.array()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise ValueError("its labels are not a list of whole numbers")
    return np.array(labels, dtype=np.int64)
