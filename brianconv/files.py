"""Files that are written completely or not at all, and working folders that do not outlive their process.

A temporary file or folder has a name that nothing else uses, and its owner holds a lock on it. A process that was
killed cannot tidy up after itself; the next one that writes to the same place does, if the name was given under the
kernel that is running now and the lock is free. A process number would prove nothing: containers and network file
systems show the same number to several processes.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from brianconv.errors import OutputError

if sys.platform == "win32":

    def _lock(descriptor: int, wait: bool) -> bool:  # noqa: ARG001
        return False  # so nothing counts as left behind

else:
    import fcntl

    def _lock(descriptor: int, wait: bool) -> bool:
        """Lock an open file; return whether that succeeded. The lock ends with the last process that has it open."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:  # held by its owner, or a file system without locks
            return False
        return True


def _kernel() -> str:
    """Return an identifier of the running kernel, which sees every lock; a new one if it has none."""
    try:
        return hashlib.sha256(Path("/proc/sys/kernel/random/boot_id").read_bytes()).hexdigest()[:12]
    except OSError:
        return uuid.uuid4().hex[:12]


KERNEL = _kernel()
TEMPORARY = re.compile(rf"\.brianconv-{KERNEL}-[0-9a-f]{{16}}\.tmp")
LOCK = ".lock"  # within a working folder
ELSEWHERE = "choose another folder"
FREE_SPACE = f"free some space there or {ELSEWHERE}"
MORE_FILES = "allow more open files (ulimit -n) or use fewer processes (--jobs)"
REMEDIES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EMFILE: MORE_FILES,
    errno.ENFILE: MORE_FILES,
}


def _temporary_name() -> str:
    return f".brianconv-{KERNEL}-{secrets.token_hex(8)}.tmp"


@contextmanager
def reported(what: str | Path, remedy: str = ELSEWHERE) -> Iterator[None]:
    """Turn an error of the operating system while something is written into an OutputError that names it.

    Parameters
    ----------
    what : str or Path
        File or folder that is written.
    remedy : str
        What to do about it, unless the error itself says so.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise _output_error(what, error, remedy) from error


def _output_error(what: str | Path, error: OSError, remedy: str = ELSEWHERE) -> OutputError:
    remedy = REMEDIES.get(error.errno or 0, remedy)
    return OutputError(f"cannot write into {str(what)!r} ({error.strerror or error}); {remedy}")


def writable_folder(folder: str | Path, remedy: str = ELSEWHERE) -> Path:
    """Create a folder if necessary and return it; raise OutputError if nothing can be written there."""
    path = Path(folder)
    with reported(path, remedy):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    return path


class _Disk(io.FileIO):
    """A file that keeps the error of the operating system, which some writers replace by one of their own."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file under a temporary name and rename it when it is complete; raise OutputError if that fails."""
    write_together({path: write})


def write_together(contents: Mapping[Path, Callable[[IO[bytes]], Any]]) -> None:
    """Write files that belong together: all of them, or none.

    A reader ignores the others without the last one. It is removed before the others are replaced and comes back
    after them, so that files of two different writes never coexist.

    Parameters
    ----------
    contents : mapping of Path to callable
        What writes each file.

    Raises
    ------
    OutputError
        If a file cannot be written. What was there before is left as it was.
    """
    with ExitStack() as stack:
        complete = []
        for path, write in contents.items():
            remove_orphans(path.parent)
            target = path.resolve() if path.is_symlink() else path
            complete.append((stack.enter_context(_complete_file(target, write)), target))
        if len(complete) > 1:
            complete[-1][1].unlink(missing_ok=True)
        for temporary, target in complete:
            with reported(target):
                temporary.replace(target)


@contextmanager
def _complete_file(path: Path, write: Callable[[IO[bytes]], Any]) -> Iterator[Path]:
    """Write a file under a temporary name, which is gone at the end unless it was renamed."""
    if path.exists() and not path.is_file():
        raise OutputError(f"cannot write into {str(path)!r} (it is not a file); choose another name")
    with reported(path):
        temporary, descriptor = _new_file(path.parent)
    disk = _Disk(descriptor, "wb")
    file = io.BufferedWriter(disk)
    try:
        try:
            write(file)
            file.flush()
            os.fsync(descriptor)  # some file systems find out only now that they are full
        except Exception as error:
            found = disk.error or error
            raise _output_error(path, found) if isinstance(found, OSError) else error from error
        if sys.platform == "win32":
            file.close()  # an open file has no other name there
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        with suppress(OSError):  # what did not reach a full disk before
            file.close()


def _new_file(folder: Path) -> tuple[Path, int]:
    """Create a temporary file and lock it; return its path and descriptor."""
    while True:
        path = folder / _temporary_name()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(descriptor, wait=True)
        if _is_at(descriptor, path):
            return path, descriptor
        os.close(descriptor)  # taken for an orphan before it was locked


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, completely or not at all; NaN and infinity, which JSON does not have, become null."""
    write_atomically(path, json_writer(content))


def json_writer(content: Mapping[str, Any]) -> Callable[[IO[bytes]], Any]:
    """Return a function that writes a mapping as JSON, for `write_together`."""
    text = json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"
    return lambda file: file.write(text.encode())


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


class WorkingFolder:
    """A new folder for temporary files, removed at the end of a with block, with this object, or when Python ends.

    Only the process that made it removes it, not one that was forked from it. If that process is killed, a later one
    that makes a working folder in the same place does.

    Parameters
    ----------
    parent : Path
        Where it is made.

    Attributes
    ----------
    path : Path
    remove : callable
        Removes it now.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """

    def __init__(self, parent: Path) -> None:
        writable_folder(parent)
        remove_orphans(parent)
        with reported(parent):
            self.path, descriptor = _new_folder(parent)
        self.remove = weakref.finalize(self, _remove_own, self.path, descriptor, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *exception: object) -> None:
        self.remove()


def _new_folder(parent: Path) -> tuple[Path, int]:
    while True:
        path = parent / _temporary_name()
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):  # taken for an orphan before it had its lock
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _lock(descriptor, wait=True)
            if _is_at(descriptor, path / LOCK):
                return path, descriptor
            os.close(descriptor)


def _remove_own(path: Path, descriptor: int, process: int) -> None:
    if os.getpid() == process:
        _remove_folder(path)
        os.close(descriptor)


def _remove_folder(path: Path) -> None:
    """Remove a working folder; its lock comes last, so that a folder that is half removed can still be recognised."""
    with suppress(OSError):
        for content in path.iterdir():
            if content.is_dir() and not content.is_symlink():
                shutil.rmtree(content, ignore_errors=True)
            elif content.name != LOCK:
                content.unlink(missing_ok=True)
        if {content.name for content in path.iterdir()} <= {LOCK}:
            (path / LOCK).unlink(missing_ok=True)
            path.rmdir()


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files and folders in a folder whose owners are gone."""
    with suppress(OSError):  # a folder that cannot be listed
        for path in folder.iterdir():
            if TEMPORARY.fullmatch(path.name):
                _remove_orphan(path)


def _remove_orphan(path: Path) -> None:
    is_folder = path.is_dir() and not path.is_symlink()
    try:
        descriptor = os.open(path / LOCK if is_folder else path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        with suppress(OSError):
            path.rmdir()  # killed between the folder and its lock: empty
        return
    except OSError:  # another user's
        return
    try:
        locked = path / LOCK if is_folder else path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or not _lock(descriptor, wait=False):
            return
        if not _is_at(descriptor, locked):
            return
        if is_folder:
            _remove_folder(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
