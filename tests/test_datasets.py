"""Data sets from files that the tests write themselves."""

import gzip

import numpy as np
import pytest

from brianconv import datasets
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
        ("fashion-mnist", "t10k-images-idx3-ubyte.* is not in .*FashionMNIST/raw.* download it from"),
        ("imagenet", "'imagenet' is unknown; choose one of digits, mnist, fashion-mnist, or an .npz file"),
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
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        datasets.load(str(tmp_path / "bad.npz"))
    np.savez(tmp_path / "objects.npz", images=np.array([{}]), labels=np.arange(1))
    with pytest.raises(DataError, match=r"not a readable \.npz file"):
        datasets.load(str(tmp_path / "objects.npz"))
