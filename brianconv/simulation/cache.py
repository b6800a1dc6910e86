"""Compiled programs that are kept for later processes, and are never run unless they are what was compiled.

A program is in a folder named after its key, beside a manifest with its hash. Both belong to this user, and nobody
else can write to them; whatever differs is compiled again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from brianconv.errors import OutputError
from brianconv.files import reported, writable_folder
from brianconv.readers import read_json

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4096  # bytes
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
REMEDY = "set BRIANCONV_CACHE to a folder of your own"


def cache_folder() -> Path:
    """Return the folder of compiled programs: $BRIANCONV_CACHE, or brianconv in the user's cache folder.

    Raises
    ------
    OutputError
        If neither is set and the user has no home folder.
    """
    chosen = os.environ.get("BRIANCONV_CACHE")
    if chosen:
        return Path(chosen).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if base.is_absolute():  # others are invalid by its specification
        return base / "brianconv"
    try:
        return Path.home() / ".cache" / "brianconv"
    except RuntimeError as error:
        raise OutputError(f"there is no home folder to keep compiled programs in: {REMEDY}") from error


def part_of_cache(name: str) -> Path:
    """Create a folder within the cache that only this user can enter, and return it.

    Raises
    ------
    OutputError
        If that is impossible, or another user could replace it.
    """
    base = writable_folder(cache_folder(), REMEDY)
    state = base.stat()
    if state.st_uid not in (os.geteuid(), 0):
        raise OutputError(
            f"the cache folder {str(base)!r} belongs to another user, whose programs are not run; {REMEDY}"
        )
    if state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX:
        raise OutputError(
            f"every user can write into the cache folder {str(base)!r}, whose programs are not run then: "
            f"chmod o-w {base}, or {REMEDY}"
        )
    part = base / name
    with reported(part, REMEDY):
        part.mkdir(mode=0o700, exist_ok=True)
        state = part.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
            raise OutputError(f"{str(part)!r} is not a folder of your own, so that its programs are not run; {REMEDY}")
        if state.st_mode & OTHERS_WRITE:
            part.chmod(0o700)
    return part


def program_key(source: Path, compiler: str) -> str:
    """Return the key of a program: of all its sources, and of what tells its compiler from others."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(compiler.encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def fetch_program(
    key: str, working: Path, compile_program: Callable[[], Path], *, part: str = "programs", name: str = "main"
) -> Path:
    """Return a program from the cache, as a file in a working folder; compile it if it is not there or is damaged.

    Parameters
    ----------
    key : str
        Identifies everything that the program was made of.
    working : Path
        A folder on the same file system.
    compile_program : callable
        Makes the program, on the same file system, and returns its path.
    part, name : str
        Part of the cache that it is in, and its name there: libraries are kept like programs.
    """
    folder = part_of_cache(part) / key
    with reported(folder, REMEDY), FileLock(f"{folder}.lock"):
        if not _is_sound(folder, key, name):
            _keep(compile_program(), folder, key, name, working)
        program = working / name
        try:
            os.link(folder / name, program)  # stays when the cache is cleared
        except OSError:  # a file system without links
            shutil.copy2(folder / name, program)
        return program


def _keep(program: Path, folder: Path, key: str, name: str, working: Path) -> None:
    complete = working / "complete"
    complete.mkdir(mode=0o700)
    program.rename(complete / name)
    (complete / name).chmod(0o700)
    manifest = {"key": key, "sha256": _hash(complete / name)}
    (complete / MANIFEST).write_text(json.dumps(manifest))
    (complete / MANIFEST).chmod(0o600)
    if os.path.lexists(folder):
        folder.rename(working / "damaged")  # removed with the working folder
    complete.rename(folder)


def _is_sound(folder: Path, key: str, name: str) -> bool:
    """Return whether a folder holds the program of this key, as this user has compiled it."""
    main, manifest = folder / name, folder / MANIFEST
    try:
        if not (_is_own(folder, stat.S_ISDIR) and all(_is_own(path, stat.S_ISREG) for path in (main, manifest))):
            return False
        return os.access(main, os.X_OK) and read_json(manifest, LARGEST_MANIFEST) == {"key": key, "sha256": _hash(main)}
    except (OSError, ValueError):
        return False


def _is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    state = path.lstat()
    return is_kind(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & OTHERS_WRITE


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
