"""Data sets: idx, CIFAR, SVHN and .npz files. What is accepted must be what another reader finds in the file."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from brianconv import datasets

from .campaign import Kind, Wrong, insist, untouched
from .damage import damaged_bytes, exchange_by_link, repacked, replace_by_another_kind

KINDS_OF_FAULT = ("bytes",) * 8 + ("place", "link")


def _pixels(draw: random.Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(draw.randrange(2**32)).integers(0, 256, shape).astype(np.uint8)


def _damage(draw: random.Random, path: Path, damage: Callable[[random.Random, bytes], bytes]) -> bool:
    """Damage a file; return whether it is still a file with the content that was meant."""
    match draw.choice(KINDS_OF_FAULT):
        case "bytes":
            path.write_bytes(damage(draw, path.read_bytes()))
        case "place":
            replace_by_another_kind(draw, path)
        case "link":
            exchange_by_link(path)


def _loaded(name: str, split: str, root: Path) -> datasets.Dataset:
    with untouched(root):
        dataset = datasets.load(name, split, root)
    insist(dataset.images.dtype == np.float32 and np.isfinite(dataset.images).all(), "pixels are not finite floats")
    insist(dataset.labels.dtype == np.int64 and dataset.labels.ndim == 1, "labels are no row of whole numbers")
    insist(len(dataset.images) == len(dataset.labels) > 0, "there are not as many images as labels")
    return dataset


def _check(dataset: datasets.Dataset, pixels: np.ndarray, labels: np.ndarray, n_classes: int) -> None:
    expected = np.asarray(pixels, np.float64) / 255
    insist(dataset.images.shape == expected.shape, f"shape {dataset.images.shape} instead of {expected.shape}")
    insist(np.allclose(dataset.images, expected, atol=1e-6, rtol=0), "pixels are not those of the file")
    insist(np.array_equal(dataset.labels, labels), "labels are not those of the file")
    insist(dataset.labels.min() >= 0 and dataset.labels.max() < n_classes, "labels are no classes")


# ---- idx


def _idx(array: np.ndarray) -> bytes:
    return np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes() + array.tobytes()


def _read_idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    n_dimensions = content[3]
    lengths = [int.from_bytes(content[4 * k : 4 * k + 4], "big") for k in range(1, n_dimensions + 1)]
    values = list(content[4 + 4 * n_dimensions :])
    return np.array(values, np.uint8).reshape(lengths)


def idx(draw: random.Random, folder: Path, _: Any) -> None:
    """Two files, compressed or not."""
    place = folder / "MNIST" / "raw"
    place.mkdir(parents=True)
    n = draw.choice((1, 3, 9))
    labels = np.array([draw.randrange(10) for _ in range(n)], np.uint8)
    paths = []
    for stem, array in (("images-idx3", _pixels(draw, n, 5, 4)), ("labels-idx1", labels)):
        packed = draw.random() < 0.5
        path = place / f"t10k-{stem}-ubyte{'.gz' * packed}"
        path.write_bytes(gzip.compress(_idx(array), mtime=0) if packed else _idx(array))
        paths.append(path)
    chosen = draw.choice(paths)
    _damage(draw, chosen, _regzipped if chosen.suffix == ".gz" and draw.random() < 0.5 else damaged_bytes)
    dataset = _loaded("mnist", "test", folder)
    _check(dataset, _read_idx(paths[0])[:, None], _read_idx(paths[1]), 10)


def _regzipped(draw: random.Random, content: bytes) -> bytes:
    """Damage what is compressed, so that its checksum is right; sometimes, zeros that take a thousand times as much."""
    plain = gzip.decompress(content)
    if draw.random() < 0.02:
        plain += bytes(2**26)
    return gzip.compress(damaged_bytes(draw, plain), 1)


# ---- CIFAR

FILES = {
    "cifar10": ("cifar-10-batches-bin/test_batch.bin", "cifar-10-batches-py/test_batch", "labels", 10),
    "cifar100": ("cifar-100-binary/test.bin", "cifar-100-python/test", "fine_labels", 100),
}


def cifar_binary(draw: random.Random, folder: Path, _: Any) -> None:
    """Records of labels and pixels."""
    name = draw.choice(list(FILES))
    file, _, _, n_classes = FILES[name]
    n_labels = 1 if name == "cifar10" else 2
    path = folder / file
    path.parent.mkdir()
    n = draw.choice((1, 2, 3))
    labels = _pixels(draw, n, n_labels) % n_classes
    path.write_bytes(np.hstack([labels, _pixels(draw, n, 3072)]).tobytes())
    _damage(draw, path, damaged_bytes)
    dataset = _loaded(name, "test", folder)
    content, size = path.read_bytes(), n_labels + 3072
    insist(len(content) % size == 0, "the last record is not complete")
    records = [content[start : start + size] for start in range(0, len(content), size)]
    pixels = np.array([list(record[n_labels:]) for record in records]).reshape(-1, 3, 32, 32)
    _check(dataset, pixels, np.array([record[n_labels - 1] for record in records]), n_classes)


class _OnlyArrays(pickle.Unpickler):
    """Python's own unpickler, which may call what makes arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] not in ("numpy", "_codecs") or name not in (
            "_reconstruct", "_frombuffer", "ndarray", "dtype", "encode",
        ):  # fmt: skip
            raise Wrong(f"{module}.{name} is accepted")
        return super().find_class(module, name)


class _Harm:
    """Makes a pickle that calls something."""

    def __init__(self, called: Callable[..., Any], *arguments: Any) -> None:
        self.called, self.arguments = called, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.called, self.arguments


def harmful(draw: random.Random, folder: Path) -> _Harm:
    """Return an object whose pickle leaves a file where it is executed."""
    mark = str(folder / "executed")
    code = f"open({mark!r}, 'w')"
    return _Harm(*draw.choice(((exec, code), (eval, code), (open, mark, "w"), (os.system, f"touch {mark}"))))


def cifar_pickle(draw: random.Random, folder: Path, _: Any) -> None:
    """Pickles of all protocols, some of which call what they should not."""
    name = draw.choice(list(FILES))
    _, file, key, n_classes = FILES[name]
    path = folder / file
    path.parent.mkdir()
    n = draw.choice((1, 2, 3))
    pixels = _pixels(draw, n, 3072)
    batch: dict[Any, Any] = {
        "data": pixels if draw.random() < 0.7 else np.asfortranarray(pixels),
        key: [draw.randrange(n_classes) for _ in range(n)],
        "filenames": [f"{k}.png" for k in range(n)],
    }
    batch = {k.encode(): v for k, v in batch.items()} if draw.random() < 0.5 else batch
    fault = draw.randrange(12)
    chosen = draw.choice(list(batch))
    if fault == 0:
        batch[draw.choice((chosen, "other"))] = harmful(draw, folder)
    elif fault == 1:
        batch[chosen] = draw.choice((None, 1, "text", [[]], [1.5] * n, pixels.astype(float), pixels[:, 1:], [300] * n))
    elif fault == 2:
        del batch[chosen]
    path.write_bytes(pickle.dumps(batch, protocol=draw.randrange(6)))
    if fault > 2 or draw.random() < 0.2:
        _damage(draw, path, damaged_bytes)
    try:
        dataset = _loaded(name, "test", folder)
    finally:
        insist(not (folder / "executed").exists(), "code in a pickle was executed")
    found = _OnlyArrays(io.BytesIO(path.read_bytes()), encoding="latin-1").load()
    found = {k.decode("latin-1") if isinstance(k, bytes) else k: v for k, v in found.items()}
    _check(dataset, np.asarray(found["data"]).reshape(-1, 3, 32, 32), np.asarray(found[key]), n_classes)


# ---- SVHN


def svhn(draw: random.Random, folder: Path, _: Any) -> None:
    """MATLAB files, compressed or not."""
    path = folder / "test_32x32.mat"
    n = draw.choice((1, 2))
    labels = np.array([[draw.randrange(1, 11)] for _ in range(n)], draw.choice((np.uint8, np.float64, np.int32)))
    scipy.io.savemat(path, {"X": _pixels(draw, 32, 32, 3, n), "y": labels}, do_compression=draw.random() < 0.5)
    _damage(draw, path, _recompressed if draw.random() < 0.5 else damaged_bytes)
    dataset = _loaded("svhn", "test", folder)
    found = scipy.io.loadmat(path, variable_names=("X", "y"))
    _check(dataset, found["X"].transpose(3, 2, 0, 1), found["y"].ravel().astype(int) % 10, 10)


def _recompressed(draw: random.Random, content: bytes) -> bytes:
    """Damage what is within a compressed element, so that its checksum is right."""
    if content[128] != 15:
        return damaged_bytes(draw, content)
    n_bytes = int.from_bytes(content[132:136], "little")
    inner = zlib.decompress(content[136 : 136 + n_bytes])
    inner = inner + bytes(2**26) if draw.random() < 0.02 else inner
    again = zlib.compress(damaged_bytes(draw, inner), 1)
    return content[:132] + len(again).to_bytes(4, "little") + again + content[136 + n_bytes :]


# ---- .npz

TYPES = ("u1", "i2", ">i4", "f4", "f8", ">f8", "f2", "?", "c8", "U3", "M8[s]", "i8", "u8")


def npz(draw: random.Random, folder: Path, _: Any) -> None:
    """Images of one's own, of any type and shape."""
    path, n = folder / "mine.npz", draw.choice((1, 2, 4))
    arrays = {"images": _pixels(draw, n, 1, 3, 2) / 255, "labels": np.arange(n)}
    if draw.random() < 0.3:
        arrays |= {"train_images": arrays["images"], "train_labels": arrays["labels"]}
    fault = draw.randrange(8)
    chosen = draw.choice(list(arrays))
    if fault == 0:
        arrays[chosen] = arrays[chosen].astype(draw.choice(TYPES))
    elif fault == 1:
        shape = draw.choice(((), (0,), (n, 0), (n, 6), (1,) * 9, (n, 1, 6, 1), (n + 1, 1, 3, 2)))
        arrays[chosen] = np.resize(arrays[chosen], shape) if 0 not in shape else np.zeros(shape)
    elif fault == 2:
        arrays[chosen] = np.full(arrays[chosen].shape, draw.choice((np.nan, np.inf, 1e300, -1, 2**40, 0.5)))
    elif fault == 3:
        arrays[chosen] = np.array([harmful(draw, folder)] * n, object)
    (np.savez if draw.random() < 0.5 else np.savez_compressed)(path, **arrays)
    if fault > 3 or draw.random() < 0.2:
        _damage(draw, path, repacked if draw.random() < 0.6 else damaged_bytes)
    split = draw.choice(("test", "test", "train"))
    try:
        dataset = _loaded(str(path), split, folder)
    finally:
        insist(not (folder / "executed").exists(), "code in an array was executed")
    prefix = "train_" if split == "train" else ""
    with zipfile.ZipFile(path) as archive:  # numpy.load, but for the names, which may be with or without .npy
        found = {}
        for member in archive.namelist():
            if member.removesuffix(".npy") in (f"{prefix}images", f"{prefix}labels"):
                found[member.removesuffix(".npy")] = np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
    _check(dataset, 255.0 * found[f"{prefix}images"].astype(np.float32), found[f"{prefix}labels"], 2**31)


KINDS = [
    Kind("idx", 900, idx),
    Kind("cifar_binary", 500, cifar_binary),
    Kind("cifar_pickle", 1000, cifar_pickle),
    Kind("svhn", 700, svhn),
    Kind("npz", 900, npz),
]
