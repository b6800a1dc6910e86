"""`brianconv COMMAND`: the parser of all commands, and their exit statuses."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import TextIO

from brianconv.cli import codes, compare, demo, export, run, tune, verify
from brianconv.cli.logs import logs_shown
from brianconv.errors import BrianconvError

# a new command is one file with NAME, HELP, add_arguments and run, and one entry here
COMMANDS: tuple[ModuleType, ...] = (demo, run, compare, tune, verify, export, codes)
INTERRUPTED = 130
CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    It is 0, 1 if `verify` found a difference, 2 after a message about bad input, 130 if interrupted, 143 if terminated,
    129 if the terminal was closed, 141 if the output is no longer read.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser(_help_of_coding(given)).parse_args(given)
    os.environ["MPLBACKEND"] = "Agg"  # pictures are written, whatever the user's own backend
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    received: list[BaseException] = []  # an import that is interrupted ends with another exception
    try:
        with _signals_raised(received), logs_shown(), warnings.catch_warnings():
            if parsed.run is not codes.run:
                import_module("brian2")  # which takes over warnings when it is imported
            warnings.showwarning = _show_note
            return parsed.run(parsed) or 0
    except BaseException as error:
        status = _status(received[0] if received else error, getattr(parsed, "resumes", False))
        if status is None:
            raise
        return status


def _status(ending: BaseException, resumes: bool) -> int | None:
    """Say what has ended a command, and return its exit status; None for what nobody expects."""
    if isinstance(ending, BrianconvError):
        print(f"brianconv: error: {ending}", file=sys.stderr)
        return 2
    if isinstance(ending, (KeyboardInterrupt, SystemExit, GeneratorExit, _Terminated)):
        if type(ending) not in (KeyboardInterrupt, _Terminated):  # only the user's model raises others
            print(f"brianconv: error: the model tried to end the program: {ending!r}", file=sys.stderr)
            return 2
        terminated = isinstance(ending, _Terminated)
        kept = "; the same command resumes where it stopped" if resumes else ""
        what = "terminated" if terminated else "interrupted"
        with suppress(OSError):  # the terminal may be gone
            print(f"brianconv: {what}, no result was written{kept}", file=sys.stderr, flush=True)
        return int(ending.args[0]) if terminated else INTERRUPTED
    if isinstance(ending, BrokenPipeError):  # whoever read the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    return None


def _show_note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001 (the signature of warnings.showwarning)
) -> None:
    """Print notes of the conversion without the line of code that issued them."""
    ours = issubclass(category, UserWarning)
    text = f"note: {message}" if ours else f"{filename}:{lineno}: {category.__name__}: {message}"
    print(text, file=file or sys.stderr)


class _Terminated(BaseException):
    """A signal asked the command to end; its argument is the exit status."""


@contextmanager
def _signals_raised(received: list[BaseException]) -> Iterator[None]:
    """Let the signals that end a command unwind it, as Ctrl+C does, so that it removes its working folders.

    What is raised is added to `received`.
    """

    def unwind(number: int, _: object) -> None:
        if number != signal.SIGINT:
            signal.signal(number, signal.SIG_IGN)  # one is enough
        received.append(KeyboardInterrupt() if number == signal.SIGINT else _Terminated(128 + number))
        raise received[-1]

    chosen = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        chosen = []
    before = {number: signal.getsignal(number) for number in chosen}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):  # nohup ignores a closed terminal
            signal.signal(number, unwind)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _help_of_coding(arguments: Sequence[str]) -> str:
    """Return the parameters of the coding scheme whose name is given beside --help; '' otherwise."""
    if not {"-h", "--help"} & set(arguments):
        return ""
    names = [after for option, after in pairwise(arguments) if option == "--coding"]
    names += [argument.partition("=")[2] for argument in arguments if argument.startswith("--coding=")]
    if not names:
        return ""
    from brianconv.coding import find_coding
    from brianconv.coding.description import describe_parameters

    try:
        return describe_parameters(find_coding(names[-1]))
    except BrianconvError as error:
        return str(error)


def _parser(epilog: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianconv", description="Trained torch networks as Brian2 simulations.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = commands.add_parser(
            command.NAME,
            help=command.HELP,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter if epilog else argparse.HelpFormatter,
        )
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
