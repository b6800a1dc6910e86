"""The demo: a small CNN trained on real handwritten digits, converted, and run in both modes."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional

from brianconv import datasets
from brianconv.analysis import plotting
from brianconv.analysis.result_json import summarize, table
from brianconv.conversion.convert import convert
from brianconv.files import writable_folder, write_atomically, write_json
from brianconv.positions import position_of_torch_index
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork

logger = logging.getLogger(__name__)

SEED = 0
EPOCHS = 30
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
N_STEPS = 60
V_INIT = 0.4
RASTER_CLASSES = (1, 4, 8)
TRACED = "conv2"


def small_cnn() -> nn.Sequential:
    """Return a CNN for 8 x 8 digits: 3C12-AvgPool2-3C24-FC10."""
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 12, 3, padding=1))
    model.add_module("relu1", nn.ReLU())
    model.add_module("pool1", nn.AvgPool2d(2))
    model.add_module("conv2", nn.Conv2d(12, 24, 3, padding=1))
    model.add_module("relu2", nn.ReLU())
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(24 * 4 * 4, 10))
    return model


def train(images: np.ndarray, labels: np.ndarray) -> nn.Sequential:
    """Train the small CNN for some seconds and return it."""
    torch.manual_seed(SEED)
    model = small_cnn()
    fit(model, images, labels, EPOCHS, BATCH_SIZE, LEARNING_RATE)
    return model.eval()


def fit(
    model: nn.Module, images: np.ndarray, labels: np.ndarray, epochs: int, batch_size: int, learning_rate: float
) -> None:
    """Train a classifier in place with Adam."""
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(batch_size):
            loss = functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def run_demo(out: str | Path) -> dict[str, object]:
    """Train, convert, simulate in both modes, write pictures and results into `out`, and return the results."""
    folder = writable_folder(out)
    training, held_out = datasets.load("digits", "train"), datasets.load("digits", "test")
    logger.info(f"training a small CNN on {len(training)} handwritten digits ...")
    spiking = convert(train(training.images, training.labels), training.images, coding="rate", v_init=V_INIT)
    logger.info(f"converted: {spiking.graph.n_neurons:,} neurons, {spiking.graph.n_synapses:,} synapses\n")
    logger.info(spiking.describe(TRACED) + "\n")
    recordings = {mode: _simulated(spiking, held_out.images, mode) for mode in ("runtime", "standalone")}
    results = {mode: summarize(recording, held_out.labels) for mode, recording in recordings.items()}
    logger.info(table(results))
    same = np.array_equal(recordings["runtime"].scores, recordings["standalone"].scores)
    logger.info(f"\nscores of both modes at every step: {'equal' if same else 'DIFFERENT'}")
    _draw(spiking, recordings["standalone"], held_out, folder)
    result: dict[str, object] = {
        "data": "digits",
        "coding": "rate",
        "coding_parameters": {"v_init": V_INIT},
        "modes": results,
    }
    write_json(folder / "result.json", result)
    written = "pictures and result.json are"
    if find_spec("bokeh"):
        _report(spiking, recordings["standalone"], held_out, folder / "report.html")
        written = "report.html, pictures and result.json are"
    logger.info(f"{written} in {folder}")
    return result


def _simulated(spiking: SpikingNetwork, images: np.ndarray, mode: str) -> Recording:
    logger.info(f"building and running in {mode} mode ...")
    return simulate(
        spiking,
        images,
        N_STEPS,
        mode=mode,
        record_spikes=spiking.populations,
        record_potentials={TRACED: _lively_neurons(spiking, images)},
        progress=True,
    )


def _report(spiking: SpikingNetwork, recording: Recording, held_out: datasets.Dataset, path: Path) -> None:
    shown = [int(np.flatnonzero(held_out.labels == label)[0]) for label in RASTER_CLASSES]
    everything = spiking.populations
    details = simulate(
        spiking, held_out.images[shown], N_STEPS, mode="standalone", record_spikes=everything,
        record_potentials=everything,
    )  # fmt: skip
    recording.report(
        path, held_out.images, held_out.labels, shown=shown, title="Handwritten digits, rate coding", details=details
    )  # fmt: skip


def _lively_neurons(spiking: SpikingNetwork, images: np.ndarray) -> list[tuple[int, ...]]:
    """Return three neurons whose activations for the first image are high, middling and low."""
    activation = next(spiking.graph.activations(images[:1]))[TRACED].ravel()
    order = np.argsort(activation)
    chosen = [int(order[np.searchsorted(activation[order], level)]) for level in (0.6, 0.3, 0.08)]
    return [position_of_torch_index(spiking.graph.shapes[TRACED], k) for k in chosen]


def _draw(spiking: SpikingNetwork, recording: Recording, held_out: datasets.Dataset, folder: Path) -> None:
    curve = {f"SNN, v_init = {V_INIT}": recording.accuracy_by_step(held_out.labels)}
    shown = [int(np.flatnonzero(held_out.labels == label)[0]) for label in RASTER_CLASSES]
    figures = {
        "raster.png": plotting.plot_raster(recording, shown),
        "traces.png": plotting.plot_potentials(recording, TRACED),
        "accuracy.png": plotting.plot_accuracy(curve, recording.ann_accuracy(held_out.labels)),
        "correlation.png": plotting.plot_correlation(recording, spiking, held_out.images),
    }
    for name, figure in figures.items():
        write_atomically(folder / name, figure.savefig)
        plt.close(figure)
