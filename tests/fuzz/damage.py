"""Ways in which files are damaged: bytes, values in nested mappings and lists, and what stands in a file's place."""

from __future__ import annotations

import copy
import os
import random
import shutil
import socket
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

LENGTHS = (1, 1, 2, 4, 8, 30, 300)
# what is large, small, of another type, or nearly the right thing
NUMBERS = (
    0, 1, -1, 2, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, -(2**31), 2**32, 2**63 - 1, 2**63, -(2**63), 10**30,
    0.5, -0.0, 1e-320, 1e-9, 1.5, 1e38, 1e308, -1e308, float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
OTHERS = (None, True, False, "", "text", "1", "nan", "\udcff", "\0", "ü" * 300, [], {}, [[]], [1], {"a": 1}, [None] * 3)


def damaged_bytes(draw: random.Random, content: bytes) -> bytes:
    """Return a copy with one or several faults."""
    copy = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        place = draw.randrange(len(copy) + 1)
        if draw.random() < 0.3:  # headers say more than what follows
            place = min(place, draw.randrange(200))
        length = draw.choice(LENGTHS)
        match draw.randrange(8):
            case 0 | 1:
                if place < len(copy):
                    copy[place] ^= 1 << draw.randrange(8)
            case 2:
                copy[place : place + length] = draw.randbytes(len(copy[place : place + length]))
            case 3:
                del copy[place:]
            case 4:
                del copy[place : place + length]
            case 5:
                copy[place:place] = copy[place : place + length]
            case 6:
                copy[place:place] = draw.choice((bytes(length), b"\xff" * length, draw.randbytes(length)))
            case 7:
                n = draw.choice((1, 2, 4, 8))
                value = int(draw.choice(NUMBERS[:16])) % 256**n
                copy[place : place + n] = value.to_bytes(n, draw.choice(("little", "big")))
    return bytes(copy)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within lists and mappings, these included."""
    if path:
        yield path
    if isinstance(content, (dict, list)):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from places(content[key], (*path, key))


def damaged_value(draw: random.Random, value: Any) -> Any:
    """Return something else in the place of a value."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    match draw.randrange(5 if numeric else 3):
        case 0:
            return copy.deepcopy(draw.choice(OTHERS))
        case 1:
            return draw.choice(NUMBERS)
        case 2:
            return nested(draw.choice((2, 60, 200)))
        case 3:
            return value + draw.choice((1, -1, 0.5, -0.5))
        case _:
            return value * draw.choice((-1, 2, 0.5, 1e10)) if abs(value) < 1e290 else -value


def nested(depth: int) -> Any:
    """Return lists within each other."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def damaged_mapping(draw: random.Random, content: Any) -> Any:
    """Return a copy of nested mappings and lists in which values are others, absent, repeated, or in another order."""
    content = copy.deepcopy(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        paths = list(places(content))
        if not paths:
            break
        *outer, last = draw.choice(paths)
        place = content
        for key in outer:
            place = place[key]
        match draw.randrange(6):
            case 0:
                del place[last]
            case 1 if isinstance(place, list):
                place.insert(draw.randrange(len(place) + 1), copy.deepcopy(place[last]))
            case 1:
                place[draw.choice(("other", "", "\udc80", str(last) * 2))] = copy.deepcopy(place[last])
            case 2 if isinstance(place, list):
                draw.shuffle(place)
            case 2:
                other = draw.choice(list(place))
                place[last], place[other] = place[other], place[last]
            case _:
                place[last] = damaged_value(draw, place[last])
    return content


def repacked(draw: random.Random, content: bytes) -> bytes:
    """Return an archive of which one member is damaged, renamed, absent or repeated, with sums that agree."""
    compression = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    packed = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(packed, "w", compression) as new:
        members = old.infolist()
        chosen = draw.randrange(len(members))
        fault = draw.randrange(6)
        for k, member in enumerate(members):
            name, inner = member.filename, old.read(member)
            if k != chosen:
                new.writestr(name, inner)
                continue
            if fault == 0:
                continue
            other = draw.choice(("other", name + name, "../" + name, "/tmp/" + name, ".npy", "é\n", name.upper()))
            new.writestr(other if fault == 1 else name, damaged_bytes(draw, inner) if fault > 2 else inner)
            if fault == 2:
                new.writestr(name, inner)
    return packed.getvalue()


def replace_by_another_kind(draw: random.Random, path: Path) -> str:
    """Put something that is not a readable file in a file's place; return what."""
    kinds = ("nothing", "folder", "pipe", "socket", "loop", "dangling link", "device", "endless device", "empty")
    kind = draw.choice(kinds)
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                here = os.open(path.parent, os.O_PATH)  # names of sockets are short
                try:
                    listening.bind(f"/proc/self/fd/{here}/{path.name}")
                finally:
                    os.close(here)
        case "loop":
            path.symlink_to(path.name)
        case "dangling link":
            path.symlink_to("nowhere")
        case "device":
            path.symlink_to("/dev/null")
        case "endless device":
            path.symlink_to("/dev/zero")
        case "empty":
            path.write_bytes(b"")
    return kind


def exchange_by_link(path: Path) -> None:
    """Move a file elsewhere in its folder and leave a link to it, which means the same file."""
    moved = path.with_name(f"moved_{path.name}")
    shutil.move(path, moved)
    path.symlink_to(moved.name)
