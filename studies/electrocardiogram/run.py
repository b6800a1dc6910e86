"""Beats of an electrocardiogram, told apart by a spiking network with convolutions along time, in four codes.

    python -m studies.electrocardiogram.run [--jobs 2]

The recording, the one of `scipy.datasets.electrocardiogram`, lies beside this file. Trains the network if there are no
weights (10 s), and writes results.json and spikes.npz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.analysis.result_json import summarize, versions
from brianconv.conversion.convert import convert
from brianconv.files import write_atomically, write_json
from brianconv.simulation.run import simulate
from studies.arguments import study_parser
from studies.electrocardiogram import params
from studies.electrocardiogram.beats import data_set
from studies.electrocardiogram.network import trained
from studies.stored import KEPT, rounded

FOLDER = Path(__file__).parent
LAYER = "layer_0"


def main() -> None:
    arguments = study_parser(__doc__).parse_args()
    training, training_labels, _ = data_set(train=True)
    images, labels, centres = data_set(train=False)
    model = trained(training, training_labels)
    results = {
        "versions": versions(),
        "n_training": len(training),
        "n_test": np.bincount(labels).tolist(),
        "centres": centres.tolist(),
        "labels": labels.tolist(),
        "codes": {},
    }
    beats = [int(np.flatnonzero(labels == label)[0]) for label in (1, 2)]
    for code in params.CODES:
        spiking = convert(model, training[:1000], coding=code)
        if code == "rate":
            spiking = spiking.with_parameters(v_init=params.V_INIT)
        recording = simulate(
            spiking, images, params.N_STEPS, mode="standalone", record_spikes=[LAYER], jobs=arguments.jobs
        )
        summary = summarize(recording, labels)
        confusion = np.zeros((3, 3), dtype=int)
        np.add.at(confusion, (labels, recording.decisions), 1)
        kept = {key: summary[key] for key in KEPT if key in summary}
        results["codes"][code] = rounded(kept) | {
            "confusion": confusion.tolist(),
            "decisions": recording.decisions.tolist(),
        }
        print(f"{code}: {recording.accuracy(labels):.4f} (ANN {recording.ann_accuracy(labels):.4f})", flush=True)
        if code == "rate":
            spikes = [recording.spikes_of(LAYER).of_image(beat) for beat in beats]
            kept_spikes = {
                f"{name}/{what}": getattr(found, what)
                for name, found in zip(("narrow", "wide"), spikes, strict=True)
                for what in ("step", "torch_index")
            }
            kept_spikes |= {"shape": np.array(recording.shapes[LAYER]), "windows": images[beats, 0]}
            _store(kept_spikes)
    write_json(FOLDER / "results.json", results)


def _store(arrays: dict[str, np.ndarray]) -> None:
    write_atomically(FOLDER / "spikes.npz", lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
