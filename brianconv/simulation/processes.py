"""Child processes that end with the process that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_S = 0.2
# the input is a pipe that only the parent holds: when it ends, the whole process group does
TIED_TO_PARENT = 'exec 3<&0; (read -r line <&3; kill -s KILL 0) & exec "$@" 3<&- </dev/null'


def call(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    limit_s: float,
    watch: Callable[[], object] | None = None,
) -> tuple[int, str]:
    """Run a command to its end; return its exit status, and what it printed on both channels.

    Meanwhile, `watch` is called several times a second.

    All processes that it starts are killed when it ends, when it takes longer than `limit_s`, when this function is
    interrupted, and when this process is killed.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes too long.
    OSError
        If it cannot be started.
    """
    with tempfile.TemporaryFile(dir=folder) as output:
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", TIED_TO_PARENT, "sh", *command],
                stdin=reading,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                process_group=0,
            )
            try:
                _wait(process, limit_s, watch)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # the one that waits for the pipe keeps the group alive
                process.wait()
        finally:
            os.close(reading)
            os.close(writing)
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def _wait(process: subprocess.Popen[bytes], limit_s: float, watch: Callable[[], object] | None) -> None:
    end = time.monotonic() + limit_s
    while watch is not None and time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            return
        watch()
    process.wait(max(0.0, end - time.monotonic()))
