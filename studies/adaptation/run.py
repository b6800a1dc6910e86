"""Spike-frequency adaptation as an energy saver: accuracy against spikes.

    python -m studies.adaptation.run --data-root DIR [--jobs 2]

Writes results.json after every run; the same command resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import ms

from brianconv import datasets
from brianconv.biology import AdaptiveLeaky, LeakyIntegrateAndFire, with_neurons
from brianconv.coding.scheme import NeuronModel
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from studies.adaptation import params
from studies.arguments import study_parser
from studies.stored import Stored, rounded, spread

FOLDER = Path(__file__).parent


def main() -> None:
    arguments = study_parser(__doc__).parse_args()
    network = params.NETWORK
    stored = Stored(FOLDER / "results.json", "mnist_cnn", network)
    training = datasets.load(network.data, "train", arguments.data_root).head(network.n_calibration)
    test = datasets.load(network.data, "test", arguments.data_root).head(network.n_images)
    model, _ = load_model(network.model)
    converted = convert(model, training.images)
    for key, spiking in _runs(converted, training.images[: params.N_FITTED], stored.results):
        recording = simulate(spiking, test.images, params.DURATION_MS, mode="standalone", jobs=arguments.jobs)
        stored.results[key] = rounded(
            {
                "accuracy": recording.accuracy(test.labels),
                "std": spread(recording.decisions == test.labels, params.N_GROUPS),
                "ann_accuracy": recording.ann_accuracy(test.labels),
                "spikes_per_image": recording.spikes_per_image,
                "hidden_spikes_per_image": float(recording.spike_counts[:, 1:-1].sum() / recording.n_images),
            }
        )
        stored.save()
        print(key, stored.results[key], flush=True)


def _runs(converted: SpikingNetwork, images: np.ndarray, done: dict[str, Any]) -> Iterator[tuple[str, SpikingNetwork]]:
    """Yield the networks that have not been simulated."""
    times = {"tau_m": params.TAU_M_MS * ms}
    slow = {**times, "tau_a": params.TAU_A_MS * ms}
    duration = params.DURATION_MS * ms
    for interval in params.INTERVALS_MS:
        for name, kind in (
            ("leaky", LeakyIntegrateAndFire(**times)),
            ("refitted", AdaptiveLeaky(b=params.REFITTED, **slow)),
        ):
            if f"{name}/{interval}" not in done:
                yield (
                    f"{name}/{interval}",
                    with_neurons(converted, kind, images=images, interval=interval * ms, duration=duration),
                )
    leaky = None
    for b in params.ADAPTATIONS:
        if f"adapting/{b}" in done:
            continue
        leaky = leaky or with_neurons(
            converted, LeakyIntegrateAndFire(**times), images=images, interval=params.INTERVALS_MS[0] * ms,
            duration=duration,
        )  # fmt: skip
        model = AdaptiveLeaky(b=b, **slow).model(1 * ms)
        changes = {field.name: getattr(model, field.name) for field in fields(NeuronModel)}
        yield f"adapting/{b}", leaky.change_neurons(list(leaky.mappings), **changes)


if __name__ == "__main__":
    main()
