"""Cython code of run-time mode, compiled together: one module per processor core instead of one per code object.

Most of the time that Brian2 takes to compile a code object goes into what all have in common. Here, code objects wait
until the first of them runs. Functions differing only in the names of groups are merged. All that are not in the cache
are then compiled in as few modules as there are cores, side by side.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import brian2
import numpy as np
from brian2 import get_device, prefs
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.core.variables import ArrayVariable, DynamicArrayVariable
from brian2.devices.device import RuntimeDevice

from brianconv.errors import CompilerError
from brianconv.files import WorkingFolder, reported, write_atomically
from brianconv.progress import SHORTEST_S, progress_bar
from brianconv.simulation.cache import REMEDY, fetch_program, part_of_cache
from brianconv.simulation.compat import header_folders
from brianconv.simulation.compiler import BUILD_LIMIT_S, Compiler, compiler_flags, failure, find_compiler
from brianconv.simulation.processes import call

MAIN = "def main(_namespace):"
COMMON_END = "# support code"
NOTHING = "EMPTY_CODE_BLOCK"
KEY = re.compile(r"[0-9a-f]{32}")
FLAGS = ("-shared", "-fPIC", "-fwrapv", "-DNDEBUG")


@dataclass(frozen=True)
class Function:
    """One block of a code object, with names that do not depend on those of its groups.

    Attributes
    ----------
    head : str
        Imports and declarations that all functions share.
    support : tuple of str
        Definitions at the top level that it needs, such as those of random numbers.
    body : str
        What follows ``def main(_namespace):``.
    """

    head: str
    support: tuple[str, ...]
    body: str

    @property
    def size(self) -> int:
        return len(self.body) + sum(map(len, self.support))


class Waiting:
    """A block that is compiled when it is needed; called like the module that Brian2 would have made of it."""

    def __init__(self, function: Function, name: str) -> None:
        self.function = function
        self.name = name
        self.main: Callable[[Mapping[str, Any]], Any] | None = None
        with LOCK:
            WAITING.add(self)

    def resolve(self) -> None:
        """Compile this block, and all others that wait."""
        with LOCK:
            if self.main is None:
                compile_blocks([self, *WAITING])


LOCK = threading.RLock()
WAITING: weakref.WeakSet[Waiting] = weakref.WeakSet()
LOADED: dict[str, Callable[[Mapping[str, Any]], Any]] = {}  # functions by their keys
MODULES: dict[str, ModuleType] = {}  # kept, and loaded once: Python does not survive two modules of one name


class ModuleCodeObject(CythonCodeObject):
    """Cython code object that is compiled together with others."""

    namespace: dict[str, Any]
    nonconstant_values: list[tuple[str, Callable[[], Any]]]

    def compile(self) -> None:
        super().compile()
        if self._is_plain:
            names = self._array_names
            self.namespace = {names.get(name, name): value for name, value in self.namespace.items()}
            self.nonconstant_values = [(names.get(name, name), value) for name, value in self.nonconstant_values]

    def compile_block(self, block: str) -> Any:
        code = self._source(block)
        if not code:
            return None
        if not self._is_plain:
            return super().compile_block(block)
        return Waiting(split(renamed_arrays(code, self._array_names)), f"{self.name} ({self.owner.name})")

    def run_block(self, block: str) -> Any:
        compiled = self.compiled_code[block]
        if isinstance(compiled, Waiting):
            compiled.resolve()
        return super().run_block(block)

    @cached_property
    def _is_plain(self) -> bool:
        """Whether it needs nothing besides Brian2's own headers and what the user's preferences name."""
        return (
            not self.sources
            and self.libraries == list(prefs["codegen.cpp.libraries"])
            and self.library_dirs == list(prefs["codegen.cpp.library_dirs"])
            and self.runtime_library_dirs == list(prefs["codegen.cpp.runtime_library_dirs"])
            and all(code.count(MAIN) == 1 for code in self._blocks)
        )

    def _source(self, block: str) -> str:
        """Return the code of a block; '' if there is none."""
        code = getattr(self.code, block, "").strip()
        return "" if NOTHING in code else code

    @property
    def _blocks(self) -> list[str]:
        return [code for block in ("before_run", "run", "after_run") if (code := self._source(block))]

    @cached_property
    def _array_names(self) -> dict[str, str]:
        """A name that does not depend on the group for each array; groups are numbered as they appear in the code."""
        code = "\n".join(self._blocks)
        found = {}
        for variable in self.variables.values():
            if isinstance(variable, ArrayVariable):
                owner = getattr(variable.owner, "name", "temporary")
                for access in (True, False) if isinstance(variable, DynamicArrayVariable) else (True,):
                    name = self.device.get_array_name(variable, access)
                    if (place := code.find(name)) >= 0:
                        found[name] = (place, owner)
        owners = list(dict.fromkeys(owner for _, owner in sorted(found.values())))
        return {
            name: name.replace(f"array_{owner}_", f"array_{owners.index(owner)}_", 1)
            for name, (_, owner) in found.items()
        }


def code_object_class() -> type[CythonCodeObject] | None:
    """Return the class of code objects that run in Cython; None if Brian2 is told to use, or has only, another one."""
    if not isinstance(get_device(), RuntimeDevice):
        return None
    target = prefs["codegen.target"]
    if target == "auto":
        words = os.environ.get("CXX", "").split() or ["g++"]
        target = "cython" if shutil.which(words[0]) and importlib.util.find_spec("Cython") else None
    return ModuleCodeObject if target in ("cython", CythonCodeObject) else None


def split(code: str) -> Function:
    """Take the source of a module apart."""
    before, _, body = code.partition(MAIN)
    head, _, support = before.partition(COMMON_END)
    return Function(head.strip(), tuple(_definitions(support)), body.rstrip())


def renamed_arrays(code: str, names: Mapping[str, str]) -> str:
    """Return code with other names of arrays, and of the variables that Brian2 derives from them."""
    if not names:
        return code
    alternatives = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.sub(rf"(?:\b|(?<=_buf_)|(?<=_num))(?:{alternatives})\b", lambda found: names[found[0]], code)


def _definitions(support: str) -> list[str]:
    """Split top-level code into its statements; comments between them are dropped."""
    blocks: list[list[str]] = []
    decorated = False
    for line in support.splitlines():
        starts = line[:1] not in ("", " ", "\t", "#", ")")
        if starts and not decorated:
            blocks.append([])
        decorated = line.startswith("@") or (decorated and not starts)
        if blocks and line.strip() and not line.startswith("#"):
            blocks[-1].append(line)
    return ["\n".join(block) for block in blocks]


def compile_blocks(blocks: Sequence[Waiting]) -> None:
    """Compile blocks, or take them from the cache; afterwards, none waits.

    Raises
    ------
    CompilerError
        If there is no compiler, or if one of the blocks does not compile.
    OutputError
        If the cache cannot be written to, or other users can write to it.
    """
    WAITING.clear()  # one that does not compile must not fail another network
    functions = list({block.function: block.name for block in blocks}.items())
    compiler = _compiler(*(os.environ.get(name, "") for name in ("CXX", "CXXFLAGS", "PATH")))
    keys = {function: _key(function, compiler) for function, _ in functions}
    missing = [(function, name) for function, name in functions if not _load(keys[function])]
    if missing:
        _compile([function for function, _ in missing], keys, dict(missing), compiler)
    for block in blocks:
        block.main = LOADED[keys[block.function]]


@lru_cache(maxsize=1)
def _compiler(*_surroundings: str) -> Compiler:
    """Return the compiler; it is looked up once, unless the variables that name it change."""
    with WorkingFolder(part_of_cache("runs")) as folder:
        return find_compiler(folder, with_make=False)


def _key(function: Function, compiler: Compiler) -> str:
    import Cython

    versions = (sys.version, Cython.__version__, np.__version__, brian2.__version__, compiler_flags(), *FLAGS)
    parts = (function.head, *function.support, function.body, *map(str, versions), *_preferences(), compiler.identity)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def _preferences() -> list[str]:
    """Return the arguments that the user's preferences add to a call of the compiler."""
    macros = [
        f"-D{name}" if value is None else f"-D{name}={value}" for name, value in prefs["codegen.cpp.define_macros"]
    ]
    folders = [*prefs["codegen.cpp.include_dirs"], np.get_include(), sysconfig.get_path("include")]
    folders += header_folders()
    found = [f"-L{folder}" for folder in prefs["codegen.cpp.library_dirs"]]
    found += [f"-Wl,-rpath,{folder}" for folder in prefs["codegen.cpp.runtime_library_dirs"]]
    linked = [f"-l{library}" for library in prefs["codegen.cpp.libraries"]]
    return [*macros, *(f"-I{folder}" for folder in folders), *found, *linked, *prefs["codegen.cpp.extra_link_args"]]


def _load(key: str) -> bool:
    """Take a function from the cache, if it is there."""
    if key in LOADED:
        return True
    index = part_of_cache("functions") / key
    try:
        with index.open() as file:
            module = file.read(64)
    except (OSError, ValueError):
        return False
    if not KEY.fullmatch(module) or not (part_of_cache("modules") / module).is_dir():
        return False

    def missing() -> Path:
        raise FileNotFoundError(module)

    try:
        _import(module, missing)
    except OSError:
        return False
    return key in LOADED


def _import(module: str, build: Callable[[], Path]) -> None:
    """Import a module from the cache, where it is built if it is missing or damaged."""
    name = f"brianconv_{module}"
    if module not in MODULES:
        with WorkingFolder(part_of_cache("runs")) as own:
            library = fetch_program(module, own, build, part="modules", name=f"{name}.so")
            spec = importlib.util.spec_from_file_location(name, library)
            assert spec is not None and spec.loader is not None
            imported = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(imported)
        MODULES[module] = imported
    for function in dir(MODULES[module]):
        if function.startswith("main_"):
            LOADED[function.removeprefix("main_")] = getattr(MODULES[module], function)


def _compile(
    functions: Sequence[Function], keys: Mapping[Function, str], names: Mapping[Function, str], compiler: Compiler
) -> None:  # fmt: skip
    """Compile functions in as few modules as there are cores; one by one, where a module does not compile."""
    with progress_bar(len(functions), "compiling", "object", delay=SHORTEST_S) as bar:
        failed = []
        for group, error in _built(_shared_out(functions, _cores()), keys, compiler):
            bar.update(len(group))
            if error is not None:
                failed += [(function, error) for function in group]
        if not failed:
            return
        bar.reset(len(failed))
        for group, error in _built([[function] for function, _ in failed], keys, compiler):
            bar.update()
            if error is not None:
                raise type(error)(f"{names[group[0]]}: {error}") from error


def _built(
    groups: Iterable[Sequence[Function]], keys: Mapping[Function, str], compiler: Compiler
) -> Iterable[tuple[Sequence[Function], Exception | None]]:
    """Build groups of functions side by side; yield each with what went wrong, if anything did."""
    with ThreadPoolExecutor(_cores()) as pool:
        futures = {pool.submit(_build, group, keys, compiler): group for group in groups}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, CompilerError):
                raise error
            yield futures[future], error


def _build(functions: Sequence[Function], keys: Mapping[Function, str], compiler: Compiler) -> None:
    members = sorted(keys[function] for function in functions)
    module = hashlib.sha256("\0".join(members).encode()).hexdigest()[:32]
    with WorkingFolder(part_of_cache("runs")) as folder:
        _import(module, lambda: _library(module, functions, keys, compiler, folder))
    for key in members:
        write_atomically(part_of_cache("functions") / key, lambda file: file.write(module.encode()))


def _library(
    module: str, functions: Sequence[Function], keys: Mapping[Function, str], compiler: Compiler, folder: Path
) -> Path:
    """Compile a module in a folder, and return its library."""
    name = f"brianconv_{module}"
    support = dict.fromkeys(definition for function in functions for definition in function.support)
    mains = [f"def main_{keys[function]}(_namespace):{function.body}\n" for function in functions]
    source = "\n\n".join([functions[0].head, *support, *mains])
    with reported(folder, REMEDY):
        (folder / f"{name}.pyx").write_text(source)
    # in the environment of this process, so that Cython is found; -P: not in the folder of the source
    python = [sys.executable, "-P", "-m", "cython", "-3", "--cplus", f"{name}.pyx"]
    _call(python, folder, dict(os.environ))
    flags = [*compiler_flags().split(), *FLAGS, *_preferences()]
    _call([*compiler.command, *flags, f"{name}.cpp", "-o", f"{name}.so"], folder, compiler.environment)
    return folder / f"{name}.so"


def _call(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    try:
        status, output = call(command, folder, environment, BUILD_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"{command[0]} did not compile the generated code within {BUILD_LIMIT_S:g} s") from error
    if status:
        raise failure(output, "the generated Cython code did not compile", folder)


def _shared_out(functions: Sequence[Function], n_groups: int) -> list[list[Function]]:
    """Share functions out, so that groups of those with the same head are about equally long."""
    groups: list[list[Function]] = []
    for head in dict.fromkeys(function.head for function in functions):
        parts: list[list[Function]] = [[] for _ in range(n_groups)]
        for function in sorted((f for f in functions if f.head == head), key=lambda f: f.size, reverse=True):
            min(parts, key=lambda part: sum(f.size for f in part)).append(function)
        groups += [part for part in parts if part]
    return groups


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
