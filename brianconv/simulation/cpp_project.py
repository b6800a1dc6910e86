"""Bundle the many C++ files that Brian2 generates into a few that compile in a fraction of the time.

Most of a build goes into reading the same headers for every small file. Each code object keeps a namespace of its own,
so that its support code cannot clash with that of another.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from brianconv.errors import SimulationError

UNITS = 4 if (os.cpu_count() or 1) > 2 else 2
# files without an inner loop: one unit, since each would read the same headers again
PLAIN = ("objects.cpp", "run.cpp", "synapses_classes.cpp", "aligned_arrays.cpp")
ALIGNED_ARRAYS = """\
// arrays begin at a cache line: misaligned vectors cost up to half of the speed
#include <cstdlib>
#include <new>

void *operator new[](std::size_t size)
{
    void *memory = nullptr;
    if (posix_memalign(&memory, 64, size ? size : 1)) throw std::bad_alloc();
    return memory;
}
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }
"""
FUNCTION = re.compile(r"^void (_(?:before_run|after_run|run)_\w+)\(\)", re.MULTILINE)
INCLUDE = re.compile(r"^\s*#include\s*(.+?)\s*$", re.MULTILINE)
LOADED = re.compile(r"\b(f\w+)\.read\((.*)\);")  # not f.read, which sets variables from files of the user
ALLOCATED = re.compile(r"^ *\w+ = new .+;\n", re.MULTILINE)
MISSING = re.compile(r'std::cout << "Error opening static array (\w+)\." << endl;')
REFUSED = 'std::cerr << "cannot read static_arrays/{} completely" << std::endl; exit(3);'
MAKEFILE = """\
# make; ./main --results_dir FOLDER/ NAME=VALUE ...
CXX ?= g++
CXXFLAGS ?= {flags}

main: {objects}
\t$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@

%.o: %.cpp
\t$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(PLAIN) -I. -c $< -o $@

# what runs once, at the start and at the end, takes most of the compiler's time if it is optimised
main.o: PLAIN = -O0
"""


def bundle_sources(folder: Path, flags: str) -> None:
    """Replace a generated project's code object files by a few bundles, and its makefile by a short one.

    Parameters
    ----------
    folder : Path
        A project written by Brian2's C++ standalone device.
    flags : str
        Compiler flags.
    """
    files = sorted((folder / "code_objects").glob("*.cpp"))
    files.sort(key=lambda file: file.stat().st_size, reverse=True)  # so that the units are about equally long
    for unit in range(UNITS):
        (folder / f"code_objects_{unit}.cpp").write_text(_bundle(files[unit::UNITS]))
    for file in files:
        file.unlink()
    arrays = folder / "objects.cpp"
    arrays.write_text(_allocated_once(_with_checked_loading(arrays.read_text())))
    (folder / "aligned_arrays.cpp").write_text(ALIGNED_ARRAYS)
    shutil.rmtree(folder / "results", ignore_errors=True)
    plain = [name for name in PLAIN if (folder / name).exists()]
    main = folder / "main.cpp"
    main.write_text("".join(f'#include "{name}"\n' for name in plain) + main.read_text())
    compiled = [path for path in folder.rglob("*.cpp") if path.parent != folder or path.name not in plain]
    objects = sorted(str(path.relative_to(folder).with_suffix(".o")) for path in compiled)
    (folder / "makefile").unlink()
    (folder / "Makefile").write_text(MAKEFILE.format(flags=flags, objects=" ".join(objects)))


def _with_checked_loading(text: str) -> str:
    """Make a missing or damaged file of weights an error: Brian2's code would continue with whatever is in memory."""
    arrays = text.count('.open("static_arrays/')
    text, loaded = LOADED.subn(
        lambda f: f"if (!{f[1]}.read({f[2]}) || {f[1]}.peek() != EOF) {{ {REFUSED.format(f[1][1:])} }}", text
    )
    text, missing = MISSING.subn(lambda found: REFUSED.format(found[1]), text)
    if not arrays == loaded == missing:
        raise SimulationError(
            "this version of Brian2 loads arrays in a way that brianconv does not know; see README.md"
        )
    return text


def _allocated_once(text: str) -> str:
    """Drop the second allocation of arrays for which Brian2 writes two, so that leak checkers stay silent."""
    seen: set[str] = set()

    def kept(line: re.Match[str]) -> str:
        first = line[0] not in seen
        seen.add(line[0])
        return line[0] if first else ""

    return ALLOCATED.sub(kept, text)


def _bundle(files: list[Path]) -> str:
    texts = {file.stem: file.read_text() for file in files}
    includes = sorted({name for text in texts.values() for name in INCLUDE.findall(text)})
    heading = "\n".join(f"#include {name}" for name in includes)
    return "\n\n".join([heading, *(_in_namespace(stem, text) for stem, text in texts.items())]) + "\n"


def _in_namespace(stem: str, text: str) -> str:
    body = INCLUDE.sub("", text).strip()
    functions = sorted(set(FUNCTION.findall(body)))
    calls = "\n".join(f"void {name}() {{ {stem}_unit::{name}(); }}" for name in functions)
    return f"namespace {stem}_unit {{\n{body}\n}}\n{calls}"
