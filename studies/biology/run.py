"""What leaks, refractory periods, noise, delays, slow synapses, few bits and other neurons cost each code.

    python -m studies.biology.run --data-root DIR [--jobs 2] [NETWORK ...]

Writes results.json after every run; the same command resumes where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from brian2 import ms

from brianconv import biology, datasets
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.datasets import Dataset
from brianconv.errors import ParameterError
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from studies.arguments import study_parser
from studies.biology import params
from studies.stored import Stored, rounded, spread

FOLDER = Path(__file__).parent


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("networks", nargs="*", choices=[[], *params.NETWORKS], help="default: all")
    arguments = parser.parse_args()
    for name in arguments.networks or params.NETWORKS:
        network = params.NETWORKS[name]
        stored = Stored(FOLDER / "results.json", name, network)
        training = datasets.load(network.data, "train", arguments.data_root).head(network.n_calibration)
        test = datasets.load(network.data, "test", arguments.data_root).head(network.n_images)
        model, _ = load_model(network.model)
        for code in params.CODES:
            for change, level in _runs(code):
                key = f"{code}/{change}/{level}"
                if key in stored.results:
                    continue
                stored.results[key] = _measured(model, training, test, code, change, level, arguments.jobs)
                stored.save()
                found = stored.results[key]
                print(f"{name} {key}: {found.get('accuracy', found.get('refused'))}", flush=True)


def _runs(code: str) -> list[tuple[str, Any]]:
    runs: list[tuple[str, Any]] = [("none", 0), ("dale", "split")]
    runs += [(change, level) for change, levels in params.LEVELS.items() for level in levels]
    return runs + ([("neurons", name) for name in params.NEURONS] if code == "rate" else [])


def _measured(
    model: torch.nn.Module, training: Dataset, test: Dataset, code: str, change: str, level: Any, jobs: int
) -> dict[str, Any]:
    try:
        bits = {"weight_bits": level} if change == "weight_bits" else {}
        spiking = convert(model, training.images, coding=code, **bits)
        if code == "rate":
            spiking = spiking.with_parameters(v_init=params.V_INIT)
        spiking, run = _changed(spiking, training, change, level)
        recording = simulate(spiking, test.images, mode="standalone", jobs=jobs, **run)
    except ParameterError as error:
        return {"refused": str(error).split("\n")[0]}
    return _summary(recording, test.labels)


def _changed(
    spiking: SpikingNetwork, training: Dataset, change: str, level: Any
) -> tuple[SpikingNetwork, dict[str, Any]]:
    run: dict[str, Any] = {"n_steps": params.N_STEPS.get(spiking.coding.name)}
    if change == "tau_m":
        return spiking.with_membrane(tau_m=level * ms), run
    if change == "refractory":
        return spiking.with_membrane(refractory=level * ms), run
    if change == "noise":
        return spiking.with_membrane(noise=level * ms**-0.5), run
    if change == "jitter":
        # spikes that carry a value, as those of relays do, keep their delays: the value would change on the way
        plain = [
            name
            for name, connection, layer in spiking.labelled_connections
            if spiking.neurons[connection.source].spike_value == "1" and not layer.passes_on
        ]
        if not plain:
            raise ParameterError(f"all spikes of coding {spiking.coding.name!r} carry values")
        return spiking.change_connection(plain, delay=biology.JitteredDelay(0 * ms, level * ms)), run
    if change == "tau_syn":
        return spiking.change_connection(None, biology.ExponentialCurrent(tau=level * ms)), run
    if change == "dale":
        return spiking.with_dale(level), run
    if change == "neurons":
        interval, duration, dt, tau = params.NEURONS[level]
        images = training.images[: params.N_FITTED]
        spiking = biology.with_neurons(
            spiking,
            _neuron(level),
            images=images,
            interval=interval * ms,
            duration=duration * ms,
            dt=dt * ms,
        )
        if tau:
            spiking = spiking.change_connection(None, biology.ExponentialCurrent(tau=tau * ms))
        run = {"n_steps": duration * ms, "dt": dt * ms}
    return spiking, run


def _neuron(level: str) -> biology.NeuronKind:
    """Return the neuron of a row of the table, such as ``Izhikevich a=0.1 d=2``."""
    name, *settings = level.split()
    values = {key: float(value) for key, value in (setting.split("=") for setting in settings)}
    return getattr(biology, name)(**values)


def _summary(recording: Recording, labels: np.ndarray) -> dict[str, Any]:
    latency = recording.latency(labels)
    return rounded(
        {
            "accuracy": recording.accuracy(labels),
            "std": spread(recording.decisions == labels, params.N_GROUPS),
            "ann_accuracy": recording.ann_accuracy(labels),
            "latency_ms": None if latency is None else latency * recording.dt_ms,
            "spikes_per_image": recording.spikes_per_image,
        }
    )


if __name__ == "__main__":
    main()
