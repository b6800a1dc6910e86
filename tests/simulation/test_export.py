"""An exported project classifies like the simulation, with nothing but make and a compiler, or refuses to."""

import os
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import brian2
import numpy as np
import pytest
from torch import nn

from brianconv import RunSettings, simulate
from brianconv.coding import CODINGS
from brianconv.coding.scheme import Parameter
from brianconv.conversion.convert import convert
from brianconv.errors import OutputError, ParameterError, SimulationError
from brianconv.simulation.cpp_project import bundle_sources
from brianconv.simulation.export import contents_header, export_program, parameters_file
from brianconv.simulation.export_parameters import COMPUTED, program_parameters
from brianconv.simulation.program import compile_network
from brianconv.simulation.run_values import parameter_values
from tests.helpers.networks import dyadic_, dyadic_images

TINY_SHAPE = (1, 2, 2)
# other addresses, overflows and the like end the program with another status and many lines
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"
SANITIZED = [f"CXXFLAGS=-w -O0 -std=c++11 {SANITIZERS}", f"LDFLAGS={SANITIZERS}"]
ALL_CODES = [(code, e.name) for code, s in CODINGS.items() for e in (s.encoding, *s.other_encodings)]


def tiny_spiking(**parameters):
    net = dyadic_(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)), 8)
    return convert(net, normalization="none", input_shape=TINY_SHAPE, **{"v_init": 0.25, **parameters})


def tiny_images():
    return dyadic_images(5, TINY_SHAPE)


def images_file(path, images):
    """Write images as the project's README says."""
    with path.open("wb") as file:
        file.write(b"brianimg" + np.array([len(images), images[0].size], "<i8").tobytes())
        file.write(images.astype("<f8").tobytes())
    return path


def run(project, *arguments, **options):
    """Start the program from a folder that is not its own."""
    return subprocess.run(
        [project / "main", *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=120, **options
    )


def refuses(done, *said):
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("images ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert all(word in lines[0] for word in said), lines[0]
    assert done.stdout == ""


def table_of(out):
    return np.genfromtxt(out / "decisions.csv", delimiter=",", names=True)


def decides_as(done, out, expected):
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(images \d+\n)+", done.stderr), done.stderr  # sanitizers would speak here
    np.testing.assert_array_equal(table_of(out)["decision"], expected.decisions)
    np.testing.assert_array_equal(table_of(out)["steps"], expected.steps)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory):
    """A project compiled with sanitizers; 8 to 20 s."""
    project = export_program(
        tiny_spiking(),
        tmp_path_factory.mktemp("tiny") / "project",
        RunSettings(30, evaluation_delay=2, early_decision=0.25),
    )
    subprocess.run(["make", "-j2", *SANITIZED], cwd=project, check=True, capture_output=True)
    return project


@pytest.fixture(scope="session")
def expected():
    """What the simulation makes of the tiny images with the parameters of the project."""
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    yield simulate(tiny_spiking(), tiny_images(), 30, evaluation_delay=2, early_decision=0.25)
    brian2.prefs.codegen.target = before


@pytest.fixture
def project(tiny_project, tmp_path):
    """A copy to damage: what the program reads at start, moved to another folder."""
    copy = tmp_path / "moved project"
    copy.mkdir()
    shutil.copy2(tiny_project / "main", copy)
    shutil.copy2(tiny_project / "parameters.txt", copy)
    shutil.copytree(tiny_project / "static_arrays", copy / "static_arrays")
    return copy


@pytest.fixture
def images(tmp_path):
    return images_file(tmp_path / "IMAGES", tiny_images())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "OUT"


def test_exported_program_decides_as_the_simulation(small_spiking, small_images, tmp_path, numpy_target):
    project = export_program(
        small_spiking, tmp_path / "project", RunSettings(30, evaluation_delay=2, early_decision=0.25)
    )
    assert {"README.md", "Makefile", "parameters.txt", "static_arrays", "classify.cpp"} <= {
        p.name for p in project.iterdir()
    }
    assert "march=native" not in (project / "Makefile").read_text()
    subprocess.run(["make", "-j2"], cwd=project, check=True, capture_output=True)
    file = images_file(tmp_path / "IMAGES", small_images)
    done = run(project, file, tmp_path / "OUT")
    expected = simulate(small_spiking, small_images, 30, evaluation_delay=2, early_decision=0.25)
    decides_as(done, tmp_path / "OUT", expected)
    np.testing.assert_array_equal(table_of(tmp_path / "OUT")["latency_ms"], expected.steps)
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [str(d) for d in expected.decisions]
    assert {p.name for p in (tmp_path / "OUT").iterdir()} == {"decisions.csv"}


@pytest.mark.parametrize(
    ("edits", "n_steps", "settings", "parameters"),
    [
        ({}, 30, {"evaluation_delay": 2, "early_decision": 0.25}, {}),
        ({"schedule.n_steps": "41", "schedule.early_decision": "0"}, 41, {"evaluation_delay": 2}, {}),
        (
            {"schedule.n_steps": "7", "layer_3.evaluation_delay": "6", "schedule.early_decision": "0"},
            7,
            {"evaluation_delay": 6},
            {},
        ),
        (
            {"schedule.n_steps": "1e1", "layer_3.skip": "4"},
            10,
            {"evaluation_delay": 2, "skip": 4, "early_decision": 0.25},
            {},
        ),
        ({"layer_1.v_init": ".5"}, 30, {"evaluation_delay": 2, "early_decision": 0.25}, {"v_init": {"layer_1": 0.5}}),
        (
            {"input.v_threshold": "+5E-1"},
            30,
            {"evaluation_delay": 2, "early_decision": 0.25},
            {"v_threshold": {"input": 0.5}},
        ),
    ],
)
def test_changed_parameters_mean_what_they_mean_in_the_simulation(
    project, images, out, numpy_target, edits, n_steps, settings, parameters
):
    text = (project / "parameters.txt").read_text()
    for name, value in edits.items():
        text, changed = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert changed == 1
    (project / "parameters.txt").write_text(text)
    decides_as(
        run(project, images, out), out, simulate(tiny_spiking(), tiny_images(), n_steps, **settings, **parameters)
    )


def lines_of(project):
    return (project / "parameters.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("schedule.n_steps", "abc", "finite number"),
        ("schedule.n_steps", "", "finite number"),
        ("schedule.n_steps", "0", "must lie in [1, 1000000000]"),
        ("schedule.n_steps", "-1", "must lie in [1, 1000000000]"),
        ("schedule.n_steps", "4294967297", "must lie in"),
        ("schedule.n_steps", "30.5", "whole number"),
        ("schedule.n_steps", "30;", "finite number"),
        ("schedule.n_steps", "30\r", r"'30\x0d'"),
        ("schedule.n_steps", "30\0", r"'30\x00'"),
        ("schedule.n_steps", "0x20", "finite number"),
        ("schedule.n_steps", "images", "finite number"),
        ("schedule.n_steps", "true", "finite number"),
        ("schedule.n_steps", "2", "layer_3.evaluation_delay is 2; it must be below schedule.n_steps"),
        ("schedule.first_image", "2147483643", "image numbers exceed 2147483647"),
        ("schedule.first_image", "-1", "must lie in"),
        ("schedule.early_decision", "-0.1", "must lie in"),
        ("schedule.early_decision", "nan", "finite number"),
        ("schedule.early_decision", "inf", "finite number"),
        ("schedule.early_decision", "1e999", "finite number"),
        ("layer_3.evaluation_delay", "30", "must be below schedule.n_steps, which is 30"),
        ("layer_3.skip", "31", "must be below schedule.n_steps, which is 30"),
        ("layer_3.skip", "-1", "must lie in"),
        ("input.v_init", " 0.4", "without spaces"),
        ("input.v_init", "0.4 ", "without spaces"),
        ("input.v_init", "0,4", "finite number"),
        ("input.v_init", "1.5", "must lie in [0, 0.99]"),
        ("layer_1.v_threshold", "0", "must lie in [1e-06, 1000000]"),
        ("layer_1.v_threshold", "1=1", "finite number"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(project, images, out, name, value, said):
    lines = lines_of(project)
    (place,) = [k for k, line in enumerate(lines) if line.startswith(f"{name}=")]
    lines[place] = f"{name}={value}"
    (project / "parameters.txt").write_bytes("\n".join(lines).encode())
    # a relation between two parameters is reported where the first of them stands, and one with the images at none
    line = next((k for k, text in enumerate(lines) if text.partition("=")[0] == said.partition(" is ")[0]), place)
    at = [] if "exceed" in said else [f"parameters.txt:{line + 1}: "]
    refuses(run(project, images, out), said, *at, *([] if at else [name]))
    assert not out.exists()


def test_every_line_must_be_there_once(project, images, out):
    lines = lines_of(project)
    places = [k for k, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    assert len(places) == 11
    for place in places:
        name = lines[place].partition("=")[0]
        (project / "parameters.txt").write_text("\n".join(lines[:place] + lines[place + 1 :]))
        refuses(run(project, images, out), f"parameters.txt: the line {name}=VALUE is missing")
        (project / "parameters.txt").write_text("\n".join([*lines, lines[place]]))
        refuses(run(project, images, out), f"parameters.txt:{len(lines) + 1}: {name} stands in line {place + 1}")
    for extra, said in [
        ("input.weight=1", "'input.weight' is not a parameter"),
        ("schedule.step=30", "'schedule.step' is not a parameter"),
        (" schedule.n_steps=30", "' schedule.n_steps' is not a parameter"),
        ("schedule.n_steps", "is not NAME=VALUE"),
        ("static_arrays", "is not NAME=VALUE"),
    ]:
        (project / "parameters.txt").write_text("\n".join([extra, *lines]))
        refuses(run(project, images, out), said, "parameters.txt:1: ")
    assert not out.exists()


def test_parameters_must_be_a_file(project, images, out):
    path = project / "parameters.txt"
    path.write_text("")
    refuses(run(project, images, out), "parameters.txt: the line schedule.n_steps=VALUE is missing")
    path.unlink()
    refuses(run(project, images, out), "parameters.txt", "No such file")
    path.mkdir()
    refuses(run(project, images, out), "parameters.txt' is not a file")
    path.rmdir()
    os.mkfifo(path)
    refuses(run(project, images, out), "parameters.txt' is not a file")
    assert not out.exists()


def test_every_file_of_weights_must_be_the_one_that_was_exported(project, images, out):
    paths = sorted((project / "static_arrays").iterdir())
    assert len(paths) >= 8 and any(path.name.endswith("_w") for path in paths)
    for path in paths:
        whole = path.read_bytes()
        flipped = bytes([*whole[:-1], whole[-1] ^ 1])
        for content, said in [
            (b"", "has 0 bytes instead of"),
            (whole[:-1], "bytes instead of"),
            (whole + b"\0", "bytes instead of"),
            (flipped, "has other content"),
            (bytes(len(whole) - 1) + b"\1", "has other content"),
        ]:
            path.write_bytes(content)
            refuses(run(project, images, out), path.name, said)
        path.unlink()
        refuses(run(project, images, out), path.name, "No such file")
        path.write_bytes(whole)
    paths[0].rename(project / "elsewhere")
    os.mkfifo(paths[0])
    refuses(run(project, images, out), paths[0].name, "is not a file")
    assert not out.exists()


def test_images_that_are_not_whole_are_refused(project, images, out, tmp_path):
    whole = images.read_bytes()

    def with_shape(n_images, n_pixels):
        return whole[:8] + struct.pack("<qq", n_images, n_pixels) + whole[24:]

    def with_pixel(value):
        return whole[:-8] + struct.pack("<d", value)

    for content, *said in [
        (b"", "does not start as"),
        (b"12345", "does not start as"),
        (whole[:20], "does not start as"),
        (whole[8:], "does not start as"),
        (whole[:24], "ends within image 0 of 5"),
        (whole[:-3], "ends within image 4 of 5"),
        (whole + b"1", "longer than"),
        (with_shape(5, 7), "announces 5 images of 7 pixels"),
        (with_shape(0, 4), "announces 0 images"),
        (with_shape(-5, 4), "announces -5 images"),
        (with_shape(10, 2), "announces 10 images of 2 pixels"),
        (with_shape(2**59 + 5, 4), "ends within image 5"),  # times 32 bytes: 160 modulo 2^64
        (with_shape(2**63 - 1, 4), "ends within image 5"),
        (with_shape(5, 2**62 + 4), "announces 5 images of"),
        (with_pixel(255.0), "image 4 of ", "outside [0, 1]"),
        (with_pixel(-1e-300), "outside [0, 1]"),
        (with_pixel(np.nan), "image 4 of ", "NaN or infinite"),
        (with_pixel(np.inf), "NaN or infinite"),
    ]:
        damaged = tmp_path / "damaged"
        damaged.write_bytes(content)
        refuses(run(project, damaged, out), *said, "damaged")
    refuses(run(project, tmp_path / "missing", out), "missing", "No such file")
    refuses(run(project, tmp_path, out), "is not a file")
    os.mkfifo(tmp_path / "pipe")
    refuses(run(project, tmp_path / "pipe", out), "is not a file")
    refuses(run(project), "usage")
    refuses(run(project, images), "usage")
    refuses(run(project, images, out, "schedule.n_steps=3"), "usage")
    assert not out.exists()


def test_more_steps_than_the_program_can_count_are_refused(project, images, out):
    text = (project / "parameters.txt").read_text()
    (project / "parameters.txt").write_text(text.replace("n_steps=30", "n_steps=300000000"))
    refuses(run(project, images, out), "5 images of 300000000 steps", "divide the images")
    assert not out.exists()


def test_the_program_leaves_other_files_alone(project, images, out, expected):
    out.mkdir()
    mine = {out / "images": b"mine", out / "results": b"mine too"}
    for path, content in mine.items():
        path.write_bytes(content)
    decides_as(run(project, images, out), out, expected)
    decides_as(run(project, shutil.copy(images, out / "images"), out), out, expected)  # its input lies in its output
    mine[out / "images"] = images.read_bytes()
    decides_as(run(project, out / "images", out), out, expected)
    assert {path: path.read_bytes() for path in out.iterdir() if path.name != "decisions.csv"} == mine
    assert {path.name for path in project.iterdir()} == {"main", "parameters.txt", "static_arrays"}


@pytest.mark.parametrize("content", [b"", b"my notes\n", b"image,decision\n0,1\n", b"brianimg"])
def test_a_file_that_is_no_table_of_decisions_is_not_overwritten(project, images, out, content):
    out.mkdir()
    (out / "decisions.csv").write_bytes(content)
    refuses(run(project, images, out), "decisions.csv' exists and is no table of decisions")
    assert [path.read_bytes() for path in out.iterdir()] == [content]


def test_a_folder_or_link_in_the_place_of_the_table_is_not_touched(project, images, out, tmp_path):
    out.mkdir()
    (out / "decisions.csv").mkdir()
    refuses(run(project, images, out), "decisions.csv' exists")
    (out / "decisions.csv").rmdir()
    (tmp_path / "target").write_text("image,decision,steps,latency_ms\n")
    (out / "decisions.csv").symlink_to(tmp_path / "target")
    refuses(run(project, images, out), "decisions.csv' exists")
    assert (tmp_path / "target").read_text() == "image,decision,steps,latency_ms\n"


def test_the_input_is_not_overwritten_by_the_table(project, images, out):
    out.mkdir()
    shutil.move(images, out / "decisions.csv")
    before = (out / "decisions.csv").read_bytes()
    refuses(run(project, out / "decisions.csv", out), "exists and is no table of decisions")
    assert (out / "decisions.csv").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(project, images, out, tmp_path):
    refuses(run(project, images, tmp_path / "no" / "OUT"), "no/OUT", "No such file")
    refuses(run(project, images, ""), "cannot create")
    out.write_text("mine")
    refuses(run(project, images, out), "is not a folder")
    assert out.read_text() == "mine"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refuses(run(project, images, tmp_path / "link"), "link", "No such file")


def test_a_folder_without_permission_is_refused(project, images, out):
    refuses(run(project, images, "/proc/self"), "cannot write into '/proc/self'")


def test_a_full_disk_leaves_no_table_and_keeps_the_old_one(project, images, out):
    import resource

    def no_space():  # files cannot grow beyond some bytes, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))

    refuses(run(project, images, out, preexec_fn=no_space), "cannot write", "decisions.csv")
    assert list(out.iterdir()) == []
    assert run(project, images, out).returncode == 0
    before = (out / "decisions.csv").read_bytes()
    refuses(run(project, images, out, preexec_fn=no_space), "cannot write", "decisions.csv")
    assert [path.read_bytes() for path in out.iterdir()] == [before]


def test_output_that_cannot_be_printed_is_an_error(project, images, out):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([project / "main", images, out], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "cannot write to standard output" in done.stderr
    assert len(table_of(out)) == 5


def test_an_interrupted_program_writes_no_table(project, images, out):
    text = (project / "parameters.txt").read_text()
    text = text.replace("n_steps=30", "n_steps=150000").replace("early_decision=0.25", "early_decision=0")
    (project / "parameters.txt").write_text(text)
    with subprocess.Popen([project / "main", images, out], stdout=-1, stderr=-1, text=True) as process:
        assert process.stderr.readline() == "images 1\n"
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and said == ""
    assert re.search(r"error: stopped after [1-4] of 5 images; nothing is written", errors)
    assert list(out.iterdir()) == []


def test_programs_that_share_a_folder_write_whole_tables(project, images, out, expected):
    processes = [subprocess.Popen([project / "main", images, out], stdout=-1, stderr=-1) for _ in range(4)]
    assert [process.communicate() and process.returncode for process in processes] == [0] * 4
    np.testing.assert_array_equal(table_of(out)["decision"], expected.decisions)
    assert [path.name for path in out.iterdir()] == ["decisions.csv"]


def test_relative_paths_belong_to_the_folder_of_the_user(project, images, out, expected, tmp_path):
    done = subprocess.run(["./moved project/main", "IMAGES", "OUT"], cwd=tmp_path, capture_output=True, text=True)
    decides_as(done, out, expected)


def test_a_program_without_its_project_says_what_it_misses(project, images, out, tmp_path):
    shutil.copy2(project / "main", tmp_path / "main")
    refuses(run(tmp_path, images, out), "static_arrays", "No such file")
    assert not out.exists()


def of_code(code, encoding):
    net = dyadic_(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)), 8)
    return convert(net, dyadic_images(20, TINY_SHAPE), coding=code, encoding=encoding)


def header(spiking, parameters, tmp_path):
    (tmp_path / "static_arrays").mkdir()
    return contents_header(spiking, tmp_path, parameters, (0.0, 1.0), 1.0)


@pytest.mark.parametrize(("code", "encoding"), ALL_CODES)
def test_ranges_of_all_codes_are_compiled_in(code, encoding, tmp_path):
    spiking = of_code(code, encoding)
    parameters = program_parameters(spiking, RunSettings(spiking.default_steps), "float64")
    rows = re.findall(
        r'^    \{"(\w+)\.(\w+)", (\S+), (\S+), (true|false), "(\S+)"\}', header(spiking, parameters, tmp_path), re.M
    )
    written = re.findall(r"^(\w+)\.(\w+)=(\S+)$", parameters_file(parameters), re.M)
    assert [row[:2] for row in rows] == [line[:2] for line in written]
    own = {(population, name): rest for population, name, *rest in rows if population != "schedule"}
    for (population, name), (low, high, whole, equal_to) in own.items():
        if name in ("evaluation_delay", "skip"):
            continue
        allowed: Parameter = spiking.coding.all_parameters[name]
        assert (float(low), float(high), whole == "true") == (allowed.low, allowed.high, allowed.whole)
        assert equal_to.endswith(f".{name}") and (equal_to == f"{population}.{name}" or not allowed.per_layer)
    # every constant of the equations has a value, from the file or compiled in
    constants = {
        f"{population}.{name}"
        for population in spiking.populations
        for name in re.findall(r"^\s*(\w+)\s*:.*\(shared, constant\)", spiking.model(population).equations, re.M)
    }
    given = {f"{population}.{name}" for population, name, _ in written} | set(parameters.fixed)
    assert constants == {name for name in given if not name.startswith("schedule.")}


@pytest.mark.parametrize(("code", "encoding"), ALL_CODES)
def test_nothing_that_is_compiled_in_follows_from_what_may_be_changed(code, encoding):
    spiking = of_code(code, encoding)
    settings = RunSettings(spiking.default_steps)
    parameters = program_parameters(spiking, settings, "float64")
    for parameter in parameters.changeable:
        name = parameter.name.partition(".")[2]
        if name not in spiking.coding.all_parameters or name.startswith("pixel_"):
            continue
        for value in (parameter.limits.low, parameter.limits.high):
            other = parameter_values(spiking.with_parameters(**{name: value}), settings, 1)
            assert parameters.fixed == {key: other[key] for key in parameters.fixed}
    assert not set(COMPUTED) & {*parameters.fixed, *(p.name for p in parameters.changeable)}


def test_a_window_that_the_schedule_does_not_use_may_be_changed():
    def names(**parameters):
        spiking = tiny_spiking(coding="ttfs", v_init=0.0, **parameters)
        found = program_parameters(spiking, RunSettings(60), "float64")
        return {p.name.partition(".")[2] for p in found.changeable}, {name.partition(".")[2] for name in found.fixed}

    changeable, fixed = names()
    assert "window" not in changeable and {"window", "fire_start", "evaluation_delay"} <= fixed
    changeable, fixed = names(start=10)
    assert "window" in changeable and "fire_start" in fixed


def test_bounds_of_pixels_are_those_of_the_encoding(tmp_path):
    def pixels(**options):
        folder = export_program(tiny_spiking(**options), tmp_path / str(len(list(tmp_path.iterdir()))), RunSettings(5))
        text = (folder / "contents.h").read_text()
        readme = (folder / "README.md").read_text()
        return tuple(map(float, re.search(r"pixel_low = (\S+), pixel_high = (\S+);", text).groups())), readme

    assert pixels()[0] == (0.0, 1.0)
    bounds, readme = pixels(encoding="analog")
    assert bounds == (-np.finfo(float).max, np.finfo(float).max)
    assert "in [0, 1]" not in readme and "@" not in readme


def test_what_a_program_would_refuse_is_not_exported(tmp_path):
    spiking = tiny_spiking(coding="hybrid", v_threshold=1.0, v_init=0.0).with_parameters(pixel_low=2.0, pixel_high=1.0)
    with pytest.raises(ParameterError, match=r"input.pixel_low is 2; it must be below input.pixel_high"):
        export_program(spiking, tmp_path / "project", RunSettings(5))
    assert list(tmp_path.iterdir()) == []


def test_membranes_and_units_have_ranges_too():
    spiking = tiny_spiking().with_membrane(tau_m=20.0, noise=0.1, noise_seed=3).in_millivolts()
    found = program_parameters(spiking, RunSettings(5), "float32")
    limits = {p.name: (p.limits.low, p.limits.high, p.limits.whole) for p in found.changeable}
    assert limits["layer_1.noise_seed"] == (0, 2**31 - 1, True)
    assert limits["layer_1.noise"] == (0, np.finfo("float32").max, False)
    assert limits["layer_1.tau_m"][0] > 0
    assert {"layer_1.v_rest", "layer_1.v_swing"} <= set(found.fixed)


def test_values_are_numbers_that_a_program_can_read():
    """Brian2's program takes what does not begin with a digit for the name of a file, and goes on without the value."""
    spiking = tiny_spiking().with_membrane(noise=np.float64(0.1)).in_millivolts(v_rest=np.float64(-70.0))
    values = parameter_values(spiking, RunSettings(np.int64(5), first_image=np.int64(3)), 1)
    assert values["layer_1.noise"] == 0.1
    assert all(re.fullmatch(r"-?\d\S*", repr(value)) for value in values.values()), values


@pytest.mark.parametrize("damage", ["cut", "longer", "missing"])
def test_a_simulation_does_not_start_with_damaged_weights(damage):
    spiking, images = tiny_spiking(), tiny_images()
    program = compile_network(spiking)
    assert len(program.run(spiking, images, RunSettings(5))["steps"]) == len(images)
    path = next((program.data / "static_arrays").glob("*layer_1_w"))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-1], "longer": whole + b"\0"}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.raises(SimulationError, match=r"weights in .* are missing or damaged; build the simulation again"):
        program.run(spiking, images, RunSettings(5))


def test_code_of_an_unknown_version_of_brian2_is_refused(tmp_path):
    (tmp_path / "code_objects").mkdir()
    (tmp_path / "objects.cpp").write_text('file.open("static_arrays/w"); load(file);')
    with pytest.raises(SimulationError, match="this version of Brian2"):
        bundle_sources(tmp_path, "")


def test_a_folder_with_files_is_not_overwritten(small_spiking, tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(OutputError, match="not an empty folder"):
        export_program(small_spiking, tmp_path, RunSettings(5))


def test_a_link_to_an_empty_folder_is_kept(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(OutputError, match=name):
            export_program(tiny_spiking(), tmp_path / name, RunSettings(5))
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "link", "dangling"}
