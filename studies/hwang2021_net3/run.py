"""A photograph through the spiking autoencoder Net 3, for pre-charges of 0.0 to 0.5 and tuned ones.

    python -m studies.hwang2021_net3.run --data-root DIR [--jobs 2]

The photograph (512 x 512) is scikit-image's; it is cut into 256 patches. Writes results.json after every pre-charge,
and the restored pictures into pictures.npz; the same command resumes where it stopped.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from brianconv import datasets
from brianconv.analysis.result_json import versions
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.files import write_atomically, write_json
from brianconv.readers import read_json, read_npz
from brianconv.recording import Recording
from brianconv.simulation.run import Simulation
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.pcmp.search import tune_pcmp
from studies.arguments import study_parser
from studies.hwang2021_net3 import params
from studies.hwang2021_net3.patches import joined, patches
from studies.stored import rounded

FOLDER = Path(__file__).parent
RESULTS, PICTURES = FOLDER / "results.json", FOLDER / "pictures.npz"
DIGITS = 6


def main() -> None:
    parser = study_parser(__doc__)
    arguments = parser.parse_args()
    photograph = data.astronaut().astype(np.float32) / 255
    images = patches(photograph)
    training = datasets.load(params.DATA, "train", arguments.data_root).head(params.N_CALIBRATION).images
    model, _ = load_model(params.MODEL)
    spiking = convert(model, training, normalization=params.NORMALIZATION)
    results = _previous()
    tuned = _tuned(spiking, training, results)
    simulation = Simulation(spiking, "standalone", dtype=params.DTYPE)
    for v_init in (*params.V_INIT, params.LAYERWISE):
        if v_init in results["by_v_init"]:
            continue
        value = tuned if v_init == params.LAYERWISE else float(v_init)
        recording = simulation.run(images, params.N_STEPS, v_init=value, jobs=arguments.jobs, progress=True)
        results["by_v_init"][v_init] = rounded(_measured(recording, images), DIGITS)
        _keep_pictures(v_init, recording, photograph)
        write_json(RESULTS, results)
        print(f"v_init {v_init}: {results['by_v_init'][v_init]['error_to_ann_by_step'][-1]:.3g}", flush=True)


def _previous() -> dict[str, Any]:
    names = [name for name in dir(params) if name.isupper() and not name.startswith(("PAPER", "SHOWN"))]
    settings = json.loads(json.dumps({name.lower(): getattr(params, name) for name in names}))
    if RESULTS.exists():
        results = read_json(RESULTS)
        if results["settings"] == settings:
            return results
    return {"settings": settings, "versions": versions(), "by_v_init": {}}


def _tuned(spiking: SpikingNetwork, training: np.ndarray, results: dict[str, Any]) -> dict[str, float]:
    """Return the pre-charge of each layer (Eq. 6, Algorithm 1)."""
    if "tuned" not in results:
        start, state = time.perf_counter(), FOLDER / ".pcmp.state.json"
        found = tune_pcmp(spiking, training[: params.N_TUNING], n_steps=params.N_STEPS, state=state, progress=True)
        results["tuned"] = {"v_init": dict(found.v_init), "seconds": round(time.perf_counter() - start, 1)}
        write_json(RESULTS, results)
        state.unlink()
    return results["tuned"]["v_init"]


def _measured(recording: Recording, images: np.ndarray) -> dict[str, Any]:
    steps = range(1, recording.n_steps + 1)
    to_picture = [float(np.mean((recording.outputs(step) - images) ** 2)) for step in steps]
    one = recording.output_scale
    return {
        "error_to_ann_by_step": recording.mean_squared_error_by_step.tolist(),
        "error_to_picture_by_step": to_picture,
        "mean_output_by_step": [float(recording.outputs(step).mean() / one) for step in steps],
        "ann_mean_output": float(recording.ann_outputs.mean() / one),
        "ann_error_to_picture": float(np.mean((recording.ann_outputs - images) ** 2)),
        "error_to_ann_by_delay": {
            str(delay): recording.delayed(delay).mean_squared_error_by_step.tolist() for delay in params.DELAYS
        },
        "spikes_by_step": recording.spike_counts.sum(axis=1).tolist(),
        "operations_by_step": (recording.synaptic_operations.sum(axis=1) / recording.n_images).tolist(),
    }


def _keep_pictures(v_init: str, recording: Recording, photograph: np.ndarray) -> None:
    """Add the restored pictures of some steps to pictures.npz, in 8 bits and at half the size."""
    if v_init not in params.SHOWN_V_INIT:
        return
    n_columns = photograph.shape[1] // params.PATCH
    kept: dict[str, Any] = read_npz(PICTURES) if PICTURES.exists() else {}
    kept |= {"original": _pixels(photograph), "ann": _pixels(joined(recording.ann_outputs, n_columns))}
    kept |= {f"{v_init}/{step}": _pixels(joined(recording.outputs(step), n_columns)) for step in params.SHOWN_STEPS}
    write_atomically(PICTURES, lambda file: np.savez_compressed(file, **kept))


def _pixels(picture: np.ndarray) -> np.ndarray:
    return halved((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))


def halved(pixels: np.ndarray) -> np.ndarray:
    """Average squares of four pixels."""
    rows, columns, channels = pixels.shape
    return pixels.reshape(rows // 2, 2, columns // 2, 2, channels).mean(axis=(1, 3)).round().astype(np.uint8)


if __name__ == "__main__":
    main()
