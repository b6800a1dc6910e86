"""Compile the generated C++ of a network once, and run the program on any images and parameter values.

A program is stored under the hash of its generated sources, the compiler and its settings. Weights, images and
parameter values are files and arguments that it reads at start, so that other weights of the same structure need no
compilation. It ends with the process that started it.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from brian2 import device, get_device, ms, set_device
from brian2.core.base import BrianObjectException
from brian2.core.variables import DynamicArrayVariable
from brian2.devices.device import reset_device

from brianconv.errors import OutputError, ParameterError, SimulationError
from brianconv.files import MORE_FILES, WorkingFolder, reported
from brianconv.simulation.build import build_network
from brianconv.simulation.cache import REMEDY, fetch_program, part_of_cache, program_key
from brianconv.simulation.compat import names_within_this_program, profiled_seconds
from brianconv.simulation.compiler import Compiler, compiler_flags, find_compiler, make
from brianconv.simulation.cpp_project import bundle_sources
from brianconv.simulation.extension import PREFIX
from brianconv.simulation.extension import results as extension_results
from brianconv.simulation.network import explained
from brianconv.simulation.readout.on_image import is_standalone
from brianconv.simulation.run_settings import RunSettings
from brianconv.simulation.run_values import layout_images, parameter_values
from brianconv.simulation.standalone import StandaloneNetwork
from brianconv.spiking import SpikingNetwork

Ending = TypeVar("Ending")
DEVICE_LOCK = threading.RLock()  # all threads share Brian2's device
LONGEST_RUN_STEPS = 10**9
PARENT = "BRIANCONV_PARENT"
CANNOT_WRITE = 4  # exit status
MESSAGE_LINES = 20
IMAGES_MAGIC = b"brianimg"
END_WITH_PARENT = f"""
if (const char *parent = std::getenv("{PARENT}"))
{{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != std::atol(parent)) return 5;  // it ended before
}}
"""
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
CLOSE_FILE = """        file.close();
        if (!file)
        {
            std::cerr << "cannot write " << results_dir << "%(name)s: " << std::strerror(errno) << std::endl;
            return 4;
        }
    }"""
WRITE_1D = (
    """    {
        std::ofstream file(results_dir + "%(name)s", std::ios::binary);
        file.write(reinterpret_cast<const char *>(%(array)s.data()), %(array)s.size() * sizeof(%(array)s[0]));
"""
    + CLOSE_FILE
)
WRITE_2D = (
    """    {
        std::ofstream file(results_dir + "%(name)s", std::ios::binary);
        for (int row = 0; row < %(array)s.n; row++)
            file.write(reinterpret_cast<const char *>(&%(array)s(row, 0)), %(array)s.m * sizeof(%(array)s(0, 0)));
"""
    + CLOSE_FILE
)


@dataclass(frozen=True)
class Result:
    """One array that a program writes: its dtype, and its row length if it has rows."""

    dtype: str
    columns: int | None


class Program:
    """A compiled network with its weights.

    Make one with `compile_network`; it can be run any number of times, with other images, steps and parameter values.

    Attributes
    ----------
    data : Path
        Folder of the executable, and of the weights and biases of this network as it reads them; deleted with the
        object by the process that made it.
    executable : Path
    """

    def __init__(self, working: WorkingFolder, executable: Path, results: Mapping[str, Result], dt_s: float) -> None:
        self.working = working
        self.data = working.path
        self.executable = executable
        self.results = results
        self.dt_s = dt_s
        self.weight_sizes = self._weight_sizes()

    def start(self, spiking: SpikingNetwork, images: np.ndarray, settings: RunSettings) -> Run:
        """Start a process of the program; see `run`. It must be ended by `Run.end`."""
        if self._weight_sizes() != self.weight_sizes:
            raise SimulationError(f"weights in {str(self.data)!r} are missing or damaged; build the simulation again")
        return Run(self, layout_images(spiking, images), parameter_values(spiking, settings, len(images)), settings)

    def run(
        self,
        spiking: SpikingNetwork,
        images: np.ndarray,
        settings: RunSettings,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the program and return the arrays it writes.

        Parameters
        ----------
        spiking : SpikingNetwork
            The compiled network, perhaps with other parameter values.
        images : array, shape (n_images, channels, rows, columns)
        settings : RunSettings
        progress : callable, optional
            Called with the number of images done so far.

        Raises
        ------
        SimulationError
            If the program cannot be started, fails, or writes arrays other than those requested.
        OutputError
            If images or results cannot be written.
        """
        run = self.start(spiking, images, settings)
        try:
            while run.read():
                if progress:
                    progress(run.images_done)
            return run.arrays()
        finally:
            run.end()

    def _weight_sizes(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in (self.data / "static_arrays").glob("*")}


class Run:
    """One process of a program, with a folder for its images and results.

    Attributes
    ----------
    images_done : int
        Number of images that it has reported so far.
    """

    def __init__(self, program: Program, rows: np.ndarray, values: Mapping[str, Any], settings: RunSettings) -> None:
        self.program = program
        self.n_images = len(rows)
        self.n_steps = settings.n_steps
        self.images_done = 0
        self._numbers: dict[str, float] = {}  # what it reports about itself: peak memory, and seconds of its operations
        self._messages: list[str] = []
        self._incomplete = b""
        with reported(program.data, REMEDY):
            self.folder = Path(tempfile.mkdtemp(prefix="results_", dir=program.data))
        try:
            with reported(self.folder, REMEDY):
                write_images(self.folder / "images", rows)
            arguments = [f"{name}={value!r}" for name, value in values.items()]
            self.process = self._start(arguments)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [str(self.program.executable), "--results_dir", f"{self.folder}/", *arguments],
                cwd=self.program.data,
                env={**os.environ, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl+C reaches this process, which ends the program
            )
        except OSError as error:
            few = error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
            remedy = MORE_FILES if few else "build the simulation again"
            raise SimulationError(f"the generated program cannot be started ({error.strerror}); {remedy}") from error

    def fileno(self) -> int:
        """Return the descriptor of what the program prints."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def read(self) -> bool:
        """Wait until the program prints something, and take it in; return False when it has ended."""
        printed = os.read(self.fileno(), 1 << 16)
        *lines, self._incomplete = (self._incomplete + (printed or b"\n")).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace"))
        return bool(printed)

    def _take(self, line: str) -> None:
        if line.startswith("images "):
            self.images_done = int(line.split()[1])
        elif line.startswith(("seconds_", "peak_memory_kb ")):
            self._numbers[line.split()[0]] = float(line.split()[1])
        elif line.strip():
            self._messages = [*self._messages, line][-MESSAGE_LINES:]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what the program has written, once `read` has returned False; see `Program.run` for errors."""
        code = self.process.wait()
        said = "\n".join(self._messages)
        if code in (CANNOT_WRITE, -signal.SIGXFSZ):
            raise OutputError(
                f"the generated program cannot write its results into {str(self.folder)!r} ({said or _ending(code)}); "
                f"free some space there, or {REMEDY}"
            )
        if code or any(line.startswith("Error") for line in self._messages):
            raise SimulationError(f"the generated program failed: {said or _ending(code)}")
        written = {name: _read(self.folder / name, result) for name, result in self.program.results.items()}
        self._check_complete(written)
        return written | {name: np.array([value]) for name, value in self._numbers.items()}

    def _check_complete(self, written: Mapping[str, np.ndarray]) -> None:
        steps = written["steps"]
        if len(steps) != self.n_images:
            raise SimulationError(f"the generated program stopped after {len(steps)} of {self.n_images} images")
        if steps.min() < 1 or steps.max() > self.n_steps:
            raise SimulationError(f"the generated program took {steps.min()} to {steps.max()} steps per image")
        total = int(steps.sum())
        for name, array in written.items():
            if name.startswith(PREFIX):
                expected = len(written[f"{name.rpartition('__')[0]}__t"])
            elif name.startswith(("spike_neuron_", "spike_time_")):
                expected = len(written[f"spike_time_{name.split('_', 2)[2]}"])
            else:
                expected = self.n_images if name in ("steps", "decided") else total
            if len(array) != expected:
                raise SimulationError(
                    f"the generated program wrote {len(array)} rows of {name!r}; there must be {expected}"
                )

    def end(self) -> None:
        """End the process if it still runs, and remove its folder."""
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def write_images(path: Path, rows: np.ndarray) -> None:
    """Write images, shape (n_images, n_pixels) in torch's order, as a program reads them.

    The format: the 8 bytes ``brianimg``, the numbers of images and of pixels per image as 64-bit integers, then the
    pixels as 64-bit floating-point numbers; little endian.
    """
    with path.open("wb") as file:
        file.write(IMAGES_MAGIC)
        np.array(rows.shape, dtype="<i8").tofile(file)
        rows.astype("<f8", copy=False).tofile(file)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _read(path: Path, result: Result) -> np.ndarray:
    size = np.dtype(result.dtype).itemsize * (result.columns or 1)
    if not path.is_file() or path.stat().st_size % size:
        raise SimulationError(f"the generated program did not write {path.name!r} completely")
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
    OutputError
        If the cache cannot be written to, or other users can write to it.
    """
    working = WorkingFolder(part_of_cache("runs"))
    data = working.path
    source = data / "source"
    try:
        with reported(data, REMEDY):
            compiler = find_compiler(data)
            results = generate_sources(spiking, source, build, _write_only_results, profile)
            bundle_sources(source, compiler_flags())
            shutil.move(source / "static_arrays", data / "static_arrays")
            executable = fetch_program(program_key(source, compiler.identity), data, lambda: _made(source, compiler))
            shutil.rmtree(source)
    except BaseException:
        working.remove()
        raise
    return Program(working, executable, results, float(build.get("dt", 1 * ms)))


def _made(source: Path, compiler: Compiler) -> Path:
    make(source, compiler)
    return source / "main"


def check_device() -> None:
    """Raise ParameterError if the user has set Brian2's device to C++ standalone."""
    if is_standalone():
        raise ParameterError(
            "Brian2's device is set to C++ standalone; brianconv sets it itself for mode='standalone': call "
            "brian2.set_device('runtime') first, or use build_network() to build within your own program"
        )


def generate_sources(
    spiking: SpikingNetwork,
    folder: Path,
    build: Mapping[str, Any],
    end: Callable[[StandaloneNetwork], Ending],
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
    with DEVICE_LOCK:
        check_device()
        set_device("cpp_standalone", build_on_run=False, directory=str(folder))
        try:
            with names_within_this_program():
                brian = build_network(spiking, **build)
                assert isinstance(brian, StandaloneNetwork)
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


def _write_only_results(brian: StandaloneNetwork) -> dict[str, Result]:
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
        for variable in potentials.record_variables:
            columns[f"state_{name}__{variable}"] = len(potentials.record)
            variables[f"state_{name}__{variable}"] = potentials.variables[variable]
    for name, (variable, count) in extension_results(brian.extension).items():
        variables[name] = variable  # type: ignore[assignment]
        if count is not None:
            columns[name] = count
    blocks = [
        (WRITE_2D if name in columns else WRITE_1D)
        % {"name": name, "array": get_device().get_array_name(variable, access_data=False)}
        for name, variable in variables.items()
    ]
    get_device().headers += ["<cerrno>", "<cstring>"]
    if sys.platform == "linux":
        get_device().headers += ["<sys/prctl.h>", "<unistd.h>"]
        device.insert_code("before_start", END_WITH_PARENT)
    device.insert_code("before_end", WRITE_RESULTS % "\n".join(blocks))
    return {name: Result(np.dtype(v.dtype).str, columns.get(name)) for name, v in variables.items()}
