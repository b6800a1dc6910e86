"""Export a network as a self-contained C++ project that classifies images without Python."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
from brian2 import Quantity, get_device, ms
from brian2.devices.device import Device

from brianconv.coding.scheme import Parameter
from brianconv.errors import OutputError
from brianconv.files import WorkingFolder, reported
from brianconv.simulation.cpp_project import bundle_sources
from brianconv.simulation.export_parameters import ProgramParameters, program_parameters
from brianconv.simulation.program import LONGEST_RUN_STEPS, generate_sources
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.standalone import StandaloneNetwork
from brianconv.spiking import SpikingNetwork

PORTABLE_FLAGS = "-w -O3 -ffast-math -fno-finite-math-only -std=c++11"
CONTENTS = """\
// What this program was made for; classify.cpp refuses anything else. Written by brianconv.
static const size_t n_pixels = {n_pixels};
static const double pixel_low = {low!r}, pixel_high = {high!r};
static const double dt_ms = {dt_ms!r}, longest_run_steps = {longest}.0;
static const char delay[] = "{output}.evaluation_delay", skip[] = "{output}.skip";

static const StaticArray static_arrays[] = {{  // name, bytes, CRC-32
    {arrays}}};

static const Parameter parameters[] = {{  // name, lowest, highest, whole number, has the same value as
    {parameters}}};

static const char *const compiled_in[] = {{{fixed}
    nullptr}};

static const Below below[] = {{  // the first has a lower value than the second
    {below}}};
"""


def export_program(
    spiking: SpikingNetwork,
    folder: str | Path,
    settings: RunSettings,
    *,
    synapses: str = "structured",
    dtype: str = "float64",
    dt: Quantity = 1 * ms,
) -> Path:
    """Write a C++ project with its data, a Makefile and a README.

    Parameters
    ----------
    spiking : SpikingNetwork
    folder : path
        New or empty.
    settings : RunSettings
        Written into parameters.txt, where they can be changed.
    synapses : {"structured", "explicit"}
    dtype : {"float64", "float32"}
    dt : Quantity
        Length of a step.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written or is not empty.
    ParameterError
        If the program could not run with a value of a parameter.
    """
    folder = Path(folder).absolute()
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise OutputError(f"{str(folder)!r} exists and is not an empty folder; choose another --out folder")
    spiking = spiking.in_steps(dt)
    parameters = program_parameters(spiking, settings, dtype)
    build = {"synapses": synapses, "dtype": dtype, "dt": dt}
    with WorkingFolder(folder.parent) as working, reported(folder):
        project = working / "project"
        names = generate_sources(spiking, project, build, _end_without_files)
        bundle_sources(project, PORTABLE_FLAGS)
        finite = np.finfo(dtype)
        bounds = (0.0, 1.0) if spiking.coding.encoding.bounded else (float(finite.min), float(finite.max))
        _write_classifier(spiking, project, names)
        (project / "contents.h").write_text(contents_header(spiking, project, parameters, bounds, float(dt / ms)))
        (project / "parameters.txt").write_text(parameters_file(parameters))
        (project / "network.txt").write_text(spiking.describe() + "\n")
        _move(project, folder)
    return folder


def _move(project: Path, folder: Path) -> None:
    """Move a project to its place, replacing an empty folder."""
    try:
        if folder.exists():
            folder.rmdir()
        project.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {str(folder)!r} ({error.strerror}); choose another --out folder") from error


def _end_without_files(brian: StandaloneNetwork) -> dict[str, str]:
    """Keep the program from writing all arrays; return the names of those that the classifier reads."""
    device: Device = get_device()
    device.insert_code("before_end", "return 0;")
    variables = brian.image_end.variables
    return {name: device.get_array_name(variables[name], access_data=False) for name in ("steps", "decisions")}


def parameters_file(parameters: ProgramParameters) -> str:
    """Return the text of parameters.txt: every parameter that may be changed, with its meaning and its range."""
    lines = ["# Read by ./main at start: each parameter once, as NAME=VALUE without spaces."]
    described = ""
    for parameter in parameters.changeable:
        variable, limits = parameter.name.partition(".")[2], parameter.limits
        if variable != described:
            shared = "" if limits.per_layer else ", the same for all layers"
            lines += ["", f"# {limits.meaning}: {limits.whole * 'whole '}number {_range(limits)}{shared}"]
            described = variable
        lines.append(f"{parameter.name}={parameter.value!r}")
    lines += ["", "# Compiled in; other values need another export:"]
    lines += [f"#   {name}={value!r}" for name, value in parameters.fixed.items()]
    return "\n".join(lines if parameters.fixed else lines[:-2]) + "\n"


def _range(limits: Parameter) -> str:
    if limits.high < float(np.finfo("float32").max):
        return f"in [{limits.low:.10g}, {limits.high:.10g}]"
    return "above 0" if limits.low > 0 else f"of at least {limits.low:.10g}"


def contents_header(
    spiking: SpikingNetwork,
    project: Path,
    parameters: ProgramParameters,
    bounds: tuple[float, float],
    dt_ms: float,
) -> str:
    """Return the tables against which classify.cpp checks images, parameters.txt and static_arrays."""
    arrays = [
        f'{{"{path.name}", {path.stat().st_size}u, {zlib.crc32(path.read_bytes())}u}}'
        for path in sorted((project / "static_arrays").iterdir())
    ]
    rows = [
        f'{{"{p.name}", {float(p.limits.low)!r}, {float(p.limits.high)!r}, {str(p.limits.whole).lower()}, '
        f'"{p.equal_to}"}}'
        for p in parameters.changeable
    ]
    fixed = [f'"{name}={value!r}"' for name, value in parameters.fixed.items()]
    below = [f'{{"{low}", "{high}"}}' for low, high in parameters.below]
    return CONTENTS.format(
        n_pixels=int(np.prod(spiking.graph.input_shape)),
        dt_ms=dt_ms,
        low=float(bounds[0]),
        high=float(bounds[1]),
        longest=LONGEST_RUN_STEPS,
        output=spiking.output,
        arrays=",\n    ".join(arrays),
        parameters=",\n    ".join(rows),
        fixed="".join(f"\n    {line}," for line in fixed),
        below=",\n    ".join(below),
    )


def _write_classifier(spiking: SpikingNetwork, project: Path, names: Mapping[str, str]) -> None:
    shape = spiking.graph.input_shape
    bounded = spiking.coding.encoding.bounded
    values = {
        "@N_PIXELS@": str(int(np.prod(shape))),
        "@STEPS@": names["steps"],
        "@DECISIONS@": names["decisions"],
        "@SHAPE@": " x ".join(map(str, shape)),
        "@SHAPE_COMMAS@": ", ".join(map(str, shape)),
        "@PIXELS@": "in [0, 1]" if bounded else "finite, as the network was trained with them",
    }
    for name in ("classify.cpp", "README.md"):
        text = resources.files("brianconv.simulation").joinpath("exported", name).read_text()
        for key, value in values.items():
            text = text.replace(key, value)
        (project / name).write_text(text)
    main = project / "main.cpp"
    main.write_text(main.read_text().replace("int main(int argc", "int brian_main(int argc", 1))
    makefile = project / "Makefile"
    makefile.write_text(makefile.read_text().replace("main: ", "main: classify.o ", 1) + "\nclassify.o: contents.h\n")
