"""Accuracy, latency, spikes, operations and energy of each neural code on Net 1.

    python -m studies.neural_codes.run --data-root DIR [--jobs 2]

Writes results.json after every row, and what the pictures need into recordings.npz; the same command goes on where it
was stopped.
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

import numpy as np

from brianconv import datasets
from brianconv.analysis.energy import SPINNAKER, TRUENORTH, compute_energy, normalized_energy
from brianconv.analysis.metrics import summarize, versions
from brianconv.conversion.weights import load_model
from brianconv.files import write_atomically, write_json
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork, convert
from studies.neural_codes import params

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
KEPT = ("ann_accuracy", "accuracy", "latency_steps", "n_steps", "spikes_per_image", "synaptic_operations_per_image")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data-root", default="data")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--images", type=int, default=params.N_IMAGES)
    arguments = parser.parse_args()
    test = datasets.load(params.DATA, "test", arguments.data_root).head(arguments.images)
    training = datasets.load(params.DATA, "train", arguments.data_root).head(params.N_CALIBRATION)
    model, _ = load_model(params.MODEL)
    settings = {"images": arguments.images, "calibration": params.N_CALIBRATION}
    results = _previous(settings)
    for title, (code, options, n_steps) in params.ROWS.items():
        if title in results["rows"]:
            continue
        spiking = convert(model, training.images, coding=code, normalization="max", **options)
        recording = simulate(
            spiking, test.images, n_steps, mode="standalone", dtype=params.DTYPE, jobs=arguments.jobs, progress=True
        )
        results["rows"][title] = _row(spiking, recording, test.labels)
        write_json(RESULTS, results)
        print(f"{title}: accuracy {results['rows'][title]['accuracy']:.2%}", flush=True)
    _add_energies(results["rows"])
    write_json(RESULTS, results)
    _record(model, training.images, test.images[:1])


def _previous(settings: dict[str, int]) -> dict:
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text())
        if results["settings"] == settings:
            return results
    return {"settings": settings, "versions": versions(), "rows": {}}


def _row(spiking: SpikingNetwork, recording: Recording, labels: np.ndarray) -> dict:
    summary = summarize(recording, labels)
    analog_steps = 1 if spiking.scheme.encoding.name == "analog" else 0  # products with weights are made once
    energy = compute_energy(recording, spiking.graph, analog_steps=analog_steps)
    return {**{key: summary[key] for key in KEPT}, "code": spiking.scheme.name, "energy_gain": energy.gain}


def _add_energies(rows: dict[str, dict]) -> None:
    """Normalise energies by those of the first row, as Park et al. (2020) do."""
    reference = next(iter(rows.values()))
    for row in rows.values():
        for name, architecture in (("truenorth", TRUENORTH), ("spinnaker", SPINNAKER)):
            row[f"energy_{name}"] = normalized_energy(
                architecture,
                spikes=row["spikes_per_image"],
                latency=row["n_steps"],
                reference_spikes=reference["spikes_per_image"],
                reference_latency=reference["n_steps"],
            )


def _record(model, training: np.ndarray, image: np.ndarray) -> None:
    """Record spikes and potentials of one layer for one image, for each code that is drawn."""
    arrays: dict[str, np.ndarray] = {}
    for k, title in enumerate(params.DRAWN):
        code, options, n_steps = params.ROWS[title]
        spiking = convert(model, training, coding=code, normalization="max", **options)
        activation = next(spiking.graph.activations(image))[params.LAYER].ravel()
        lively = np.argsort(activation)[[int(0.99 * activation.size)]]
        recording = simulate(
            spiking, image, n_steps, mode="standalone", dtype=params.DTYPE,
            record_spikes=[params.LAYER], record_potentials={params.LAYER: lively},
        )  # fmt: skip
        spikes = recording.spikes_of(params.LAYER)
        traced = spikes.neuron == lively[0]
        fired = np.isin(np.arange(1, recording.n_steps + 1), spikes.step[traced])
        path = spiking.scheme.threshold_path
        assert path is not None
        arrays |= {
            f"{k}/steps": np.array(recording.n_steps),
            f"{k}/spike_step": spikes.step,
            f"{k}/spike_neuron": spikes.neuron,
            f"{k}/v": recording.potentials[params.LAYER].values[0, :, 0],
            f"{k}/fired": fired,
            f"{k}/threshold": path({name: by[params.LAYER] for name, by in spiking.shared_values.items()}, fired),
        }
    write_atomically(FOLDER / "recordings.npz", functools.partial(np.savez_compressed, **arrays))


if __name__ == "__main__":
    main()
