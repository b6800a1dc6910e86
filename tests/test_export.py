"""An exported project classifies like the simulation, with nothing but make and a compiler."""

import subprocess

import numpy as np
import pytest
from conftest import SMALL_SHAPE

from brianconv import Settings, simulate
from brianconv.errors import OutputError
from brianconv.simulation.export import export_program


def classify(project, images_file, out):
    return subprocess.run(
        ["./main", str(images_file), str(out)], cwd=project, capture_output=True, text=True, check=False
    )


def test_exported_program_decides_as_the_simulation(small_spiking, small_images, tmp_path):
    project = export_program(small_spiking, tmp_path / "project", Settings(30, delay=2, theta=0.25))
    assert {"README.md", "Makefile", "parameters.txt", "static_arrays", "classify.cpp"} <= {
        p.name for p in project.iterdir()
    }
    assert "march=native" not in (project / "Makefile").read_text()
    subprocess.run(["make", "-j2"], cwd=project, check=True, capture_output=True)
    with (tmp_path / "IMAGES").open("wb") as file:  # as the project's README says
        file.write(b"brianimg" + np.array([len(small_images), np.prod(SMALL_SHAPE)], "<i8").tobytes())
        file.write(small_images.astype("<f8").tobytes())
    done = classify(project, tmp_path / "IMAGES", tmp_path / "OUT")
    assert done.returncode == 0, done.stderr
    expected = simulate(small_spiking, small_images, 30, delay=2, theta=0.25)
    table = np.genfromtxt(tmp_path / "OUT" / "decisions.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["decision"], expected.decisions)
    np.testing.assert_array_equal(table["steps"], expected.steps)
    np.testing.assert_array_equal(table["latency_ms"], expected.steps)
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [str(d) for d in expected.decisions]
    assert {p.name for p in (tmp_path / "OUT").iterdir()} == {"decisions.csv"}

    full_disk = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec ./main ../IMAGES ../FULL"]
    done = subprocess.run(full_disk, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "cannot write" in done.stderr and not any((tmp_path / "FULL").iterdir())

    whole = (tmp_path / "IMAGES").read_bytes()
    for content, message in [
        (b"12345", "does not start as"),
        (whole[8:], "does not start as"),
        (whole[:-3], "ends within image 4"),
        (whole + b"1", "longer than"),
        (whole[:16] + np.int64(7).tobytes() + whole[24:], "announces 5 images of 7 pixels"),
        (whole[:24] + (small_images * 255).tobytes(), "outside [0, 1]"),
    ]:
        (tmp_path / "damaged").write_bytes(content)
        done = classify(project, tmp_path / "damaged", tmp_path / "OUT")
        assert done.returncode == 2 and message in done.stderr
    done = classify(project, tmp_path / "missing", tmp_path / "OUT")
    assert done.returncode == 2 and "cannot open" in done.stderr


def test_a_folder_with_files_is_not_overwritten(small_spiking, tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(OutputError, match="not an empty folder"):
        export_program(small_spiking, tmp_path, Settings(5))
