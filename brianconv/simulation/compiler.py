"""The C++ compiler and make, in an environment of which every variable is known.

Only the variables named here reach them, and all that can change a program is part of `Compiler.identity`, under which
compiled programs are kept.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brian2.codegen.cpp_prefs import get_compiler_and_args

from brianconv.errors import CompilerError, OutputError
from brianconv.progress import SHORTEST_S, progress_bar
from brianconv.simulation.processes import call

ANSWER_LIMIT_S = 120.0  # compilers on network file systems take long to start
BUILD_LIMIT_S = 3600.0
# where a compiler finds its parts and may write; its path and version are part of the identity instead
SURROUNDINGS = (
    "PATH",
    "HOME",
    "TMPDIR",
    "TMP",
    "TEMP",
    "USER",
    "LOGNAME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)
# what make, GCC, Clang and the linker read
SETTINGS = (
    "CXXFLAGS", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_RUN_PATH", "GCC_EXEC_PREFIX",
    "COMPILER_PATH", "LDEMULATION", "GNUTARGET", "SOURCE_DATE_EPOCH", "CCC_OVERRIDE_OPTIONS", "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET", "DEVELOPER_DIR", "CPPFLAGS", "LDFLAGS", "LDLIBS",
)  # fmt: skip
# of compiler wrappers, and of licensed compilers
PREFIXES = (
    "CCACHE_",
    "SCCACHE_",
    "DISTCC_",
    "NIX_",
    "SPACK_",
    "CRAY",
    "PE_",
    "CONDA_BUILD_",
    "INTEL_",
    "ONEAPI_",
    "LM_LICENSE",
)
FULL_DISK = ("No space left on device", "Disk quota exceeded", "File too large", "File size limit exceeded")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler as it is called.

    Attributes
    ----------
    command : tuple of str
        Its path and first arguments, such as those of ``ccache g++``.
    environment : mapping of str to str
        All variables that it and make see.
    identity : str
        Describes all that can change what it makes of the same sources, and the processor: a program compiled with
        -march=native runs on that processor only.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    identity: str


def find_compiler(folder: Path, with_make: bool = True) -> Compiler:
    """Return the compiler that $CXX names, or g++.

    Parameters
    ----------
    folder : Path
        For temporary files.
    with_make : bool
        Whether make is needed, for programs of standalone mode; run-time mode does not need it.

    Raises
    ------
    CompilerError
        If it or make is not found, or does not answer.
    """
    command = _command(with_make)
    environment = _environment(command)
    version = _answer([*command, "--version"], folder, environment)
    # Brian2 tries flags out and would wait for ever for a compiler that hangs
    _answer([*command, "-x", "c++", "-fsyntax-only", os.devnull], folder, environment)
    used = {name: value for name, value in environment.items() if name not in SURROUNDINGS}
    found = [str(Path(path).resolve()) for path in map(shutil.which, (*command, "as", "ld")) if path]
    parts = [version, *command, *found, *(f"{name}={used[name]}" for name in sorted(used)), *_processor()]
    return Compiler(tuple(command), environment, "\n".join(parts))


def _command(with_make: bool) -> list[str]:
    chosen = os.environ.get("CXX", "")
    try:
        words = shlex.split(chosen) or ["g++"]
    except ValueError as error:
        raise CompilerError(f"CXX is {chosen!r}, which cannot be read ({error}); name a C++ compiler") from error
    mode, otherwise = (
        ("C++ standalone mode", "use mode='runtime'")
        if with_make
        else ("Brian2's Cython target", "set brian2.prefs.codegen.target = 'numpy'")
    )
    for command, package in ((words[0], "g++"), ("make", "make"))[: 2 if with_make else 1]:
        if shutil.which(command) is None:
            raise CompilerError(
                f"{command} was not found, which {mode} needs: install it (Debian: apt-get install {package}), or "
                f"{otherwise}"
            )
    return [str(Path(shutil.which(words[0]) or words[0]).absolute()), *words[1:]]


def _environment(command: Sequence[str]) -> dict[str, str]:
    passed = {
        name: value
        for name, value in os.environ.items()
        if value and (name in SURROUNDINGS or name in SETTINGS or name.startswith(PREFIXES))
    }
    return passed | {"CXX": shlex.join(command), "LC_ALL": "C"}


def _answer(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    try:
        return call(command, folder, environment, ANSWER_LIMIT_S)[1]
    except subprocess.TimeoutExpired as error:
        raise CompilerError(
            f"the compiler did not answer within {ANSWER_LIMIT_S:g} s: {shlex.join(command)}; choose another one with "
            "CXX, or use mode='runtime'"
        ) from error


def _processor() -> list[str]:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return [platform.machine(), features]


def compiler_flags() -> str:
    """Return Brian2's compiler flags, for this processor.

    On x86, vectors of 256 bits: rows of weights rarely begin where cache lines do, and vectors of 512 bits then cross a
    line in every step (measured on Zen 4: 8 % slower).
    """
    flags = list(get_compiler_and_args()[1])
    chosen = any("prefer-vector-width" in flag for flag in flags)
    return " ".join(flags if chosen or platform.machine() != "x86_64" else [*flags, "-mprefer-vector-width=256"])


def make(source: Path, compiler: Compiler) -> None:
    """Compile a project in place.

    Raises
    ------
    CompilerError
        If that fails or takes longer than BUILD_LIMIT_S.
    OutputError
        If there is no space for it.
    """
    jobs = os.cpu_count() or 1
    n_files = sum(1 for _ in source.rglob("*.cpp"))
    try:
        with progress_bar(n_files, "compiling", "file", delay=SHORTEST_S) as bar:
            status, output = call(
                ["make", "-s", "-j", str(jobs)], source, compiler.environment, BUILD_LIMIT_S,
                lambda: bar.update(sum(1 for _ in source.rglob("*.o")) - bar.n),
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CompilerError(
            f"{shlex.join(compiler.command)} did not compile the generated C++ program within {BUILD_LIMIT_S:g} s; "
            "choose another compiler with CXX, or use mode='runtime'"
        ) from error
    if status or not (source / "main").is_file():
        raise failure(output, "the generated C++ program did not compile", source)


def failure(output: str, what: str, folder: Path) -> CompilerError | OutputError:
    """Return the error for what a compiler printed before it failed: OutputError if its disk is full."""
    tail = "\n".join(output.strip().splitlines()[-20:])
    if any(reason in output for reason in FULL_DISK):
        return OutputError(f"cannot write into {str(folder)!r}; free some space there or set BRIANCONV_CACHE:\n{tail}")
    return CompilerError(f"{what}:\n{tail}")
