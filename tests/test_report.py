"""The report: one file that a browser opens by itself, shows what was recorded, and answers clicks."""

import base64
import gzip
import json
import re
import shutil
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import convert, datasets, simulate
from brianconv.analysis.choices import most_active_neurons
from brianconv.biology import ExponentialCurrent, LeakyIntegrateAndFire, with_neurons
from brianconv.cli import main
from brianconv.errors import DataError, OutputError, ParameterError
from brianconv.recording import Recording
from brianconv.report import contents as report_contents
from tests.helpers.model_files import write_network
from tests.helpers.networks import SMALL_SHAPE

pytest.importorskip("bokeh")
BROWSER = shutil.which("chromium") and shutil.which("chromedriver")


@pytest.fixture
def recorded(numpy_target, small_spiking, small_images):
    everything = small_spiking.populations
    return simulate(small_spiking, small_images, 12, record_spikes=everything, record_potentials=everything)


@pytest.fixture
def labels(recorded):
    return recorded.ann_scores.argmax(axis=1)


def data_of(path):
    packed = re.search(r'<script type="application/gzip" id="data">([^<]*)</script>', path.read_text())
    return json.loads(gzip.decompress(base64.b64decode(packed[1])))


def unpacked(packed):
    return np.frombuffer(base64.b64decode(packed["data"]), np.dtype(packed["type"]).newbyteorder("<"))


def test_the_file_holds_what_was_recorded(recorded, small_images, labels, tmp_path):
    path = recorded.report(tmp_path / "report.html", small_images, labels, shown=(3, 1), title="a <title>")
    text, data = path.read_text(), data_of(path)
    assert "<h1>a &lt;title&gt;</h1>" in text and "<title>a &lt;title&gt;</title>" in text
    assert "[[" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)  # no place of the template was left
    assert [image["number"] for image in data["images"]] == [3, 1]
    for image, index in zip(data["images"], (3, 1), strict=True):
        assert image["decision"] == recorded.decisions[index] and image["label"] == labels[index]
        scores = unpacked(image["scores"]).reshape(12, -1)
        np.testing.assert_allclose(scores, recorded.scores[index], rtol=1e-6)
        for layer, spikes in image["spikes"].items():
            expected = recorded.spikes_of(layer).of_image(index)
            np.testing.assert_array_equal(unpacked(spikes["step"]), expected.step)
            np.testing.assert_array_equal(unpacked(spikes["index"]), expected.torch_index)
        for layer, traces in image["traces"].items():
            v = unpacked(traces["v"]).reshape(-1, 12)
            np.testing.assert_allclose(v, recorded.potentials[layer].values[index].T, rtol=1e-6)
        assert image["picture"] is None  # images of two channels are no pictures
    assert re.findall(r"<dt>accuracy</dt><dd>([^<]*)</dd>", text) == [f"{recorded.accuracy(labels):.2%}"]


def test_the_file_needs_no_network(recorded, small_images, tmp_path):
    text = recorded.report(tmp_path / "report.html", small_images).read_text()
    page = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "url(" not in page and "@import" not in page


def test_layers_are_compared_with_their_activations(recorded, small_images):
    collected = report_contents.collect(recorded, small_images, None, (0, 1, 2, 3, 4), None, None)
    rows = {row["layer"]: row for row in collected.table()}
    for name, activation in next(recorded.spiking.normalized.ann.activations(small_images)).items():
        expected = np.maximum(activation.reshape(5, -1), 0).ravel()
        sent = recorded.spikes_of(name).dense(5, 12, int(np.prod(recorded.shapes[name]))).sum(axis=1).ravel()
        if rows[name]["agreement"] is None or name not in ("input", "layer_0"):
            continue
        r, error = rows[name]["agreement"]
        factor = expected @ sent / (expected @ expected)
        assert r == pytest.approx(np.corrcoef(expected, sent)[0, 1])
        assert error == pytest.approx(np.linalg.norm(sent - factor * expected) / np.linalg.norm(sent))
    assert sum(row["spikes"] for row in rows.values()) == pytest.approx(recorded.spikes_per_image)


def test_spikes_that_are_too_many_become_a_density(recorded, small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(report_contents, "MOST_SPIKES", 10)
    collected = report_contents.collect(recorded, small_images, None, (2,), None, None)
    for layer, counts in collected.density(0).items():
        spikes = recorded.spikes_of(layer).of_image(2)
        np.testing.assert_array_equal(counts.sum(axis=0), np.bincount(spikes.step - 1, minlength=12))
    (image,) = data_of(recorded.report(tmp_path / "report.html", small_images, shown=(2,)))["images"]
    assert image["dense"]
    for layer, spikes in image["spikes"].items():
        of_image, size = recorded.spikes_of(layer).of_image(2), int(np.prod(recorded.shapes[layer]))
        assert "step" not in spikes
        np.testing.assert_array_equal(unpacked(spikes["counts"]), np.bincount(of_image.torch_index, minlength=size))
        first = np.array([min(of_image.step[of_image.torch_index == k], default=0) for k in range(size)])
        np.testing.assert_array_equal(unpacked(spikes["first"]), first)


def test_at_most_so_many_traces(recorded, small_images, tmp_path, monkeypatch):
    monkeypatch.setattr(report_contents, "MOST_TRACES", 40)
    (image,) = data_of(recorded.report(tmp_path / "report.html", small_images))["images"]
    shown = {layer: unpacked(traces["index"]) for layer, traces in image["traces"].items()}
    assert sum(len(index) for index in shown.values()) <= 40 + len(shown)
    for layer, index in shown.items():
        v = unpacked(image["traces"][layer]["v"]).reshape(len(index), -1)
        columns = np.searchsorted(recorded.potentials[layer].torch_index, index)
        np.testing.assert_allclose(v, recorded.potentials[layer].values[0][:, columns].T, rtol=1e-6)


def test_most_active_neurons_share_what_there_is(small_spiking, small_images):
    chosen = most_active_neurons(small_spiking, small_images, 50)
    assert sum(map(len, chosen.values())) <= 50
    activation = next(small_spiking.graph.activations(small_images))["layer_0"].mean(axis=0)
    least = min(activation[position] for position in chosen["layer_0"])
    assert (activation > least).sum() < len(chosen["layer_0"])
    everything = most_active_neurons(small_spiking, small_images, 10**6)
    assert {layer: len(neurons) for layer, neurons in everything.items()} == {
        layer: int(np.prod(shape)) for layer, shape in small_spiking.graph.shapes.items()
    }


def test_recordings_from_files_and_without_extras(recorded, small_images, labels, tmp_path):
    recorded.save(tmp_path)
    loaded = Recording.load(tmp_path)
    bare = loaded.report(tmp_path / "bare.html").read_text()
    assert "decisions as before conversion" in bare and "<dt>accuracy</dt>" not in bare
    full = loaded.report(tmp_path / "full.html", small_images, labels, spiking=recorded.spiking).read_text()
    same = recorded.report(tmp_path / "same.html", small_images, labels).read_text()
    assert re.findall("<td>.*?</td>", full) == re.findall("<td>.*?</td>", same)


def test_networks_that_return_images(numpy_target, tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 1, 3, padding=1), nn.ReLU())
    for weight in model.parameters():
        weight.data.abs_()
    images = np.random.default_rng(0).random((2, 1, 6, 6))
    spiking = convert(model, images)
    recording = simulate(spiking, images, 8, record_spikes=spiking.populations)
    text = recording.report(tmp_path / "report.html", images, np.zeros(2, dtype=int), shown=(1,)).read_text()
    assert "mean squared error" in text and 'data-hidden="scores trace"' in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shown": (5,)}, ParameterError, "from 0 to 4"),
        ({"shown": ()}, ParameterError, "at least one"),
        ({"shown": (1, 1)}, ParameterError, "different images"),
        ({"images": np.zeros((2, *SMALL_SHAPE))}, DataError, "2 images for a recording of 5"),
        ({"labels": np.zeros(3, dtype=int)}, DataError, "labels have shape"),
    ],
)
def test_what_does_not_fit_is_refused(recorded, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        recorded.report(tmp_path / "report.html", **arguments)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="details are of 5 images"):
        recorded.report(tmp_path / "report.html", details=recorded)
    with pytest.raises(OutputError):
        recorded.report(tmp_path / "missing" / "report.html")


def test_without_bokeh_it_says_what_to_install(recorded, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh.embed", None)
    with pytest.raises(ParameterError, match=r"pip install 'brianconv\[report\]'"):
        recorded.report(tmp_path / "report.html")


def test_the_command_writes_a_report(tmp_path, monkeypatch, numpy_target, capsys):
    write_network(tmp_path, "nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10)")
    monkeypatch.chdir(tmp_path)
    command = ["run", "net.py", "--data", "digits", "--images", "4", "--steps", "12", "--mode", "runtime", "--out", "o"]
    assert main([*command, "--report", "--show-image", "2"]) == 0
    assert "report.html" in capsys.readouterr().out
    data = data_of(tmp_path / "o" / "report.html")
    assert [image["number"] for image in data["images"]] == [2, 3]
    decided = json.loads((tmp_path / "o" / "result.json").read_text())["decisions"]
    assert [image["decision"] for image in data["images"]] == decided[2:4]
    assert set(data["images"][0]["traces"]) == {"input", "layer_0", "layer_3"}
    picture = data["images"][0]["picture"]
    pixels = unpacked(picture["rgb"]).reshape(picture["rows"], picture["columns"], 3)
    grey = np.rint(255 * datasets.load("digits").images[2, 0])
    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))


@pytest.fixture
def browser():
    if not BROWSER:
        pytest.skip("chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def opened(browser, path, width=1400):
    browser.set_window_size(width, 1000)
    browser.get(path.as_uri())
    for _ in range(600):
        if browser.execute_script("return document.body.dataset.ready || document.body.dataset.failed"):
            break
        time.sleep(0.1)
    assert browser.execute_script("return document.body.dataset.failed || ''") == ""
    assert browser.execute_script("return document.body.dataset.ready") == "yes"


PLACE_OF_SPIKE = """
    const raster = Bokeh.documents.map((d) => d.get_model_by_name("raster")).find(Boolean);
    const view = Array.from(Bokeh.index.roots).find((v) => v.model === raster);
    const spikes = Bokeh.documents.map((d) => d.get_model_by_name("spikes")).find(Boolean).data;
    const at = arguments[0];
    view.el.scrollIntoView({block: "center"});
    const box = view.canvas_view.el.getBoundingClientRect();
    return [box.left + view.frame.x_scale.compute(spikes.x[at]), box.top + view.frame.y_scale.compute(spikes.y[at]),
            brianconvReport.neuronOf(at), spikes.x.length];
"""
COLUMNS = """
    const source = Bokeh.documents.map((d) => d.get_model_by_name(arguments[0])).find(Boolean);
    return [Array.from(source.data.x), Array.from(source.data.y)];
"""


@pytest.mark.parametrize("width", [1400, 700])
def test_a_browser_shows_it_and_a_click_shows_the_membrane(browser, recorded, small_images, labels, tmp_path, width):
    path = recorded.report(tmp_path / "report.html", small_images, labels, shown=(1, 2))
    opened(browser, path, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    n_spikes = sum(recorded.spikes_of(layer).of_image(1).step.size for layer in recorded.layers)
    after_input = recorded.spikes_of("input").of_image(1).step.size  # where the spikes of layer_0 begin
    x, y, name, shown = browser.execute_script(PLACE_OF_SPIKE, after_input)
    assert shown == n_spikes and name.startswith("layer_0 (")
    for kind in ("mousePressed", "mouseReleased"):
        click = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", click)
    for _ in range(100):
        if name in browser.execute_script("return document.getElementById('trace-title').textContent"):
            break
        time.sleep(0.1)
    title = browser.execute_script("return document.getElementById('trace-title').textContent")
    position = tuple(int(part) for part in re.findall(r"\d+", name.split("(")[1]))
    steps = recorded.spike_steps("layer_0", position, 1)
    assert title.startswith(f"{name}: {len(steps)} spike")
    times, potentials = browser.execute_script(COLUMNS, "trace spikes")
    column = recorded.positions("layer_0").index(position)
    np.testing.assert_array_equal(times, steps)
    np.testing.assert_allclose(potentials, recorded.potentials["layer_0"].values[1, steps - 1, column], rtol=1e-6)
    assert browser.execute_script(COLUMNS, "v")[1][0] == 0.25  # v_init
    assert browser.get_log("browser") == []


def test_another_image_and_maps(browser, recorded, small_images, labels, tmp_path):
    opened(browser, recorded.report(tmp_path / "report.html", small_images, labels, shown=(1, 2)))
    choose = (
        "const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(choose, "image", "1")
    verdict = browser.execute_script("return document.getElementById('verdict').textContent")
    assert f"decision {recorded.decisions[2]} " in verdict and "correct" in verdict
    browser.execute_script(choose, "map-layer", "layer_0")
    channels = recorded.shapes["layer_0"][0]
    assert browser.execute_script("return document.querySelectorAll('#maps canvas').length") == channels
    browser.execute_script(choose, "map-kind", "first")
    assert "step 1" in browser.execute_script("return document.getElementById('map-scale').textContent")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("change", ["neurons", "own equations", "synapses", "dale", "relay"])
def test_changed_networks_have_reports(numpy_target, small_spiking, small_images, tmp_path, change):
    changed = {
        "neurons": lambda: with_neurons(small_spiking, LeakyIntegrateAndFire(), interval=5, duration=50),
        "own equations": lambda: small_spiking.change_neurons("layer_0", reset="v = 0"),
        "synapses": lambda: small_spiking.change_connection(None, ExponentialCurrent(tau=3)),
        "dale": small_spiking.with_dale,
        "relay": lambda: small_spiking.with_dale("relay"),
    }[change]()
    everything = changed.populations
    recording = simulate(changed, small_images, 12, record_spikes=everything, record_potentials=everything)
    path = recording.report(tmp_path / "report.html", small_images)
    correlations = re.findall(r"<td[^>]*>(-?[01]\.\d+)</td>", path.read_text())
    assert len(correlations) >= 3, "layers are compared with their activations"
