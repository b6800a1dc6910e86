"""Data sets from files that the tests write themselves."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import zlib

import numpy as np
import pytest
import scipy.io

from brianconv import datasets, readers
from brianconv.datasets import cifar, matlab, plain_pickle, svhn
from brianconv.errors import DataError
from tests.helpers.damaged_files import damaged


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


@pytest.mark.parametrize(
    "labels", [[1.5, 2.0], [np.nan, 1.0], [-1.0, 1.0], [1, 11], [[1, 2], [3, 4]], [True, False], [1 + 1j, 2]]
)
def test_labels_are_a_row_of_classes_in_every_layout(tmp_path, labels):
    labels = np.array(labels)
    pixels = np.zeros((32, 32, 3, 2), np.uint8)
    scipy.io.savemat(tmp_path / "test_32x32.mat", {"X": pixels, "y": labels if labels.ndim == 2 else labels[:, None]})
    np.savez(tmp_path / "mine.npz", images=np.zeros((2, 1, 2, 2)), labels=labels)
    write_pickle(tmp_path, "cifar-10-batches-py", "test_batch", {b"data": cifar_pixels(2), b"labels": labels.tolist()})
    names = ["svhn", "cifar10", str(tmp_path / "mine.npz")]
    if labels.max() == 11:
        names.remove(str(tmp_path / "mine.npz"))  # as many classes as its owner likes
    for name in names:
        with pytest.raises(DataError, match=r"label|real numbers|array of numbers|instruction|names"):
            datasets.load(name, "test", tmp_path)


@pytest.mark.parametrize(
    "pixels", [np.full((2, 1, 2, 2), np.nan), np.full((2, 1, 2, 2), 1e300), np.zeros((2, 0, 2, 2))]
)
def test_images_of_ones_own_are_finite_and_not_empty(tmp_path, pixels):
    np.savez(tmp_path / "mine.npz", images=pixels, labels=np.arange(2))
    with pytest.raises(DataError, match="are empty, or have pixels that are not finite"):
        datasets.load(str(tmp_path / "mine.npz"))


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_and_numpy_are_read(tmp_path, protocol):
    pixels = cifar_pixels(3)
    for labels in ([7, 0, 9], np.array([7, 0, 9]), np.array([7, 0, 9], ">u2")):
        content = pickle.dumps({"data": pixels, "labels": labels, "batch_label": b"one"}, protocol)
        other = (b"numpy.core", b"numpy._core") if b"numpy.core" in content else (b"numpy._core", b"numpy.core")
        for names in ((b"", b""), other):
            if names[0] and protocol >= 4:  # lengths stand in front of names
                length = len(names[1]) - len(names[0])
                for module in (b".multiarray", b".numeric"):
                    name = names[0] + module
                    content = content.replace(
                        bytes([len(name)]) + name, bytes([len(name) + length]) + names[1] + module
                    )
                content = content.replace(content[2:11], b"") if content[2:3] == b"\x95" else content  # no frame
            elif names[0]:
                content = content.replace(*names)
            (tmp_path / "cifar-10-batches-py").mkdir(exist_ok=True)
            (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
            loaded = datasets.load("cifar10", "test", tmp_path)
            assert loaded.labels.tolist() == [7, 0, 9]
            assert np.array_equal(loaded.images.reshape(3, -1), pixels / np.float32(255))


def test_pickles_of_python_2_are_read():
    # pickle.dumps({'a': [1, 'b\xff'], 'c': numpy.uint8([[1, 2]])}, 2) of Python 2, and text of protocol 0
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x02\x86"
        b"cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x02\x01\x02tb"
    )
    found = plain_pickle.read_pickle(b"\x80\x02}q\x01(U\x01aq\x02]q\x03(K\x01U\x02b\xffq\x04eU\x01c" + array + b"u.")
    assert found[b"a"] == [1, b"b\xff"] and found[b"c"].array().tolist() == [[1, 2]]
    assert plain_pickle.read_pickle(b"(dp1\nS'a\\xff'\np2\nI7\nsS'b'\nI01\ns.") == {b"a\xff": 7, b"b": True}


POINTERS = (  # an array of bytes, whose dtype gets the state of object pointers
    b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01M\x00\x0c"
    b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NU\x06fieldsNK\x08K\x08K?tb\x89T\x00\x0c\x00\x00%stb"
    b"U\x06labels](K\x01eu."
) % (b"A" * 3072)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}(U\x04datacnumpy\nndarray\nK\x01M\x00\x0c\x86\x85RU\x06labels](K\x01eu.", "calls something"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "changes something"),
        (b"\x80\x02Pid\n.", "instruction PERSID"),
        (b"\x80\x02\x82\x01.", "instruction EXT1"),
        (b"\x80\x02(cnumpy\nndarray\no.", "instruction OBJ"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "instruction NEWOBJ"),
        (b"\x80\x02cos\nsystem\nU\x04true\x85R.", "names os.system"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f\x01.", "not enough data"),  # a whole number of 2 GB that is not there
        (b"\x80\x02\x8b\x00\x10\x00\x00" + b"\x7f" * 4096 + b".", "does not fit 64 bits"),
        (b"\x80\x02Nr\xff\xff\xff\x7f0.", "instruction POP"),  # a memo of two billion places
        (b"\x80\x02h\x05.", "has not kept"),
        (b"\x80\x02\x86.", "more values than"),
        (b"\x80\x02t.", "more values than"),
        (b"\x80\x02(e.", "more values than"),
        (b"\x80\x02}(K\x01K\x02u.", "keys are not text"),
        (b"\x80\x02}(U\x01au.", "keys are not text"),
        (b"\x80\x02" + b"(" * 100_000 + b".", "more values than"),
        (b"\x80\x02}", "ends early"),
        (b"", "ends early"),
        (b"\xfe", "instruction"),
    ],
)
def test_pickles_do_nothing_but_hold_values(tmp_path, content, message):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=f"not a pickle of image arrays .*{message}"):
        datasets.load("cifar10", "test", tmp_path)


def test_bytes_of_a_pickle_never_become_pointers(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(POINTERS)
    loaded = datasets.load("cifar10", "test", tmp_path)  # the bytes that it holds are its pixels
    assert (loaded.images == np.float32(ord("A") / np.float32(255))).all()


def test_pickles_take_no_more_memory_than_a_multiple_of_their_size():
    again = b"\x80\x02X\x00\x00\x01\x00" + b"a" * 2**16 + b"q\x00"
    again += b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 9 + b"."
    with pytest.raises(ValueError, match="encodes the same text again and again"):
        plain_pickle.read_pickle(again)
    doubled = b"\x80\x02K\x01\x85" + b"q\x00h\x00\x86" * 10_000 + b"."
    assert isinstance(plain_pickle.read_pickle(doubled), tuple)
    with pytest.raises(ValueError, match="keys are not text"):  # hashing such a key would never end
        plain_pickle.read_pickle(b"\x80\x02}(K\x01\x85" + b"q\x00h\x00\x86" * 10_000 + b"K\x01u.")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int32])
def test_matlab_files_hold_what_scipy_wrote(compressed, dtype):
    file = io.BytesIO()
    arrays = {"X": np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype), "y": np.array([[1.0], [2.5]]), "s": np.array(3)}
    scipy.io.savemat(file, arrays, do_compression=compressed)
    found = matlab.read_matlab(file.getvalue())
    assert list(found) == ["X", "y", "s"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name].squeeze(), array.squeeze())
        assert found[name].dtype == array.dtype


def matlab_file(*elements: bytes, order: str = "<", version: int = 0x0100) -> bytes:
    return b"text".ljust(124) + struct.pack(f"{order}H", version) + {"<": b"IM", ">": b"MI"}[order] + b"".join(elements)


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def matlab_array(name: bytes, shape, kind: int, content: bytes, of_class: int = 6, flags: int = 0, order: str = "<"):
    parts = [
        element(6, struct.pack(f"{order}II", of_class | flags << 8, 0), order),
        element(5, struct.pack(f"{order}{len(shape)}i", *shape), order),
        element(1, name, order),
        element(kind, content, order),
    ]
    return element(14, b"".join(parts), order)


def test_matlab_files_of_both_byte_orders_and_of_narrow_storage_are_read():
    for order in "<>":
        content = struct.pack(f"{order}4h", 1, -2, 3, 4)
        found = matlab.read_matlab(matlab_file(matlab_array(b"y", (2, 2), 3, content, order=order), order=order))
        assert found["y"].tolist() == [[1.0, 3.0], [-2.0, 4.0]] and found["y"].dtype == np.float64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not start"),
        (matlab_file(version=0x0200), "does not start"),
        (matlab_file(b"1234"), "ends within"),
        (matlab_file(element(14, bytes(8))[:-1]), "ends within"),
        (matlab_file(element(7, bytes(8))), "element of type 7"),
        (matlab_file(element(14, b"")), "without flags"),
        (matlab_file(element(14, bytes(2**20))), "without flags"),
        (matlab_file(matlab_array(b"y", (2, 1), 2, b"\1\2\3")), r"has 3 values for the shape \(2, 1\)"),
        (matlab_file(matlab_array(b"y", (-2, -1), 2, b"\1\2")), "impossible shape"),
        (matlab_file(matlab_array(b"y", (2**31 - 1,) * 8, 2, b"\1\2")), "has 2 values"),
        (matlab_file(matlab_array(b"y", (1,) * 9, 2, b"\1")), "impossible shape"),
        (matlab_file(matlab_array(b"y", (1, 1), 9, bytes(8), of_class=9)), "does not fit uint8"),
        (matlab_file(matlab_array(b"y", (1, 1), 2, b"\1", of_class=1)), "not an array of real numbers"),
        (matlab_file(matlab_array(b"y", (1, 1), 2, b"\1", flags=8)), "not an array of real numbers"),
        (matlab_file(matlab_array(b"y", (1, 1), 2, b"\1"), matlab_array(b"y", (1, 1), 2, b"\1")), "two arrays 'y'"),
        (matlab_file(*[matlab_array(b"y%d" % k, (1, 1), 2, b"\1") for k in range(102)]), "more than 100 arrays"),
        (matlab_file(element(15, zlib.compress(bytes(2**20)))), "does not hold one array"),
        (matlab_file(element(15, zlib.compress(element(14, b""))[:-6])), "not complete"),
        (matlab_file(element(15, b"nonsense")), "damaged"),
    ],
)
def test_matlab_files_are_not_trusted(content, message):
    with pytest.raises(ValueError, match=message):
        matlab.read_matlab(content)


def test_compressed_matlab_files_are_unpacked_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(matlab, "LARGEST", 2**16)
    with pytest.raises(ValueError, match="unpacks to more than 65,536 bytes"):
        matlab.read_matlab(matlab_file(element(15, zlib.compress(bytes(2**16 + 1)))))


def test_compressed_idx_files_are_unpacked_up_to_a_limit(mnist_root, monkeypatch):
    monkeypatch.setattr(readers.unzipped, "__defaults__", (2**20,))
    path = mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(2**20 + 1)))
    with pytest.raises(DataError, match=r"not a complete idx file .*more than 1,048,576 bytes"):
        datasets.load("mnist", "test", mnist_root)


def layouts(root) -> dict[str, list]:
    """One small whole file of each layout, by the name of its data set."""
    images, labels = np.zeros((4, 5, 6)), np.arange(4)
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))
    write_pickle(root, "cifar-10-batches-py", "test_batch", {b"data": cifar_pixels(2), b"labels": [1, 2]})
    write_binary(root, "cifar-100-binary", "test.bin", np.array([[1, 2], [3, 4]]), cifar_pixels(2))
    pixels = np.zeros((32, 32, 3, 4), np.uint8)
    scipy.io.savemat(root / "test_32x32.mat", {"X": pixels, "y": labels[:, None] + 1}, do_compression=True)
    np.savez_compressed(root / "mine.npz", images=np.zeros((4, 1, 5, 6)), labels=labels)
    return {
        "mnist": [raw / "t10k-images-idx3-ubyte.gz", raw / "t10k-labels-idx1-ubyte"],
        "cifar10": [root / "cifar-10-batches-py" / "test_batch"],
        "cifar100": [root / "cifar-100-binary" / "test.bin"],
        "svhn": [root / "test_32x32.mat"],
        str(root / "mine.npz"): [root / "mine.npz"],
    }


def test_damaged_files_are_refused_or_hold_images_and_classes(tmp_path):
    for name, paths in layouts(tmp_path).items():
        assert len(datasets.load(name, "test", tmp_path)) in (2, 4)
        for path in paths:
            content, refused = path.read_bytes(), 0
            for copy in damaged(content, 150):
                path.write_bytes(copy)
                try:
                    loaded = datasets.load(name, "test", tmp_path)
                except DataError:
                    refused += 1
                    continue
                assert loaded.images.dtype == np.float32 and np.isfinite(loaded.images).all()
                assert loaded.labels.dtype == np.int64 and loaded.labels.shape == loaded.images.shape[:1]
                assert loaded.labels.min() >= 0
            path.write_bytes(content)
            assert refused > 30


def test_data_sets_are_regular_files(tmp_path):
    for name, (path, *_) in layouts(tmp_path).items():
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(DataError, match="is a pipe; a file is needed"):
            datasets.load(name, "test", tmp_path)


def test_pickles_that_end_within_a_frame_are_refused():
    whole = pickle.dumps([1, "text"], protocol=4)
    frame = whole.index(b"\x95") + 1
    longer = whole[:frame] + (len(whole)).to_bytes(8, "little") + whole[frame + 8 :]
    assert plain_pickle.read_pickle(whole) == [1, "text"]
    for reader in (pickle.loads, plain_pickle.read_pickle):
        with pytest.raises((ValueError, pickle.UnpicklingError)):
            reader(longer)
