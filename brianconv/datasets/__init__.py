"""Image data sets as NumPy arrays: images in [0, 1], shape (n_images, channels, rows, columns), and labels.

Nothing is downloaded: files are read where people have them, in the layouts of their publishers and of torchvision.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from brianconv.datasets.cifar import CIFAR10, CIFAR100, load_cifar
from brianconv.datasets.dataset import Dataset
from brianconv.datasets.digits import load_digits
from brianconv.datasets.folders import load_folder
from brianconv.datasets.idx import FASHION_MNIST, MNIST, load_idx
from brianconv.datasets.npz import load_npz
from brianconv.datasets.svhn import load_svhn
from brianconv.errors import DataError

__all__ = ["NAMES", "Dataset", "load"]

SPLITS = ("train", "test")
LOADERS: dict[str, Callable[[str, Path], Dataset]] = {
    "digits": load_digits,
    "mnist": functools.partial(load_idx, MNIST),
    "fashion-mnist": functools.partial(load_idx, FASHION_MNIST),
    "cifar10": functools.partial(load_cifar, CIFAR10),
    "cifar100": functools.partial(load_cifar, CIFAR100),
    "svhn": load_svhn,
}
NAMES = tuple(LOADERS)


def load(name: str, split: str = "test", data_root: str | Path | None = None) -> Dataset:
    """Load a data set by name, an .npz file, or a folder of PNG files.

    Parameters
    ----------
    name : str
        "digits" (8 x 8, part of scikit-learn), "mnist", "fashion-mnist", "cifar10", "cifar100" (100 fine classes),
        "svhn" (32 x 32), or the path of an .npz file with `images` (n_images, channels, rows, columns) in [0, 1] and
        `labels`; an .npz file may also have `train_images` and `train_labels`, which are used for calibration. Other
        names and shapes that are understood: `load_npz`. A folder has PNG files by class: `load_folder`.
    split : {"train", "test"}
    data_root : path, optional
        Folder of the data sets, as torchvision lays it out; the environment variable BRIANCONV_DATA otherwise, or
        ``data``.

    Raises
    ------
    DataError
        If the name is unknown, or a file is missing or damaged.
    """
    if not isinstance(split, str) or split not in SPLITS:
        raise DataError(f"split {split!r} is unknown; choose one of {', '.join(SPLITS)}")
    if isinstance(name, str) and name in LOADERS:
        return LOADERS[name](split, Path(data_root or os.environ.get("BRIANCONV_DATA") or "data"))
    if str(name).endswith(".npz"):
        return load_npz(Path(name), split)
    if Path(str(name)).is_dir():
        return load_folder(Path(str(name)), split)
    raise DataError(f"data set {name!r} is unknown; choose one of {', '.join(NAMES)}, or an .npz file, or a folder")
