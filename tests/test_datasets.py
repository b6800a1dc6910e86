"""Data sets from files that the tests write themselves."""

import gzip
import hashlib
import pickle

import numpy as np
import pytest
import scipy.io

from brianconv import datasets
from brianconv.datasets import cifar, svhn
from brianconv.errors import DataError


def idx(array: np.ndarray) -> bytes:
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">u4")
    return header.tobytes() + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist_root(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.arange(2 * 4 * 3).reshape(2, 4, 3)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(pixels))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7, 2]))))
    return tmp_path


def test_idx_files_gzipped_or_not(mnist_root):
    loaded = datasets.load("mnist", "test", mnist_root)
    assert loaded.images.shape == (2, 1, 4, 3) and loaded.labels.tolist() == [7, 2]
    assert loaded.images[1, 0, 0, 0] == np.float32(12 / 255)
    assert len(loaded.head(1)) == 1


def test_digits_are_split_without_overlap():
    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
    assert len(train) + len(test) == 1797 and train.images.max() <= 1
    seen = {image.tobytes() for image in train.images}
    assert sum(image.tobytes() in seen for image in test.images) < 5


def test_npz(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.zeros((3, 1, 2, 2)), labels=np.arange(3))
    assert datasets.load(str(path)).labels.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="no array 'train_images'; it has images, labels"):
        datasets.load(str(path), "train")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashion-mnist", "no '.*FashionMNIST/raw/t10k-images-idx3-ubyte' or '.*ubyte.gz'; download it from"),
        (
            "cifar10",
            "no '.*cifar-10-batches-py/test_batch' or '.*cifar-10-batches-bin/test_batch.bin'; download it from",
        ),
        ("cifar100", "no '.*cifar-100-python/test' or '.*cifar-100-binary/test.bin'; download it from"),
        ("svhn", "no '.*test_32x32.mat' or '.*svhn/test_32x32.mat'"),
        ("imagenet", "'imagenet' is unknown; choose one of digits, mnist, .*, svhn, or an .npz file"),
        ("missing.npz", "does not exist"),
    ],
)
def test_missing_files_are_named_with_where_to_get_them(mnist_root, name, message):
    with pytest.raises(DataError, match=message):
        datasets.load(name, "test", mnist_root)


def test_damaged_files_are_reported(mnist_root, tmp_path):
    path = mnist_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="not a complete idx file"):
        datasets.load("mnist", "test", mnist_root)
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"not an \.npz archive, as numpy.savez writes it$"):
        datasets.load(str(tmp_path / "bad.npz"))
    np.savez(tmp_path / "objects.npz", images=np.array([{}]), labels=np.arange(1))
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        datasets.load(str(tmp_path / "objects.npz"))


def cifar_pixels(n_images: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n_images, 3072)).astype(np.uint8)


def write_binary(root, folder: str, name: str, labels: np.ndarray, pixels: np.ndarray) -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / name).write_bytes(np.hstack([labels.astype(np.uint8), pixels]).tobytes())


def write_pickle(root, folder: str, name: str, batch: object, protocol: int = 2) -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))


def test_cifar10_binary_records(tmp_path):
    pixels = cifar_pixels(15)
    for k in range(5):
        labels = np.full((3, 1), k)
        write_binary(tmp_path, "cifar-10-batches-bin", f"data_batch_{k + 1}.bin", labels, pixels[3 * k : 3 * k + 3])
    loaded = datasets.load("cifar10", "train", tmp_path)
    assert loaded.images.shape == (15, 3, 32, 32) and loaded.images.dtype == np.float32
    assert loaded.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    # red, green, blue, each row by row
    assert loaded.images[4, 1, 2, 3] == np.float32(pixels[4, 1024 + 2 * 32 + 3] / np.float32(255))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_both_layouts_of_cifar_hold_the_same(tmp_path, protocol):
    pixels, coarse, fine = cifar_pixels(4), np.array([3, 19, 0, 7]), np.array([99, 0, 5, 42])
    write_binary(tmp_path, "cifar-100-binary", "test.bin", np.stack([coarse, fine], 1), pixels)
    binary = datasets.load("cifar100", "test", tmp_path)
    batch = {b"data": pixels, b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist(), b"batch_label": b"one"}
    write_pickle(tmp_path, "cifar-100-python", "test", batch, protocol)
    pickled = datasets.load("cifar100", "test", tmp_path)
    assert np.array_equal(pickled.images, binary.images)
    assert pickled.labels.tolist() == binary.labels.tolist() == [99, 0, 5, 42]


def test_pickles_that_name_anything_but_arrays_are_not_executed(tmp_path):
    class Command:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    for batch in (Command(), {b"data": cifar_pixels(1), b"labels": [Command()]}, {"data": np.array([Command()])}):
        write_pickle(tmp_path, "cifar-10-batches-py", "test_batch", batch)
        with pytest.raises(DataError, match=r"not a pickle of image arrays .*neither an array nor a plain container"):
            datasets.load("cifar10", "test", tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "holds a list, needed is a dict"),
        ({b"data": cifar_pixels(1)}, "has no 'labels'; it has data"),
        ({b"data": cifar_pixels(2), b"labels": [1]}, r"uint8 \(2, 3072\) beside \(1,\) labels"),
        ({b"data": [1], b"labels": [1]}, "the pixels are list"),
        (
            {b"data": cifar_pixels(1), b"labels": [10]},
            "labels from 10 to 10, needed is a row of whole numbers from 0 to 9",
        ),
    ],
)
def test_pickles_of_something_else_are_reported(tmp_path, batch, message):
    write_pickle(tmp_path, "cifar-10-batches-py", "test_batch", batch)
    with pytest.raises(DataError, match=message):
        datasets.load("cifar10", "test", tmp_path)


def test_damaged_cifar_files_are_reported(tmp_path):
    write_binary(tmp_path, "cifar-10-batches-bin", "test_batch.bin", np.array([[1], [2]]), cifar_pixels(2))
    path = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"has 6046 bytes, needed is a multiple of 3073.* truncated or damaged"):
        datasets.load("cifar10", "test", tmp_path)
    write_pickle(tmp_path, "cifar-10-batches-py", "test_batch", {b"data": cifar_pixels(2), b"labels": [1, 2]})
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a pickle of image arrays"):
        datasets.load("cifar10", "test", tmp_path)


def test_files_that_differ_from_the_published_ones_are_noted_and_usable(tmp_path, monkeypatch):
    write_pickle(tmp_path, "cifar-10-batches-py", "test_batch", {b"data": cifar_pixels(2), b"labels": [1, 2]})
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    loaded = datasets.load("cifar10", "test", tmp_path)
    assert len(loaded) == 2 and "is not the published file" in loaded.notes[0]
    monkeypatch.setitem(cifar.CIFAR10.md5, "test_batch", hashlib.md5(path.read_bytes()).hexdigest())
    assert datasets.load("cifar10", "test", tmp_path).notes == ()


@pytest.mark.parametrize("folder", svhn.FOLDERS)
def test_svhn_calls_the_digit_zero_zero(tmp_path, folder):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4)).astype(np.uint8)
    (tmp_path / folder).mkdir(exist_ok=True)
    path = tmp_path / folder / "train_32x32.mat"
    scipy.io.savemat(path, {"X": pixels, "y": np.array([[1], [10], [9], [10]], np.uint8)})
    loaded = datasets.load("svhn", "train", tmp_path)
    assert loaded.images.shape == (4, 3, 32, 32) and loaded.labels.tolist() == [1, 0, 9, 0]
    assert loaded.images[2, 1, 5, 6] == np.float32(pixels[5, 6, 1, 2] / np.float32(255))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="not a complete MATLAB file"):
        datasets.load("svhn", "train", tmp_path)


def test_matlab_files_of_something_else_are_reported(tmp_path):
    scipy.io.savemat(tmp_path / "test_32x32.mat", {"X": np.zeros((32, 32, 4)), "y": np.ones(4)})
    with pytest.raises(DataError, match=r"X is float64 \(32, 32, 4\) beside labels \(1, 4\), needed are uint8"):
        datasets.load("svhn", "test", tmp_path)
    scipy.io.savemat(tmp_path / "test_32x32.mat", {"pixels": np.zeros(3)})
    with pytest.raises(DataError, match="not a complete MATLAB file with X and y"):
        datasets.load("svhn", "test", tmp_path)


def test_standardized_images_have_mean_and_deviation_removed(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.full((3, 2, 2, 2), 0.75), labels=np.arange(3))
    loaded = datasets.load(str(path))
    assert loaded.standardized((), ()) is loaded
    standardized = loaded.standardized((0.25, 0.75), (0.5, 2.0)).images
    assert (standardized[:, 0] == 1).all() and (standardized[:, 1] == 0).all()
    with pytest.raises(DataError, match="has 2 channels, got 1 means and 1 deviations"):
        loaded.standardized((0.5,), (0.5,))
    with pytest.raises(DataError, match="deviations above 0"):
        loaded.standardized((0.5, 0.5), (0.5, 0.0))
