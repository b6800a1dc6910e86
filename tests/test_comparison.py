"""One network under several coding schemes: the table says what the recordings say."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from scipy.stats import norm
from torch import nn

from brianconv import DataError, ParameterError, Phase, Rate, compare, convert, simulate
from brianconv.analysis.energy import compute_energy, compute_energy_by_step
from brianconv.cli import main
from tests.helpers.model_files import write_network

N = 12
IMAGES = np.random.default_rng(0).random((N, 1, 6, 6))


def network(pool: bool = False) -> nn.Sequential:
    torch.manual_seed(4)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), *([nn.MaxPool2d(2)] if pool else []), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16 if pool else 64, 3)).eval()


MODEL = network()
LABELS = MODEL(torch.as_tensor(IMAGES, dtype=torch.float32)).argmax(dim=1).numpy()
LABELS[0] = (LABELS[0] + 1) % 3  # so that the ANN is not always right


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_the_table_has_what_a_run_of_each_scheme_gives(numpy_target):
    outcome = compare(
        MODEL, IMAGES, LABELS, ["rate", Phase(n_phases=4)], calibration_images=IMAGES, mode="runtime",
        settings={"rate": {"v_init": 0.4, "n_steps": 30}},
    )  # fmt: skip
    rate, phase = outcome.records()
    spiking = convert(MODEL, IMAGES, coding=Rate(v_init=0.4))
    run = simulate(spiking, IMAGES, 30, dtype="float32")
    assert rate["coding"] == "rate" and rate["n_steps"] == 30 and phase["n_steps"] == 64
    assert rate["accuracy"] == pytest.approx(100 * run.accuracy(LABELS))
    assert rate["spikes"] == pytest.approx(run.spikes_per_image)
    totals = run.spike_counts_by_image.sum(axis=(1, 2))
    assert rate["spikes_error"] == pytest.approx(1.96 * np.std(totals, ddof=1) / np.sqrt(N))
    assert rate["operations"] == pytest.approx(run.synaptic_operations.sum() / N)
    latency = run.latency(LABELS)
    assert rate["steps_to_99.0"] == latency
    assert rate["cmos_nj"] == pytest.approx(1e-4 * run.synaptic_operations[:latency].sum() / N)
    assert rate["truenorth"] == rate["spinnaker"] == 1.0
    k, z = round(run.accuracy(LABELS) * N), norm.ppf(0.975)  # Wilson's interval, as in textbooks
    p = k / N
    centre, half = (p + z**2 / (2 * N)), z * np.sqrt(p * (1 - p) / N + z**2 / (4 * N**2))
    expected = 100 * (centre - half) / (1 + z**2 / N), 100 * (centre + half) / (1 + z**2 / N)
    assert (rate["accuracy_low"], rate["accuracy_high"]) == pytest.approx(expected)
    share = phase["spikes"]  # over all steps; the energies are those until 99 %
    assert share > 0 and not outcome.notes and not outcome.left_out
    assert outcome.ann_accuracy == (N - 1) / N


def test_schemes_that_cannot_express_the_network_say_why(numpy_target):
    model = network(pool=True)
    labels = model(torch.as_tensor(IMAGES, dtype=torch.float32)).argmax(dim=1).numpy()
    outcome = compare(model, IMAGES, labels, ["rate", "hybrid"], mode="runtime")
    assert "at most once" in outcome.left_out["hybrid"]
    assert f"hybrid is left out: {outcome.left_out['hybrid']}" in str(outcome)
    assert "normalised with the test images" in str(outcome) and "rate" in outcome._repr_html_()
    with pytest.raises(ParameterError, match="no coding scheme can express the network: hybrid: "):
        compare(model, IMAGES, labels, ["hybrid"], mode="runtime")


def test_the_picture_has_a_raster_and_a_trace_of_each_scheme(numpy_target, tmp_path):
    outcome = compare(MODEL, IMAGES, LABELS, ["rate", "ttfs"], calibration_images=IMAGES, mode="runtime")
    axes = [a for sub in outcome.plot().subfigs for a in sub.axes]
    assert [a.get_xlabel() for a in axes[:3]] == ["steps", "spikes per image", "energy per image (nJ, 45 nm CMOS)"]
    assert len(axes) == 3 + 2 * 2
    layer, position = outcome.traced
    assert all(row.shown.positions(layer) == [position] for row in outcome.compared)
    outcome.save_csv(tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["coding"] for row in rows] == ["rate", "ttfs"]
    assert float(rows[1]["spikes"]) == outcome.records()[1]["spikes"]
    assert json.loads(json.dumps(outcome.as_dict()))["codings"]["ttfs"]["n_steps"] == 40
    frame = outcome.to_dataframe()
    assert list(frame.index) == ["rate", "ttfs"] and frame.loc["ttfs", "n_steps"] == 40


def test_the_energy_by_step_ends_at_that_of_the_whole_run(numpy_target):
    spiking = convert(MODEL, IMAGES, coding="analog")
    run = simulate(spiking, IMAGES, 20)
    whole = compute_energy(run, spiking.graph)
    assert whole.ann_pj / 1000 == pytest.approx(3.2e-3 * (64 * 9 + 64 * 3))
    assert whole.analog_pj > 0
    assert compute_energy_by_step(run, spiking.graph)[-1] == pytest.approx(whole.snn_pj)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"codes": "rate"}, ParameterError, "codes is 'rate'; it is a list"),
        ({"codes": ["morse"]}, ParameterError, "morse"),
        ({"codes": ["rate", Rate()]}, ParameterError, "'rate' is named twice"),
        ({"codes": []}, ParameterError, "there is no coding scheme"),
        ({"codes": ["rate"], "settings": {"phase": {}}}, ParameterError, "'phase', which is not compared"),
        ({"codes": ["rate"], "shown_image": N}, ParameterError, "shown_image is 12; there are images 0 to 11"),
        ({"codes": ["rate"], "labels": LABELS[:-1]}, DataError, "labels have shape"),
        ({"codes": ["rate"], "settings": {"rate": {"n_steps": 0.5}}}, ParameterError, "0.5"),
    ],
)  # fmt: skip
def test_impossible_comparisons_are_refused_before_anything_runs(monkeypatch, arguments, error, message):
    monkeypatch.setattr("brianconv.comparison.simulate", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(error, match=message):
        compare(**{"model": MODEL, "images": IMAGES, "labels": LABELS, **arguments})


def test_the_command_writes_its_files(numpy_target, tmp_path, monkeypatch, capsys):
    write_network(tmp_path, "nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10)")
    monkeypatch.chdir(tmp_path)
    command = ["compare", "net.py", "--data", "digits", "--images", "5", "--mode", "runtime", "--codes", "rate,ttfs"]
    assert main([*command, "--steps", "9", "--out", "o"]) == 0
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "comparison.pdf", "comparison.png", "comparison.csv", "result.json"
    }  # fmt: skip
    stored = json.loads((tmp_path / "o" / "result.json").read_text())
    assert stored["codings"]["rate"]["n_steps"] == 9 and stored["codings"]["ttfs"]["n_steps"] == 40
    assert "steps to 99.0 %" in capsys.readouterr().out
    assert main([*command, "--show-image", "5", "--out", "o"]) == 2
    assert "--show-image is 5; there are images 0 to 4" in capsys.readouterr().err


def test_notes_of_a_command_are_plain_sentences(tmp_path):
    """In a process of its own: Brian2 takes over warnings when it is imported."""
    write_network(tmp_path, "nn.Flatten(), nn.Linear(64, 10), nn.Softmax(dim=1)")
    script = "import brianconv.cli, sys; sys.exit(brianconv.cli.main(sys.argv[1:]))"
    command = ["run", "net.py", "--data", "digits", "--images", "1", "--steps", "2", "--mode", "runtime"]
    done = subprocess.run([sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "softmax" in line.lower()]
    assert notes and all(line.startswith("note: ") for line in notes), done.stderr
