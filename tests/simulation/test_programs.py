"""Compiled programs: what they are kept under, what is run, and that no process outlives the one that started it."""

import copy
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
import weakref
from collections import namedtuple
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from torch import nn

from brianconv import Simulation, cli, simulate
from brianconv.conversion.convert import convert
from brianconv.errors import CompilerError, OutputError, SimulationError
from brianconv.files import WorkingFolder
from brianconv.recording import Recording
from brianconv.simulation import compiler, program
from brianconv.simulation.cache import fetch_program, part_of_cache
from brianconv.simulation.compiler import find_compiler
from brianconv.simulation.cpp_project import MAKEFILE
from brianconv.simulation.program import Program, compile_network
from tests.helpers.networks import dyadic_, dyadic_images
from tests.helpers.processes import file_size_limit, forked, names

N_STEPS = 12
IMAGES = dyadic_images(4, (3,))
ENDLESS = {"n_steps": 10**6}
Compiled = namedtuple("Compiled", "spiking simulation executable expected")
Cache = namedtuple("Cache", "folder made")


def tiny_network():
    return convert(dyadic_(nn.Linear(3, 2)), normalization="none", input_shape=(3,), v_init=0.25)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A tiny network, its program, and what a run of it gives."""
    spiking = tiny_network()
    simulation = Simulation(spiking, "standalone")
    executable = tmp_path_factory.mktemp("program") / "main"
    shutil.copy2(simulation.program.executable, executable)
    return Compiled(spiking, simulation, executable, simulation.run(IMAGES, N_STEPS).scores)


@pytest.fixture
def cache(compiled, tmp_path, monkeypatch):
    """A cache of its own, in which "compiling" copies the one program; the list `made` counts it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BRIANCONV_CACHE", str(folder))
    made = []

    def copy_program(source, _):
        made.append(source)
        shutil.copy2(compiled.executable, source / "main")

    monkeypatch.setattr(program, "make", copy_program)
    return Cache(folder, made)


@pytest.fixture
def simulation(compiled, tmp_path):
    """The simulation with a working folder of its own."""
    working, own = WorkingFolder(tmp_path / "runs"), copy.copy(compiled.simulation)
    shutil.copytree(own.program.data / "static_arrays", working.path / "static_arrays")
    shutil.copy2(compiled.executable, working.path / "main")
    own.program = Program(working, working.path / "main", own.program.results, own.program.dt_s)
    return own


def check_runs(simulation, compiled):
    np.testing.assert_array_equal(simulation.run(IMAGES, N_STEPS).scores, compiled.expected)


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def ended(process):
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def programs_of(parent):
    """Numbers of the programs that a process runs."""
    running = []
    for child in psutil.Process(parent).children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == "main" and child.status() != psutil.STATUS_ZOMBIE:
                running.append(child.pid)
    return running


def until(condition):
    while not condition():
        time.sleep(0.02)


# ---- the key


KEYED = ["CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_RUN_PATH",
         "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH", "CCACHE_PREFIX"]  # fmt: skip


def test_all_that_changes_a_program_is_in_its_key(tmp_path, monkeypatch):
    for name in (*KEYED, "CXX"):
        monkeypatch.delenv(name, raising=False)
    script(tmp_path / "c++1", "echo compiler 1\n")
    monkeypatch.setenv("CXX", str(tmp_path / "c++1"))
    plain = find_compiler(tmp_path)
    for name in KEYED:
        with monkeypatch.context() as changed:
            changed.setenv(name, "-O0")
            other = find_compiler(tmp_path)
            assert other.identity != plain.identity and other.environment[name] == "-O0", name
    for name in ("MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES", "DEPENDENCIES_OUTPUT", "OLDPWD"):
        with monkeypatch.context() as changed:
            changed.setenv(name, "n")
            same = find_compiler(tmp_path)
            assert same.identity == plain.identity and name not in same.environment, name
    monkeypatch.setenv("CXXFLAGS", "")
    assert find_compiler(tmp_path) == plain, "empty is as good as not set"
    identities = {plain.identity}
    script(tmp_path / "c++1", "echo compiler 2\n")
    identities.add(find_compiler(tmp_path).identity)
    monkeypatch.setenv("CXX", f"{tmp_path / 'c++1'} -m64")
    identities.add(find_compiler(tmp_path).identity)
    script(tmp_path / "c++2", "echo compiler 2\n")
    monkeypatch.setenv("CXX", str(tmp_path / "c++2"))
    identities.add(find_compiler(tmp_path).identity)
    assert len(identities) == 4, "version, arguments and path of the compiler"


@pytest.fixture
def project(tmp_path):
    """A project as a generated one, of a single file."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.cpp").write_text("#include <cstdio>\nint main() { puts(OPTIMISED); }\n")
    (folder / "Makefile").write_text(MAKEFILE.format(flags="-O1 '-DOPTIMISED=\"yes\"'", objects="main.o"))
    return folder


def test_a_launcher_before_the_compiler_and_the_flags_of_make(project, tmp_path, monkeypatch):
    script(tmp_path / "ccache", f'echo "$@" >> {tmp_path}/called\nexec "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CXX", "ccache g++")
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.delenv("CXXFLAGS", raising=False)
    compiler.make(project, find_compiler(project))
    assert subprocess.run([project / "main"], capture_output=True, text=True, check=True).stdout == "yes\n"
    assert "-c main.cpp" in (tmp_path / "called").read_text()
    (project / "main.o").unlink()
    monkeypatch.setenv("CPPFLAGS", "'-DOPTIMISED=\"preprocessor\"'")
    monkeypatch.setenv("CXXFLAGS", "-O0")
    compiler.make(project, find_compiler(project))
    assert subprocess.run([project / "main"], capture_output=True, text=True, check=True).stdout == "preprocessor\n"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [("no-such-compiler -m64", "no-such-compiler was not found"), ("'g++", 'CXX is "\'g\\+\\+", which cannot be read')],
)
def test_an_impossible_compiler_is_named(tmp_path, monkeypatch, chosen, message):
    monkeypatch.setenv("CXX", chosen)
    with pytest.raises(CompilerError, match=message):
        find_compiler(tmp_path)


def test_what_a_compiler_says_may_be_in_any_encoding(project, monkeypatch):
    monkeypatch.setenv("CXX", str(script(project / "c++", "printf 'caf\\351: error\\n' >&2; exit 1\n")))
    with pytest.raises(CompilerError, match=r"did not compile:\ncaf.: error"):
        compiler.make(project, find_compiler(project))


def test_success_without_a_program_is_an_error(project, monkeypatch):
    monkeypatch.setenv("CXX", str(script(project / "c++", "exit 0\n")))
    with pytest.raises(CompilerError, match="did not compile"):
        compiler.make(project, find_compiler(project))


def test_a_compiler_without_space_is_an_output_error(project, monkeypatch):
    monkeypatch.setenv("CXX", str(script(project / "c++", "echo 'main.o: No space left on device' >&2; exit 1\n")))
    with pytest.raises(OutputError, match="free some space there or set BRIANCONV_CACHE"):
        compiler.make(project, find_compiler(project))


# ---- compilers end


@pytest.fixture
def hanging(project, monkeypatch):
    """A project whose compiler hangs, in a process of its own, as soon as it compiles; it says its number."""
    wrapper = script(
        project / "c++", f'case "$*" in *main.cpp*) sleep 99999 & echo $! > {project}/number; wait;; esac\n'
    )
    monkeypatch.setenv("CXX", str(wrapper))
    return project


def number_in(path):
    until(lambda: path.exists() and path.read_text().strip())
    return int(path.read_text())


def test_a_compiler_that_hangs_is_ended(hanging, tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "BUILD_LIMIT_S", 1)
    with pytest.raises(CompilerError, match=r"did not compile the generated C\+\+ program within 1 s"):
        compiler.make(hanging, find_compiler(hanging))
    until(lambda: ended(number_in(hanging / "number")))
    monkeypatch.setattr(compiler, "ANSWER_LIMIT_S", 0.2)
    monkeypatch.setenv("CXX", str(script(tmp_path / "silent", "sleep 99999\n")))
    with pytest.raises(CompilerError, match=r"did not answer within 0\.2 s: .*silent --version"):
        find_compiler(tmp_path)


def test_an_interrupted_build_ends_its_compilers(hanging):
    found = find_compiler(hanging)

    def interrupt():
        number_in(hanging / "number")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        compiler.make(hanging, found)
    thread.join()
    until(lambda: ended(number_in(hanging / "number")))


def test_a_killed_build_ends_its_compilers(hanging):
    found = find_compiler(hanging)
    with forked(lambda _: compiler.make(hanging, found)):
        number = number_in(hanging / "number")
        assert not ended(number)
    until(lambda: ended(number))


# ---- the cache


def replace_by_folder(main):
    main.unlink()
    main.mkdir()


def replace_by_file(main):
    shutil.rmtree(main.parent)
    main.parent.write_text("")


DAMAGE = {
    "empty": lambda main: main.write_bytes(b""),
    "cut": lambda main: main.write_bytes(main.read_bytes()[:5000]),
    "absent": lambda main: main.unlink(),
    "not executable": lambda main: main.chmod(0o600),
    "a folder": replace_by_folder,
    "a file instead of the folder": replace_by_file,
    "foreign": lambda main: script(main, "touch executed\n"),
    "open to others": lambda main: main.chmod(0o777),
    "in a folder open to others": lambda main: main.parent.chmod(0o777),
    "without its manifest": lambda main: (main.parent / "manifest.json").unlink(),
    "with another manifest": lambda main: (main.parent / "manifest.json").write_text("[]"),
    "with a manifest of lists within each other": lambda main: (main.parent / "manifest.json").write_text(
        "[" * 100_000
    ),
    "with half a manifest": lambda main: (main.parent / "manifest.json").write_text('{"key"'),
}


def fetched(compiled, key="0" * 32):
    """Fetch the program with a key; return whether it had to be made."""
    made = []

    with WorkingFolder(part_of_cache("runs")) as working:

        def copy_program():
            made.append(key)
            return Path(shutil.copy2(compiled.executable, working / "made"))

        assert fetch_program(key, working, copy_program).read_bytes() == compiled.executable.read_bytes()
    return bool(made)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_program_is_made_again(cache, compiled, damage):
    assert fetched(compiled) and not fetched(compiled)
    (main,) = cache.folder.glob("programs/*/main")
    DAMAGE[damage](main)
    assert fetched(compiled) and not fetched(compiled)


def test_a_program_under_another_key_is_not_taken(cache, compiled):
    assert fetched(compiled, "1" * 32)
    (cache.folder / "programs" / ("1" * 32)).rename(cache.folder / "programs" / ("2" * 32))
    assert fetched(compiled, "2" * 32)


def test_a_simulation_with_a_damaged_program_compiles_it_again(cache, compiled):
    for expected in (1, 1):
        simulation = Simulation(compiled.spiking, "standalone")
        assert len(cache.made) == expected
    (main,) = cache.folder.glob("programs/*/main")
    main.unlink()
    main.write_bytes(b"")
    check_runs(simulation, compiled)
    check_runs(Simulation(compiled.spiking, "standalone"), compiled)
    assert len(cache.made) == 2
    shutil.rmtree(cache.folder / "programs")
    check_runs(simulation, compiled)


def test_a_relative_cache_serves_after_a_change_of_folder(cache, compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("BRIANCONV_CACHE", "here")
    monkeypatch.chdir(tmp_path)
    simulation = Simulation(compiled.spiking, "standalone")
    monkeypatch.chdir("/")
    check_runs(simulation, compiled)
    assert (tmp_path / "here" / "programs").is_dir()


def test_impossible_caches_are_refused(cache, compiled, tmp_path, monkeypatch):
    def refused(message):
        with pytest.raises(OutputError, match=message + ".*set BRIANCONV_CACHE to a folder of your own"):
            compile_network(compiled.spiking)

    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", "/proc/none"):
        monkeypatch.setenv("BRIANCONV_CACHE", str(place))
        refused(f"cannot write into '{place}'")
    monkeypatch.setenv("BRIANCONV_CACHE", str(cache.folder))
    cache.folder.mkdir()
    cache.folder.chmod(0o777)
    refused("every user can write into the cache folder")
    cache.folder.chmod(0o1777)
    assert part_of_cache("runs").stat().st_mode & 0o777 == 0o700
    (cache.folder / "runs").chmod(0o777)
    assert part_of_cache("runs").stat().st_mode & 0o777 == 0o700
    user = os.geteuid()
    with monkeypatch.context() as other_user:
        other_user.setattr(os, "geteuid", lambda: user + 1)
        refused("belongs to another user|not a folder of your own")
    monkeypatch.delenv("BRIANCONV_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    refused("there is no home folder")


# ---- runs


def test_a_run_of_a_forked_process_leaves_the_weights_to_its_parent(simulation, compiled):
    def run_and_end(say):
        simulation.run(IMAGES, N_STEPS)
        simulation.program.working.remove()  # what Python does at its end
        say("ended")

    with forked(run_and_end) as (_, said):
        assert said.readline() == "ended\n"
    check_runs(simulation, compiled)


DAMAGED_WEIGHTS = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
}


@pytest.mark.parametrize("damage", DAMAGED_WEIGHTS)
def test_damaged_weights_are_an_error(simulation, damage):
    DAMAGED_WEIGHTS[damage](max((simulation.program.data / "static_arrays").iterdir()))
    with pytest.raises(SimulationError, match=r"weights in .* are missing or damaged; build the simulation again"):
        simulation.run(IMAGES, N_STEPS)


@pytest.mark.parametrize(
    ("afterwards", "error", "message"),
    [
        ("rm $2/scores", SimulationError, "did not write 'scores' completely"),
        ("printf 1 >> $2/scores", SimulationError, "did not write 'scores' completely"),
        ("head -c 16 $2/scores > $2/s; mv $2/s $2/scores", SimulationError, "wrote 1 rows of 'scores'; .* be 48"),
        ("printf 12345678 >> $2/spikes_input", SimulationError, "wrote 49 rows of 'spikes_input'; .* be 48"),
        ("printf 12345678 >> $2/decided", SimulationError, "wrote 5 rows of 'decided'; there must be 4"),
        ("printf 12345678 >> $2/steps", SimulationError, "stopped after 5 of 4 images"),
        ("echo 'Error opening static array w.'", SimulationError, "failed: Error opening static array"),
        ("kill -SEGV $$", SimulationError, "killed by SIGSEGV"),
        ("echo reason >&2; exit 9", SimulationError, "failed: reason"),
        ("exit 9", SimulationError, "failed: exit code 9"),
    ],
)
def test_a_program_that_does_not_give_what_was_asked_for_is_an_error(
    simulation, compiled, tmp_path, afterwards, error, message
):
    simulation.program.executable = script(
        tmp_path / "main", f'BRIANCONV_PARENT=$$ {compiled.executable} "$@" || exit\n{afterwards}\n'
    )
    with pytest.raises(error, match=message):
        simulation.run(IMAGES, N_STEPS)
    assert not results(simulation)


def test_a_program_that_cannot_be_started_is_an_error(simulation, tmp_path):
    simulation.program.executable = tmp_path / "main"
    for content in (None, b""):
        if content is not None:
            simulation.program.executable.write_bytes(content)
            simulation.program.executable.chmod(0o700)
        with pytest.raises(SimulationError, match=r"cannot be started \(.*\); build the simulation again"):
            simulation.run(IMAGES, N_STEPS)


def test_a_full_disk_is_one_clear_error(simulation, compiled, tmp_path):
    for n_images, limit in ((200, 1000), (1, 4000)):  # images do not fit; results do not
        with file_size_limit(limit), pytest.raises(OutputError, match=r"BRIANCONV_CACHE|ulimit -f"):
            simulation.run(np.resize(IMAGES, (n_images, 3)), 1000)
    ignoring = script(tmp_path / "main", f"trap '' XFSZ\nexec {compiled.executable} \"$@\"\n")
    simulation.program.executable = ignoring
    with (
        file_size_limit(4000),
        pytest.raises(OutputError, match=r"cannot write its results .*\(cannot write .*: File too large"),
    ):
        simulation.run(IMAGES[:1], 1000)
    assert not results(simulation)


def test_a_recording_is_saved_whole_or_not_at_all(simulation, tmp_path):
    simulation.run(IMAGES, N_STEPS).save(tmp_path)
    long = simulation.run(IMAGES, 2000)
    with file_size_limit(2000), pytest.raises(OutputError, match="cannot write into"):
        long.save(tmp_path)
    assert Recording.load(tmp_path).n_steps == N_STEPS
    with file_size_limit(2000), pytest.raises(OutputError, match="cannot write into"):
        long.save(tmp_path / "new")
    assert not names(tmp_path / "new")


def test_early_decision_passes_the_checks(simulation, compiled):
    early = simulation.run(IMAGES, 40, early_decision=0.25, jobs=2)
    assert early.steps.min() < 40


# ---- programs end


@contextmanager
def open_file_limit(spare):
    """Allow some more open files than there are."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    free = [number for number in range(len(taken) + spare) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[spare - 1] + 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_few_open_files_end_all_processes_with_one_error(simulation, compiled):
    with open_file_limit(8), pytest.raises((SimulationError, OutputError), match=r"of 20\).*ulimit -n.*--jobs"):
        simulation.run(np.resize(IMAGES, (20, 3)), jobs=20, **ENDLESS)
    assert not programs_of(os.getpid()) and not results(simulation)
    check_runs(simulation, compiled)


def test_one_shard_that_fails_ends_the_others(simulation, compiled, tmp_path):
    simulation.program.executable = script(
        tmp_path / "main", f'mkdir {tmp_path}/first 2>/dev/null || exit 9\nexec {compiled.executable} "$@"\n'
    )
    with pytest.warns(UserWarning, match="trying once more"), pytest.raises(SimulationError, match="exit code 9"):
        simulation.run(IMAGES, jobs=2, **ENDLESS)
    assert not programs_of(os.getpid())


def test_a_program_that_was_interrupted_alone_is_an_error(simulation):
    def interrupt():
        until(lambda: programs_of(os.getpid()))
        time.sleep(0.3)  # until it simulates; before, it is killed
        os.kill(*programs_of(os.getpid()), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SimulationError, match=r"stopped after [0-3] of 4 images|killed by SIGINT"):
        simulation.run(IMAGES, **ENDLESS)
    thread.join()


def results(simulation):
    return list(simulation.program.data.glob("results_*"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_parent_takes_its_programs_with_it(simulation, jobs):
    with forked(lambda _: simulation.run(IMAGES, jobs=jobs, **ENDLESS)) as (parent, _):
        until(lambda: len(programs_of(parent)) == jobs)
        running = programs_of(parent)
    until(lambda: all(ended(number) for number in running))


def test_an_interrupted_parent_ends_its_programs(simulation):
    def interrupt():
        until(lambda: len(programs_of(os.getpid())) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        simulation.run(IMAGES, jobs=2, **ENDLESS)
    thread.join()
    assert not programs_of(os.getpid()) and not results(simulation)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_command_that_is_asked_to_end_tidies_up(cache, compiled, monkeypatch, number, status):
    def run(_):
        Simulation(compiled.spiking, "standalone").run(IMAGES, jobs=2, **ENDLESS)

    def command_line(say):
        if number == signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)  # under nohup, it would stay ignored
        ended_with = cli.main(["codes"])
        weakref.finalize._exitfunc()  # what Python does at its end
        say(str(ended_with))

    monkeypatch.setattr(cli.codes, "run", run)
    with forked(command_line) as (command, said):
        until(lambda: len(programs_of(command)) == 2)
        running = programs_of(command)
        os.kill(command, number)
        assert said.readline() == f"{status}\n"
        assert not names(cache.folder / "runs")
        assert all(ended(process) for process in running)
    check_runs(compiled.simulation, compiled)


def test_threads_simulate_side_by_side(cache, compiled, numpy_target):
    outcomes, errors = {}, []

    def run(index):
        mode = ("runtime", "standalone")[index % 2]
        try:
            outcomes[index] = simulate(compiled.spiking, IMAGES, N_STEPS, mode=mode).scores
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for scores in outcomes.values():
        np.testing.assert_array_equal(scores, compiled.expected)
