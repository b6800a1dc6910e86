"""Accuracy by step and latency of Net 1 for a global pre-charge of 0.0 to 0.5, with and without delayed evaluation.

    python -m studies.hwang2021_net1.run --data-root DIR [--jobs 2]

Writes results.json after every value of v_init; the same command resumes where it stopped.
"""

from __future__ import annotations

from pathlib import Path

from brianconv import datasets
from brianconv.analysis.result_json import summarize, versions
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.files import write_json
from brianconv.readers import read_json
from brianconv.simulation.run import Simulation
from studies.arguments import study_parser
from studies.hwang2021_net1 import params
from studies.latency import latency_by_delay
from studies.stored import KEPT

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--images", type=int, default=params.N_IMAGES)
    parser.add_argument("--steps", type=int, default=params.N_STEPS)
    arguments = parser.parse_args()
    settings = {"images": arguments.images, "steps": arguments.steps, "calibration": params.N_CALIBRATION}
    results = _previous(settings)
    test = datasets.load(params.DATA, "test", arguments.data_root).head(arguments.images)
    training = datasets.load(params.DATA, "train", arguments.data_root).head(params.N_CALIBRATION)
    model, _ = load_model(params.MODEL)
    spiking = convert(model, training.images, normalization=params.NORMALIZATION)
    simulation = Simulation(spiking, "standalone", dtype=params.DTYPE)
    for v_init in params.V_INIT:
        if str(v_init) in results["by_v_init"]:
            continue
        recording = simulation.run(test.images, arguments.steps, v_init=v_init, jobs=arguments.jobs, progress=True)
        summary = summarize(recording, test.labels)
        results["by_v_init"][str(v_init)] = {
            **{key: summary[key] for key in KEPT},
            "latency_by_delay": latency_by_delay(recording, test.labels, params.DELAYS),
        }
        write_json(RESULTS, results)
        print(f"v_init {v_init}: accuracy {summary['accuracy']:.2%}, latency {summary['latency_steps']}", flush=True)


def _previous(settings: dict[str, int]) -> dict:
    if RESULTS.exists():
        results = read_json(RESULTS)
        if results["settings"] == settings:
            return results
    return {"settings": settings, "versions": versions(), "by_v_init": {}}


if __name__ == "__main__":
    main()
