"""Files that are written completely or not at all, and working folders that do not outlive their process.

Temporary names carry the number of the process that made them. A process that was killed cannot tidy up after itself;
the next one that writes to the same place does.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from brianconv.errors import OutputError

OWNER = re.compile(r"\.(\d+)\.tmp")


def writable_folder(folder: str | Path) -> Path:
    """Create a folder if need be and return it; raise OutputError if nothing can be written there."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {str(path)!r} ({error.strerror}); choose another folder") from error
    return path


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file under a temporary name and rename it when it is complete."""
    remove_orphans(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, completely or not at all; NaN and infinity, which JSON does not have, become null."""
    text = json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def working_folder(parent: Path) -> Path:
    """Return a new folder for temporary files, which a later process removes if this one is killed."""
    writable_folder(parent)
    remove_orphans(parent)
    return Path(tempfile.mkdtemp(dir=parent, suffix=f".{os.getpid()}.tmp"))


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files and folders that belong to processes which are no longer there."""
    for path in folder.iterdir():
        owner = OWNER.search(path.name)
        if owner and path.name.endswith(owner.group()) and not psutil.pid_exists(int(owner.group(1))):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
