"""Compile the generated C++ of a network once, and run the program on any images and parameter values.

A program is stored under the hash of its generated sources and compiler flags. Weights, images and parameter values
are files and arguments that it reads at start, so that other weights of the same structure need no compilation.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from brian2 import device, get_device, ms, set_device
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.core.base import BrianObjectException
from brian2.core.variables import DynamicArrayVariable
from brian2.devices.device import reset_device
from filelock import FileLock

from brianconv.errors import CompilerError, ParameterError, SimulationError
from brianconv.files import working_folder, writable_folder
from brianconv.simulation.compat import profiled_seconds
from brianconv.simulation.network import (
    BrianNetwork,
    Settings,
    build_network,
    explained,
    layout_images,
    parameter_values,
)
from brianconv.simulation.readout.generated import is_standalone
from brianconv.simulation.sources import bundle_sources
from brianconv.spiking import SpikingNetwork

Ending = TypeVar("Ending")
LONGEST_RUN_STEPS = 10**9
IMAGES_MAGIC = b"brianimg"
WRITE_RESULTS = """
{
    using namespace brian;
%s
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.compare(0, 6, "VmHWM:") == 0)
            std::cout << "peak_memory_kb " << std::atol(line.c_str() + 6) << std::endl;
}
return 0;  // only the results are wanted, not the state of every array
"""
WRITE_1D = """    {
        std::ofstream file(results_dir + "%(name)s", std::ios::binary);
        file.write(reinterpret_cast<const char *>(%(array)s.data()), %(array)s.size() * sizeof(%(array)s[0]));
        if (!file) { std::cerr << "cannot write " << results_dir << "%(name)s" << std::endl; return 4; }
    }"""
WRITE_2D = """    {
        std::ofstream file(results_dir + "%(name)s", std::ios::binary);
        for (int row = 0; row < %(array)s.n; row++)
            file.write(reinterpret_cast<const char *>(&%(array)s(row, 0)), %(array)s.m * sizeof(%(array)s(0, 0)));
        if (!file) { std::cerr << "cannot write " << results_dir << "%(name)s" << std::endl; return 4; }
    }"""


@dataclass(frozen=True)
class Result:
    """One array that a program writes: its dtype, and its row length if it has rows."""

    dtype: str
    columns: int | None


def cache_folder() -> Path:
    """Return the folder of compiled programs: $BRIANCONV_CACHE, or brianconv in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BRIANCONV_CACHE") or Path(base) / "brianconv")


class Program:
    """A compiled network with its weights.

    Make one with `compile_network`; it can be run any number of times, with other images, steps and parameter values.

    Attributes
    ----------
    folder : Path
        Where the executable lies.
    data : Path
        Folder of the weights and biases of this network, as the program reads them; deleted with the object.
    """

    def __init__(self, folder: Path, data: Path, results: Mapping[str, Result], dt_s: float) -> None:
        self.folder = folder
        self.data = data
        self.results = results
        self.dt_s = dt_s
        weakref.finalize(self, shutil.rmtree, data, ignore_errors=True)

    def run(
        self,
        spiking: SpikingNetwork,
        images: np.ndarray,
        settings: Settings,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the program and return the arrays it writes.

        Parameters
        ----------
        spiking : SpikingNetwork
            The compiled network, perhaps with other parameter values.
        images : array, shape (n_images, channels, rows, columns)
        settings : Settings
        progress : callable, optional
            Called with the number of images done so far.

        Raises
        ------
        SimulationError
            If the program fails.
        """
        rows = layout_images(spiking, images)
        values = parameter_values(spiking, settings, len(rows))
        arguments = [f"{name}={value!r}" for name, value in values.items()]
        with tempfile.TemporaryDirectory(prefix="results_", dir=self.data) as folder:
            write_images(Path(folder) / "images", rows)
            command = [str(self.folder / "main"), "--results_dir", f"{folder}/", *arguments]
            said = _run(command, self.data, progress)
            written = {name: _read(Path(folder) / name, result) for name, result in self.results.items()}
            return written | {name: np.array([value]) for name, value in said.items()}


def write_images(path: Path, rows: np.ndarray) -> None:
    """Write images, shape (n_images, n_pixels) in torch's order, as a program reads them.

    The format: the 8 bytes ``brianimg``, the numbers of images and of pixels an image as 64-bit integers, then the
    pixels as 64-bit floating-point numbers; little endian.
    """
    with path.open("wb") as file:
        file.write(IMAGES_MAGIC)
        np.array(rows.shape, dtype="<i8").tofile(file)
        rows.astype("<f8", copy=False).tofile(file)


def _run(command: list[str], folder: Path, progress: Callable[[int], None] | None) -> dict[str, float]:
    """Run a program; return the numbers that it prints of itself: its peak memory, and seconds of its operations."""
    said: dict[str, float] = {}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            for line in process.stdout or ():
                if progress and line.startswith("images "):
                    progress(int(line.split()[1]))
                elif line.startswith(("seconds_", "peak_memory_kb ")):
                    said[line.split()[0]] = float(line.split()[1])
            process.wait()
        except BaseException:
            process.kill()
            raise
        errors.seek(0)
        if process.returncode:
            reason = errors.read().strip() or _signal_name(process.returncode)
            raise SimulationError(f"the generated program failed: {reason}")
    return said


def _signal_name(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _read(path: Path, result: Result) -> np.ndarray:
    array = np.fromfile(path, dtype=result.dtype)
    return array if result.columns is None else array.reshape(-1, result.columns)


def compile_network(spiking: SpikingNetwork, *, profile: bool = False, **build: Any) -> Program:
    """Generate and compile the C++ program of a network, or find it compiled.

    Parameters
    ----------
    spiking : SpikingNetwork
    profile : bool
        Whether the program measures the seconds spent in each of its operations: `Program.run` returns them as
        ``seconds_NAME``.
    **build
        Arguments of `build_network`: synapses, dtype, dt, record_spikes, record_potentials.

    Raises
    ------
    CompilerError
        If there is no C++ compiler or make, or compilation fails.
    """
    check_compiler()
    data = working_folder(cache_folder() / "runs")
    source = data / "source"
    try:
        results = generate_sources(spiking, source, build, _write_only_results, profile)
        bundle_sources(source, compiler_flags())
        shutil.move(source / "static_arrays", data / "static_arrays")
        folder = _compiled(source)
        shutil.rmtree(source)
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    return Program(folder, data, results, float(build.get("dt", 1 * ms)))


def check_device() -> None:
    """Raise ParameterError if the user has set Brian2's device to C++ standalone."""
    if is_standalone():
        raise ParameterError(
            "Brian2's device is set to C++ standalone; brianconv sets it itself for mode='standalone': call "
            "brian2.devices.device.reset_device() first, or use build_network() to build within your own program"
        )


def check_compiler() -> None:
    """Raise CompilerError unless there are a C++ compiler and make."""
    for command, package in ((_compiler(), "g++"), ("make", "make")):
        if shutil.which(command) is None:
            raise CompilerError(
                f"{command} was not found, which C++ standalone mode needs: install it "
                f"(Debian: apt-get install {package}), or use mode='runtime'"
            )


def compiler_flags() -> str:
    """Return Brian2's compiler flags, for this processor.

    On x86, vectors of 256 bits: rows of weights rarely begin where cache lines do, and vectors of 512 bits then cross a
    line in every step (measured on Zen 4: 8 % slower).
    """
    flags = list(get_compiler_and_args()[1])
    chosen = any("prefer-vector-width" in flag for flag in flags)
    return " ".join(flags if chosen or platform.machine() != "x86_64" else [*flags, "-mprefer-vector-width=256"])


def _compiler() -> str:
    return os.environ.get("CXX") or "g++"


def generate_sources(
    spiking: SpikingNetwork,
    folder: Path,
    build: Mapping[str, Any],
    end: Callable[[BrianNetwork], Ending],
    profile: bool = False,
) -> Ending:
    """Write the C++ project of a network as Brian2 generates it.

    Parameters
    ----------
    spiking : SpikingNetwork
    folder : Path
    build : mapping
        Arguments of `build_network`.
    end : callable
        Inserts what the program does at its end, and returns what the caller wants to know.
    profile : bool
        Whether the program prints the seconds spent in each operation.

    Raises
    ------
    ParameterError
        If Brian2's active device is C++ standalone already.
    """
    check_device()
    set_device("cpp_standalone", build_on_run=False, directory=str(folder))
    try:
        with _names_within_this_program():
            brian = build_network(spiking, **build)
            ending = end(brian)
            with explained(brian, (BrianObjectException,)):
                brian.network.run(LONGEST_RUN_STEPS * brian.dt, namespace={}, profile=profile)
            if profile:
                _print_profile()
            device.build(directory=str(folder), compile=False, run=False)
        return ending
    finally:
        get_device().reinit()
        reset_device()


def _print_profile() -> None:
    names = get_device().profiled_codeobjects
    lines = [f'std::cout << "seconds_{name} " << {profiled_seconds(name)} << std::endl;' for name in names]
    get_device().code_lines["before_end"][:0] = lines  # ahead of the end of the program


@contextmanager
def _names_within_this_program() -> Iterator[None]:
    """Keep Brian2 from numbering code objects after those of other networks that are alive in this process.

    The same network must give the same sources, or it would be compiled again.
    """
    module: Any = importlib.import_module("brian2.devices.device")
    find_name = module.find_name
    module.find_name = lambda name: find_name(name, get_device().code_objects)
    try:
        yield
    finally:
        module.find_name = find_name


def _write_only_results(brian: BrianNetwork) -> dict[str, Result]:
    variables: dict[str, DynamicArrayVariable] = {
        name: brian.image_end.variables[name] for name in ("steps", "decided")
    }
    for name, counter in brian.counters.items():
        variables[f"spikes_{name}"] = counter.variables["spikes"]
        variables[f"operations_{name}"] = counter.variables["operations"]
    for name, spikes in brian.spike_monitors.items():
        variables[f"spike_neuron_{name}"] = spikes.variables["i"]
        variables[f"spike_time_{name}"] = spikes.variables["t"]
    columns = {"scores": len(brian.score_monitor.record)}
    variables["scores"] = brian.score_monitor.variables["score"]
    for name, potentials in brian.potential_monitors.items():
        columns[f"potential_{name}"] = len(potentials.record)
        variables[f"potential_{name}"] = potentials.variables["v"]
    blocks = [
        (WRITE_2D if name in columns else WRITE_1D)
        % {"name": name, "array": get_device().get_array_name(variable, access_data=False)}
        for name, variable in variables.items()
    ]
    device.insert_code("before_end", WRITE_RESULTS % "\n".join(blocks))
    return {name: Result(np.dtype(v.dtype).str, columns.get(name)) for name, v in variables.items()}


def _compiled(source: Path) -> Path:
    """Return the folder of the compiled program for these sources; compile it there if it is not there yet."""
    folder = cache_folder() / "programs" / _digest(source)
    writable_folder(folder.parent)
    with FileLock(f"{folder}.lock"):
        if not (folder / "main").exists():
            _make(source)
            shutil.rmtree(folder, ignore_errors=True)
            complete = source.with_name("complete")
            complete.mkdir()
            shutil.move(source / "main", complete / "main")
            complete.rename(folder)
    return folder


def _digest(source: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(_machine().encode())
    return digest.hexdigest()[:32]


def _machine() -> str:
    """Describe compiler and processor: a program compiled with -march=native runs on that processor only."""
    compiler = subprocess.run([_compiler(), "--version"], capture_output=True, text=True, check=False).stdout
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return f"{compiler}\n{platform.machine()}\n{features}"


def _make(source: Path) -> None:
    jobs = os.cpu_count() or 1
    made = subprocess.run(["make", "-j", str(jobs)], cwd=source, capture_output=True, text=True, check=False)
    if made.returncode:
        tail = "\n".join(made.stderr.strip().splitlines()[-20:])
        raise CompilerError(f"the generated C++ program did not compile:\n{tail}")
