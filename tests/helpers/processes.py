"""Child processes and their limits."""

import os
import resource
import signal
import warnings
from contextlib import contextmanager


@contextmanager
def forked(run):
    """Run a function in a copy of this process, which is killed at the end; give its number and a pipe from it."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        process = os.fork()
    if not process:
        try:
            run(lambda text: os.write(writing, text.encode() + b"\n"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        try:
            yield process, said
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


@contextmanager
def file_size_limit(n_bytes):
    """Let no file grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder):
    return {path.name for path in folder.iterdir()}
