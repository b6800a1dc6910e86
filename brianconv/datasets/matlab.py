"""Arrays of numbers in MATLAB files of version 5 to 7, as the publishers of data sets write them.

The layout is that of "MAT-File Format", The MathWorks: a header of 128 bytes, then elements of a type, a length and
content, each of which may be compressed. Objects, structures, cells, text, complex and sparse arrays are refused.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

HEADER_BYTES = 128
LARGEST = 2**29  # bytes, unpacked
MOST_ARRAYS = 100
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
COMPLEX_OR_LOGICAL = 0x0A00
MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class _Element:
    kind: int
    content: memoryview


def read_matlab(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in the content of a MATLAB file; raise ValueError with the reason otherwise."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or int(np.frombuffer(content, f"{order}u2", 1, offset=124)[0]) != 0x0100:
        raise ValueError("it does not start as a MATLAB file of version 5 to 7 does")
    arrays: dict[str, np.ndarray] = {}
    left = LARGEST
    for element in _elements(memoryview(content)[HEADER_BYTES:], order):
        if element.kind == COMPRESSED:
            unpacked = _unpacked(element.content, left)
            left -= len(unpacked)
            inner = list(itertools.islice(_elements(memoryview(unpacked), order), 2))
            if len(inner) != 1:
                raise ValueError("a compressed element does not hold one array")
            element = inner[0]
        if element.kind != MATRIX:
            raise ValueError(f"it has an element of type {element.kind}, not an array")
        name, array = _matrix(element.content, order)
        if name in arrays:
            raise ValueError(f"it has two arrays {name!r}")
        arrays[name] = array
        if len(arrays) > MOST_ARRAYS:
            raise ValueError(f"it has more than {MOST_ARRAYS} arrays")
    return arrays


def _unpacked(content: memoryview, limit: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(content, limit + 1)
    except zlib.error as error:
        raise ValueError(f"a compressed element is damaged: {error}") from error
    if len(unpacked) > limit:
        raise ValueError(f"it unpacks to more than {LARGEST:,} bytes, which is more than is read here")
    if not decompressor.eof:
        raise ValueError("a compressed element is not complete")
    return unpacked


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    """Yield the elements that follow each other in some content."""
    start = 0
    while start < len(content):
        if len(content) - start < 8:
            raise ValueError("it ends within an element")
        kind, n_bytes = (int(word) for word in np.frombuffer(content, f"{order}u4", 2, offset=start))
        if kind >> 16:  # a small element has both in one word
            kind, n_bytes, first, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
            if n_bytes > 4:
                raise ValueError("a small element has more than 4 bytes")
        else:
            first = start + 8
            end = first + n_bytes + (0 if kind == COMPRESSED else -n_bytes % 8)
        if end > len(content):
            raise ValueError("it ends within an element")
        yield _Element(kind, content[first : first + n_bytes])
        start = end


def _matrix(content: memoryview, order: str) -> tuple[str, np.ndarray]:
    """Return name and values of an array: its parts are flags, lengths, name and values."""
    parts = list(itertools.islice(_elements(content, order), 5))
    if len(parts) < 3 or [part.kind for part in parts[:3]] != [6, 5, 1] or len(parts[0].content) != 8:
        raise ValueError("it has an array without flags, lengths and name")
    flags = int(np.frombuffer(parts[0].content, f"{order}u4", 1)[0])
    name = bytes(parts[2].content).decode("ascii", "replace")
    if flags & 0xFF not in CLASSES or flags & COMPLEX_OR_LOGICAL or len(parts) != 4:
        raise ValueError(f"{name[:63]!r} is not an array of real numbers")
    shape = tuple(int(length) for length in np.frombuffer(parts[1].content, f"{order}i4"))
    if not 2 <= len(shape) <= MOST_DIMENSIONS or min(shape) < 0:
        raise ValueError(f"{name[:63]!r} has an impossible shape")
    stored, dtype = STORED.get(parts[3].kind), np.dtype(CLASSES[flags & 0xFF])
    if stored is None or not np.can_cast(stored, dtype, "safe"):
        raise ValueError(f"{name[:63]!r} stores its values as type {parts[3].kind}, which does not fit {dtype}")
    values = np.frombuffer(parts[3].content, order + stored)
    if values.size != math.prod(shape):
        raise ValueError(f"{name[:63]!r} has {values.size} values for the shape {shape}")
    return name, values.astype(dtype, copy=False).reshape(shape, order="F")
