"""Layer-wise pre-charge against one global value: error of the output layer, latency with and without delay.

    python -m studies.pcmp.run --data-root DIR [--networks net1] [--jobs 2]

Writes results.json after every row; the same command resumes where it stopped.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from brianconv import datasets
from brianconv.analysis.result_json import summarize
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.recording import Recording
from brianconv.simulation.run import Simulation
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.tuning.pcmp.refinement import output_error, refine_pcmp
from brianconv.tuning.pcmp.search import tune_pcmp
from studies.arguments import study_parser
from studies.latency import latency_by_delay
from studies.pcmp import params
from studies.stored import KEPT, Stored

FOLDER = Path(__file__).parent
Tuned = dict[str, dict[str, float]]
RESULTS = FOLDER / "results.json"


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=params.NETWORKS, default=list(params.NETWORKS))
    arguments = parser.parse_args()
    for name in arguments.networks:
        Study(name, arguments.data_root, arguments.jobs).run()


class Study:
    """The rows of one network."""

    def __init__(self, name: str, data_root: str, jobs: int) -> None:
        self.name, self.jobs = name, jobs
        self.network = params.NETWORKS[name]
        self.training = datasets.load(self.network.data, "train", data_root).head(self.network.n_calibration)
        self.test = datasets.load(self.network.data, "test", data_root).head(self.network.n_test)
        model, _ = load_model(self.network.model)
        self.spiking = convert(model, self.training.images, normalization=self.network.normalization)
        self.simulation = Simulation(self.spiking, "standalone", dtype=params.DTYPE)
        self.stored = Stored(RESULTS, name, self.network, leave_out=("paper",))
        self.results = self.stored.results

    def run(self) -> None:
        tuned = {params.LAYERWISE: self._tuned()}
        for images in ("training", "test"):
            for v_init in (params.LAYERWISE, *self.network.global_fine):
                self._row(f"squared_error_{images}", str(v_init), partial(self._errors, images, tuned))
        tuned[params.REFINED] = self._refined()
        for images in ("training", "test"):
            self._row(f"squared_error_{images}", params.REFINED, partial(self._errors, images, tuned))
        for v_init in (*tuned, *self.network.global_coarse):
            self._row("latency", v_init, partial(self._latency, tuned))

    def _row(self, kind: str, key: str, compute: Any) -> None:
        rows = self.results.setdefault(kind, {})
        if key not in rows:
            rows[key] = compute(key)
            self.stored.save()
            print(f"{self.name}: {kind} of v_init {key}", flush=True)

    def _tuned(self) -> dict[str, float]:
        if "tuned" not in self.results:
            start, state = time.perf_counter(), FOLDER / f".{self.name}.state.json"
            training = self.training.images[: self.network.n_tuning]
            found = tune_pcmp(self.spiking, training, state=state, progress=True)
            self.results["tuned"] = {
                "v_init": dict(found.v_init),
                "curves": found.curves,
                "seconds": round(time.perf_counter() - start, 1),
            }
            self.stored.save()
            state.unlink()
        print(f"{self.name}: {self.results['tuned']['v_init']}", flush=True)
        return self.results["tuned"]["v_init"]

    def _refined(self) -> dict[str, float]:
        """Refine from the layer-wise optimum and the best global value."""
        if "refined" not in self.results:
            start, state = time.perf_counter(), FOLDER / f".{self.name}.refinement.json"
            layerwise = self.results["tuned"]["v_init"]
            rows = self.results["squared_error_training"]
            best = min(self.network.global_fine, key=lambda v: rows[str(v)]["sum"])
            training = self.training.images[: self.network.n_tuning]
            about = {"settings": self.results["settings"], "layerwise": layerwise}
            found = refine_pcmp(
                lambda v_init: output_error(self.simulation.run(training, params.ERROR_STEPS, v_init=v_init)),
                [layerwise, dict.fromkeys(layerwise, best)],
                checkpoint=Checkpoint(state, about),
            )
            self.results["refined"] = {
                "v_init": dict(found.v_init),
                "n_tried": len(found.tried),
                "seconds": round(time.perf_counter() - start, 1),
            }
            self.stored.save()
            state.unlink()
        print(f"{self.name}: refined {self.results['refined']['v_init']}", flush=True)
        return self.results["refined"]["v_init"]

    def _simulated(self, images: np.ndarray, n_steps: int, v_init: str, tuned: Tuned) -> Recording:
        value = tuned[v_init] if v_init in tuned else float(v_init)
        return self.simulation.run(images, n_steps, v_init=value, jobs=self.jobs)

    def _errors(self, which: str, tuned: Tuned, v_init: str) -> dict[str, Any]:
        """Squared error of the output layer's rates, averaged over images and neurons, at each step and summed."""
        chosen = self.training.images[: self.network.n_tuning]
        images = chosen if which == "training" else self.test.images[: self.network.n_error]
        recording = self._simulated(images, params.ERROR_STEPS, v_init, tuned)
        activation = np.maximum(recording.ann_scores, 0.0)[:, None]
        by_step = ((recording.scores - activation) ** 2).mean(axis=(0, 2))
        kept = v_init in (params.LAYERWISE, params.REFINED, *self.network.global_coarse)
        return {"sum": output_error(recording)} | ({"by_step": by_step.round(7).tolist()} if kept else {})

    def _latency(self, tuned: Tuned, v_init: str) -> dict[str, Any]:
        recording = self._simulated(self.test.images, self.network.n_steps, v_init, tuned)
        summary = summarize(recording, self.test.labels)
        operations = recording.synaptic_operations.sum(axis=1) / recording.n_images
        return {
            **{key: summary[key] for key in KEPT},
            "operations_by_step": operations.round().tolist(),
            "latency_by_delay": latency_by_delay(recording, self.test.labels, self.network.delays),
        }


if __name__ == "__main__":
    main()
