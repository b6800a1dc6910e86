"""Export a network as a self-contained C++ project that classifies images without Python."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
from brian2 import Quantity, get_device, ms
from brian2.devices.device import Device

from brianconv.errors import OutputError
from brianconv.files import WorkingFolder, reported
from brianconv.simulation.network import BrianNetwork, Settings, parameter_values
from brianconv.simulation.program import generate_sources
from brianconv.simulation.sources import bundle_sources
from brianconv.spiking import SpikingNetwork

PORTABLE_FLAGS = "-w -O3 -ffast-math -fno-finite-math-only -std=c++11"


def export_program(
    spiking: SpikingNetwork,
    folder: str | Path,
    settings: Settings,
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
    settings : Settings
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
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{str(folder)!r} exists and is not an empty folder; choose another --out folder")
    build = {"synapses": synapses, "dtype": dtype, "dt": dt}
    with WorkingFolder(folder.absolute().parent) as working, reported(folder):
        project = working / "project"
        names = generate_sources(spiking, project, build, _end_without_files)
        bundle_sources(project, PORTABLE_FLAGS)
        _write_classifier(spiking, project, names, float(dt / ms))
        values = parameter_values(spiking, settings, 1)
        del values["schedule.n_images"]
        lines = [f"{name}={value!r}" for name, value in values.items()]
        (project / "parameters.txt").write_text("\n".join(["# read by ./main at start", *lines]) + "\n")
        (project / "network.txt").write_text(spiking.describe() + "\n")
        if folder.exists():
            folder.rmdir()
        project.rename(folder)
    return folder


def _end_without_files(brian: BrianNetwork) -> dict[str, str]:
    """Keep the program from writing all arrays; return the names of those that the classifier reads."""
    device: Device = get_device()
    device.insert_code("before_end", "return 0;")
    variables = brian.image_end.variables
    return {name: device.get_array_name(variables[name], access_data=False) for name in ("steps", "decisions")}


def _write_classifier(spiking: SpikingNetwork, project: Path, names: Mapping[str, str], dt_ms: float) -> None:
    shape = spiking.graph.input_shape
    values = {
        "@N_PIXELS@": str(int(np.prod(shape))),
        "@DT_MS@": repr(dt_ms),
        "@STEPS@": names["steps"],
        "@DECISIONS@": names["decisions"],
        "@SHAPE@": " x ".join(map(str, shape)),
        "@SHAPE_COMMAS@": ", ".join(map(str, shape)),
    }
    for name in ("classify.cpp", "README.md"):
        text = resources.files("brianconv.simulation").joinpath("exported", name).read_text()
        for key, value in values.items():
            text = text.replace(key, value)
        (project / name).write_text(text)
    main = project / "main.cpp"
    main.write_text(main.read_text().replace("int main(int argc", "int brian_main(int argc", 1))
    makefile = project / "Makefile"
    makefile.write_text(makefile.read_text().replace("main: ", "main: classify.o ", 1))
