"""Accuracy, latency, spikes, operations and energy of each coding scheme on two networks.

    python -m studies.neural_codes.run --data-root DIR [--jobs 2] [--network NAME] [--only "ROW"]

Writes results.json after every row, and what the pictures need into recordings.npz; the same command resumes where it
stopped. `--network` and `--only` run a part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from brianconv import datasets
from brianconv.analysis.energy import (
    SPINNAKER,
    TRUENORTH,
    analog_macs,
    compute_energy,
    normalized_energy,
    operation_counts,
)
from brianconv.analysis.result_json import summarize, versions
from brianconv.conversion.settings import convert_with_settings
from brianconv.conversion.weights import load_model
from brianconv.errors import UnsupportedLayerError
from brianconv.files import write_atomically, write_json
from brianconv.positions import position_of_torch_index
from brianconv.readers import read_json
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from studies.arguments import study_parser
from studies.neural_codes import params

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
KEPT = (
    "ann_accuracy",
    "accuracy",
    "latency_steps",
    "n_steps",
    "mean_decision_step",
    "spikes_per_image",
    "synaptic_operations_per_image",
    "analog_operations_per_image",
)


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--images", type=int, default=params.N_IMAGES)
    parser.add_argument("--network", choices=params.NETWORKS, help="this one only")
    parser.add_argument("--only", choices=params.ROWS, help="this row only, anew")
    arguments = parser.parse_args()
    test = datasets.load(params.DATA, "test", arguments.data_root).head(arguments.images)
    training = datasets.load(params.DATA, "train", arguments.data_root).head(params.N_CALIBRATION)
    results = _previous({"images": arguments.images, "calibration": params.N_CALIBRATION})
    for network in [arguments.network] if arguments.network else params.NETWORKS:
        model, _ = load_model(params.NETWORKS[network])
        rows = results["networks"].setdefault(network, {})
        for title in [arguments.only] if arguments.only else params.ROWS:
            if title not in rows or arguments.only:
                rows[title] = _run(model, title, training.images, test, arguments.jobs)
                write_json(RESULTS, results)
                print(f"{network}, {title}: {rows[title].get('accuracy', rows[title].get('refused'))}", flush=True)
        if params.REFERENCE in rows:
            _add_energies(rows)
            write_json(RESULTS, results)
        if network == params.DRAWN_NETWORK:
            _record(model, training.images, test.images[:1])


def _previous(settings: dict[str, int]) -> dict:
    if RESULTS.exists():
        results = read_json(RESULTS)
        if results["settings"] == settings:
            return results
    return {"settings": settings, "versions": versions(), "networks": {}}


def _run(model: nn.Module, title: str, calibration: np.ndarray, test: datasets.Dataset, jobs: int) -> dict:
    row = params.ROWS[title]
    try:
        spiking = _converted(model, calibration, row)
    except UnsupportedLayerError as error:
        return {"refused": str(error)}
    recording = simulate(
        spiking,
        test.images,
        row.n_steps,
        early_decision=row.early_decision,
        mode="standalone",
        dtype=params.DTYPE,
        jobs=jobs,
        progress=True,
    )
    return _figures(spiking, recording, test.labels)


def _converted(model: nn.Module, calibration: np.ndarray, row: params.Row) -> SpikingNetwork:
    measured = row.code in ("hybrid", "direct")  # they measure thresholds and leave the weights as they are
    options = row.options if measured else {"normalization": "max", **row.options}
    return convert_with_settings(model, calibration, row.code, options)


def _figures(spiking: SpikingNetwork, recording: Recording, labels: np.ndarray) -> dict:
    summary = summarize(recording, labels)
    energy = compute_energy(recording, spiking.graph)
    macs = analog_macs(recording, spiking.graph)
    operations = operation_counts(spiking.coding, summary["spikes_per_image"], macs=macs)
    return {
        **{key: summary[key] for key in KEPT},
        "code": spiking.coding.name,
        "compute_energy_nj": energy.snn_pj / 1000,
        "ann_compute_energy_nj": energy.ann_pj / 1000,
        "multiplications": operations.multiplications,
        "additions": operations.additions,
    }


def _add_energies(rows: dict[str, dict]) -> None:
    """Normalise energies by those of Poisson rate coding, as Park et al. (2020) do."""
    reference = rows[params.REFERENCE]
    for row in rows.values():
        if "refused" in row:
            continue
        for name, architecture in (("truenorth", TRUENORTH), ("spinnaker", SPINNAKER)):
            row[f"energy_{name}"] = normalized_energy(
                architecture,
                spikes=row["spikes_per_image"],
                latency=row["mean_decision_step"] or row["n_steps"],
                reference_spikes=reference["spikes_per_image"],
                reference_latency=reference["n_steps"],
            )


def _record(model: nn.Module, calibration: np.ndarray, image: np.ndarray) -> None:
    """Record spikes and potentials of one layer for one image, for each code that is drawn."""
    arrays: dict[str, Any] = {}
    for k, title in enumerate(params.DRAWN):
        row = params.ROWS[title]
        spiking = _converted(model, calibration, row)
        activation = next(spiking.normalized.ann.activations(image))[params.LAYER].ravel()
        lively = np.argsort(activation)[int(0.99 * activation.size)]
        position = position_of_torch_index(spiking.graph.shapes[params.LAYER], lively)
        recording = simulate(
            spiking, image, row.n_steps, mode="standalone", dtype=params.DTYPE,
            record_spikes=[params.LAYER], record_potentials={params.LAYER: [position]},
        )  # fmt: skip
        spikes = recording.spikes_of(params.LAYER)
        fired = np.isin(np.arange(1, recording.n_steps + 1), recording.spike_steps(params.LAYER, position))
        path = spiking.coding.threshold_path
        assert path is not None
        arrays |= {
            f"{k}/steps": np.array(recording.n_steps),
            f"{k}/spike_step": spikes.step,
            f"{k}/spike_neuron": spikes.torch_index,
            f"{k}/v": recording.potentials[params.LAYER].values[0, :, 0],
            f"{k}/fired": fired,
            f"{k}/threshold": path({name: by[params.LAYER] for name, by in spiking.shared_values.items()}, fired),
        }
    write_atomically(FOLDER / "recordings.npz", lambda path: np.savez_compressed(path, **arrays))


if __name__ == "__main__":
    main()
