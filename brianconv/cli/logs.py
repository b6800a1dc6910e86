"""The library's log messages on the terminal, as plain lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logs_shown() -> Iterator[None]:
    """Print the messages of the library's loggers while a command runs.

    Logs that cannot be written, such as Brian2's own file on a full disk, do not concern the command.
    """
    logger, handler = logging.getLogger("brianconv"), logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    level, complained = logger.level, logging.raiseExceptions
    logging.raiseExceptions = False
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logging.raiseExceptions = complained
