"""Readers of files: whole files come back as they were written, all others end in one kind of error, soon."""

import gzip
import json
import os
import socket
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from brianconv import readers
from brianconv.errors import DataError
from tests.helpers.damaged_files import damaged

ARRAYS = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "columns_first": np.asfortranarray(np.arange(24).reshape(2, 3, 4)),
    "truth": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "one": np.array(3, np.int8),
    "big_endian": np.arange(5, dtype=">i4"),
}


@pytest.fixture
def peak():
    """Measure the memory that Python and NumPy take during a test."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def of_every_other_kind(folder):
    """Names of a folder, a pipe, a socket, a device, a loop of links, and of nothing."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    return [folder / name for name in ("folder", "pipe", "socket", "device", "loop", "nothing", "zero\0byte")]


@pytest.mark.parametrize("read", [readers.read_bytes, readers.read_json, readers.read_npz, readers.array_names])
def test_only_regular_files_are_read(tmp_path, read):
    for path in of_every_other_kind(tmp_path):
        with pytest.raises(DataError, match=r"is a (folder|pipe|socket|device)|cannot be read|does not exist"):
            read(path)


def test_files_are_read_up_to_a_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    assert readers.read_bytes(path, 1000) == bytes(1000)
    with pytest.raises(DataError, match="has more than 999 bytes"):
        readers.read_bytes(path, 999)
    assert readers.read_bytes("/proc/self/status").startswith(b"Name:")  # whose size is 0
    assert readers.unzipped(gzip.compress(bytes(1000)), 1000) == bytes(1000)
    for content, message in (
        (gzip.compress(bytes(1000)), "more than 999 bytes"),
        (gzip.compress(bytes(9))[:-1], "cannot be unpacked"),
        (b"text", "cannot be unpacked"),
    ):
        with pytest.raises(ValueError, match=message):
            readers.unzipped(content, 999)


def test_what_gzip_made_small_does_not_take_the_memory_of_what_it_claims(peak):
    small = gzip.compress(bytes(2**27))
    before = peak()
    with pytest.raises(ValueError, match="more than"):
        readers.unzipped(small, 2**20)
    assert peak() - before < 2**23


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_saved(tmp_path, write):
    path = tmp_path / "arrays.npz"
    write(path, **ARRAYS)
    found = readers.read_npz(path)
    assert list(found) == readers.array_names(path) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=not name.startswith("big"))
        assert found[name].dtype.isnative and found[name].flags.writeable
    assert list(readers.read_npz(path, ("one", "other"))) == ["one"]
    with pytest.raises(DataError, match="takes 48 bytes, which is more"):
        readers.read_npz(path, limit=47)


@pytest.mark.parametrize(
    "array",
    [np.array([{}]), np.array(["text"]), np.zeros(2, [("x", "f8")]), np.zeros(2, complex), np.zeros(2, "M8[s]")],
)
def test_only_arrays_of_numbers_are_read(tmp_path, array):
    np.savez(tmp_path / "arrays.npz", mine=array)
    with pytest.raises(DataError, match=r"not a readable \.npz file: 'mine' is not an array of numbers"):
        readers.read_npz(tmp_path / "arrays.npz")


def npy(header: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + content


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 99999),}"),
            "takes .* bytes, which is more",
        ),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,),}"), "impossible shape"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1),}"), "impossible shape"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,),}"), "not an array of numbers"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,),}", bytes(15)), "does not have the 16 bytes"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,),}", bytes(17)), "does not have the 16 bytes"),
        (npy("{'descr': '<f8', 'shape': (2,),}", bytes(16)), "not an array of numbers"),
        (npy("{'descr': '<f8', 'descr': '<f8', 'shape': (2,),}", bytes(16)), "not an array of numbers"),
        (npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,),}", b"\1\2"), "neither 0 nor 1"),
        (npy("(" * 9000), "not an array of numbers"),
        (npy("__import__('os').abort()"), "not an array of numbers"),
        (npy(" " * 20000), "a header of 20000 bytes"),
        (b"\x93NUMPY\7\0", "not an array"),
        (b"", "not an array"),
    ],
)
def test_headers_of_arrays_are_not_trusted(tmp_path, member, message):
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as archive:
        archive.writestr("mine.npy", member)
    with pytest.raises(DataError, match=message):
        readers.read_npz(tmp_path / "arrays.npz")


def test_archives_that_numpy_does_not_write_are_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"is not an \.npz archive"):
        readers.read_npz(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", bytes(99))
    with pytest.raises(DataError, match="compressed in another way"):
        readers.read_npz(path)
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(99))
        archive.writestr("a.npy", bytes(99))
    with pytest.raises(DataError, match="two arrays of the name 'a'"):
        readers.read_npz(path)


def test_a_small_archive_takes_the_memory_of_what_it_holds(tmp_path, peak):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1073741824,),}"
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine.npy", npy(header, bytes(2**20)))
    content = (tmp_path / "arrays.npz").read_bytes()
    size = 2**20 + 10 + len(header)
    announced = content.replace(struct.pack("<I", size), struct.pack("<I", 2**30 + 10 + len(header)))
    (tmp_path / "arrays.npz").write_bytes(announced)
    with pytest.raises(DataError, match="not a readable"):
        readers.read_npz(tmp_path / "arrays.npz")
    assert peak() < 2**24


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_damaged_archives_are_refused_or_hold_arrays_of_numbers(tmp_path, write):
    path = tmp_path / "arrays.npz"
    write(path, **ARRAYS)
    refused = 0
    for content in damaged(path.read_bytes(), 600):
        path.write_bytes(content)
        try:
            assert all(array.dtype.kind in "biuf" for array in readers.read_npz(path).values())
        except DataError:
            refused += 1
    assert refused > 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10_000, "more than 50 levels deep"),
        ("[" * 100_000 + "]" * 100_000, "more than 50 levels deep"),
        ('{"a":' * 51 + "1" + "}" * 51, "more than 50 levels deep"),
        ("1" * 400, "does not fit 64 bits"),
        ("1" * 5000, "does not fit 64 bits"),
        ("-9223372036854775809", "does not fit 64 bits"),
        ("1e400", "is too large"),
        ("[NaN]", "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1, "b": {"a": 2, "a": 3}}', "the key 'a' occurs twice"),
        ("{", "Expecting"),
        ("", "Expecting"),
        ("1 2", "Extra data"),
    ],
)
def test_json_has_limits(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        readers.parse_json(text)
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(DataError, match=f"cannot be read as JSON: .*{message}"):
        readers.read_json(tmp_path / "file.json")


def test_json_is_read_as_it_was_written(tmp_path):
    content = {"a": [1, -2.5, None, True, "text ü"], "b": {"a": 2**63 - 1}, "c": []}
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    assert readers.read_json(path) == content
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content).encode())  # the byte order mark of some editors
    assert readers.read_json(path) == content
    assert readers.parse_json("[" * 50 + "]" * 50)
    for damaged_text in (json.dumps(content).encode("utf-16"), b'{"a": "\xff"}'):
        path.write_bytes(damaged_text)
        with pytest.raises(DataError, match="cannot be read as JSON: 'utf-8' codec"):
            readers.read_json(path)
    with pytest.raises(DataError, match="has more than 3 bytes"):
        readers.read_json(path, 3)
