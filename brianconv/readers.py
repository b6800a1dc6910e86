"""Reading files from untrusted sources: regular files only, limits on size and depth, one kind of error.

Nothing that is read here is executed, and no number in a file decides how much memory is taken before the file has
shown that it contains that much.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from brianconv.errors import DataError

MEBIBYTE = 2**20
LARGEST_FILE = 1024 * MEBIBYTE
LARGEST_JSON = 64 * MEBIBYTE
LARGEST_ARRAYS = 8192 * MEBIBYTE
LARGEST_HEADER = 10_000  # bytes, as in NumPy
LARGEST_TABLE = 4 * MEBIBYTE  # of the contents of an archive
MOST_DIMENSIONS = 8
DEEPEST = 50  # levels of lists and objects within each other
LARGEST_WHOLE = 2**63 - 1
# the fields in the header of an array of numbers, without blanks
HEADER_FIELD = re.compile(r"(?:'descr':'([<>|=]?[biuf]\d{1,2})'|'fortran_order':(True|False)|'shape':\(([\dL,]*)\)),?")


def regular_file(path: str | Path) -> Path:
    """Return the path; raise DataError unless there is a regular file, which ends and never makes a reader wait."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError as error:
        raise DataError(f"{str(path)!r} does not exist") from error
    except (OSError, ValueError) as error:  # loops of links, folders that may not be searched, names with zero bytes
        raise DataError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(mode):
        kinds = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))
        found = next((kind for is_kind, kind in kinds if is_kind(mode)), "device")
        raise DataError(f"{str(path)!r} is a {found}; a file is needed")
    return Path(path)


def read_bytes(path: str | Path, limit: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; raise DataError otherwise."""
    try:
        with regular_file(path).open("rb") as file:
            return _whole_content(file, limit)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    except _TooLargeError as error:
        raise DataError(f"{str(path)!r} has {error}") from error


def unzipped(content: bytes, limit: int = LARGEST_FILE) -> bytes:
    """Return what gzip compressed, of at most `limit` bytes; raise ValueError with the reason otherwise."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return _whole_content(file, limit)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error


class _TooLargeError(ValueError):
    """There is more to read than is allowed."""


def _whole_content(file: Any, limit: int) -> bytes:
    """Read a file to its end in pieces, so that memory is taken for what is there, not for what is allowed."""
    pieces, length = [], 0
    while piece := file.read(MEBIBYTE):
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            raise _TooLargeError(f"more than {limit:,} bytes, which is more than is read here")
    return b"".join(pieces)


def parse_json(text: str) -> Any:
    """Return what a JSON text holds; raise ValueError with the reason.

    Beyond the grammar of JSON, numbers are finite and whole ones fit 64 bits, no key occurs twice in an object, and
    lists and objects are at most `DEEPEST` levels deep.
    """
    too_deep = f"lists and objects are more than {DEEPEST} levels deep"
    try:
        content = json.loads(
            text, parse_int=_whole, parse_float=_real, parse_constant=_constant, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise ValueError(too_deep) from error
    if _depth(content) > DEEPEST:
        raise ValueError(too_deep)
    return content


def read_json(path: str | Path, limit: int = LARGEST_JSON) -> Any:
    """Return what a JSON file holds; see `parse_json`. A byte order mark, as some editors write it, is skipped.

    Raises
    ------
    DataError
        If it is not a regular file of at most `limit` bytes, not UTF-8, or not JSON.
    """
    content = read_bytes(path, limit)
    try:
        return parse_json(content.decode("utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{str(path)!r} cannot be read as JSON: {error}") from error


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) < 21 else LARGEST_WHOLE + 1
    if abs(number) > LARGEST_WHOLE:
        raise ValueError(f"the number {_shortened(digits)} does not fit 64 bits")
    return number


def _real(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"the number {_shortened(digits)} is too large")
    return number


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _shortened(text: str) -> str:
    return text if len(text) < 40 else f"{text[:30]}... of {len(text)} characters"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"the key {_shortened(name)!r} occurs twice in an object")
        content[name] = value
    return content


def _depth(content: Any) -> int:
    """Return how deep lists and objects are, without recursion, as far as `DEEPEST` + 1."""
    depth, level = 0, [content]
    while depth <= DEEPEST and (nested := [value for value in level if isinstance(value, (dict, list))]):
        level = [inner for value in nested for inner in (value.values() if isinstance(value, dict) else value)]
        depth += 1
    return depth


def array_names(path: str | Path) -> list[str]:
    """Return the names of the arrays in an .npz file; raise DataError if it is not one."""
    with _archive(path) as archive:
        return list(_members(archive))


def read_npz(
    path: str | Path, names: Collection[str] | None = None, limit: int = LARGEST_ARRAYS
) -> dict[str, np.ndarray]:
    """Return arrays of an .npz file, without executing or allocating what only its headers claim.

    Parameters
    ----------
    path : path
    names : collection of str, optional
        Arrays to read if they are present; all by default.
    limit : int
        Bytes that the arrays may take together.

    Raises
    ------
    DataError
        If it is not an archive as numpy.savez writes it, or an array holds anything but numbers and truth values, is
        damaged or too large.
    """
    left = min(limit, psutil.virtual_memory().available)
    arrays = {}
    with _archive(path) as archive:
        for name, member in _members(archive).items():
            if names is None or name in names:
                with archive.open(member) as file:
                    arrays[name] = _array(file, member.file_size, left, name)
                left -= arrays[name].nbytes
    return arrays


class _ShortReads(io.FileIO):
    """A file that is not read in one piece, so that a table of contents of gigabytes is refused."""

    def read(self, size: int | None = -1, /) -> Any:
        if size is not None and size > LARGEST_TABLE:
            raise zipfile.BadZipFile("its table of contents is too long")
        return super().read(size)


@contextlib.contextmanager
def _archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    regular_file(path)
    try:
        with _ShortReads(str(path)) as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{str(path)!r} is not an .npz archive, as numpy.savez writes it")
            with zipfile.ZipFile(file) as archive:
                yield archive
    except Exception as error:  # damaged archives make zipfile and its decompressors raise almost anything
        if isinstance(error, DataError):
            raise
        raise DataError(f"{str(path)!r} is not a readable .npz file: {error or type(error).__name__}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in members:
            raise ValueError(f"it has two arrays of the name {name!r}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r} is compressed in another way than NumPy does")
        members[name] = member
    return members


def _array(file: Any, size: int, limit: int, name: str) -> np.ndarray:
    """Read one array in NumPy's format, whose announced size is `size` bytes."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError(f"{name!r} is not an array")
    n_bytes = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    if n_bytes > LARGEST_HEADER:
        raise ValueError(f"{name!r} has a header of {n_bytes} bytes")
    dtype, fortran_order, shape = _header(file.read(n_bytes).decode("latin-1"), name)
    needed = math.prod(shape) * dtype.itemsize
    if needed > limit:
        raise ValueError(f"{name!r} takes {needed:,} bytes, which is more than is read here")
    if size != needed + n_bytes + (10 if magic[6] == 1 else 12):
        raise ValueError(f"{name!r} does not have the {needed:,} bytes of its shape {shape} and type {dtype}")
    content = bytearray()
    while len(content) < needed:
        piece = file.read(min(needed - len(content), MEBIBYTE))
        if not piece:
            raise ValueError(f"{name!r} ends after {len(content):,} of {needed:,} bytes")
        content += piece
    file.read(1)  # the end, where the checksum is compared
    values = np.frombuffer(content, dtype)
    if dtype.kind == "b" and np.any(values.view(np.uint8) > 1):
        raise ValueError(f"{name!r} has truth values that are neither 0 nor 1")
    values = values.reshape(shape[::-1]).transpose() if fortran_order else values.reshape(shape)
    return np.ascontiguousarray(values, dtype.newbyteorder("=")).reshape(shape)


def _header(text: str, name: str) -> tuple[np.dtype, bool, tuple[int, ...]]:
    """Return type, order and shape; NumPy's own reader evaluates the text as Python."""
    text = re.sub(r"\s", "", text)
    fields = HEADER_FIELD.findall(text)
    descr, order, shape = (
        ("".join(values) for values in zip(*fields, strict=True)) if len(fields) == 3 else ("", "", "(")
    )
    if text[:1] + HEADER_FIELD.sub("", text[1:-1]) + text[-1:] != "{}" or not descr or not order:
        raise ValueError(f"{name!r} is not an array of numbers: {_shortened(text)}")
    lengths = [length.removesuffix("L") for length in shape.split(",") if length]
    if len(lengths) > MOST_DIMENSIONS or not all(length.isdigit() and len(length) <= 10 for length in lengths):
        raise ValueError(f"{name!r} has an impossible shape: {_shortened(shape)}")
    return np.dtype(descr), order == "True", tuple(int(length) for length in lengths)
