"""Kernels of time-to-first-spike coding before and after tuning: losses, spike times, accuracy, spikes.

    python -m studies.kernels.run --data-root DIR [--networks net1] [--jobs 2]

Writes results.json after every row; the same command resumes where it stopped.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from brianconv import datasets
from brianconv.analysis.result_json import summarize
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import load_model
from brianconv.simulation.run import Simulation
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.kernels.descent import tune_kernels
from brianconv.tuning.kernels.settings import Descent
from studies.arguments import study_parser
from studies.kernels import params
from studies.stored import Stored, rounded

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
KEPT = (
    "ann_accuracy", "accuracy", "n_steps", "spikes_per_image", "spikes_per_image_by_layer",
    "synaptic_operations_per_image",
)  # fmt: skip


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
        self.model, _ = load_model(self.network.model)
        self.spiking = self._converted("ttfs", window=self.network.window)
        self.stored = Stored(RESULTS, name, self.network)
        self.results = self.stored.results
        self.results.setdefault("tuned", {})
        self.results.setdefault("rows", {})

    def run(self) -> None:
        for tau in self.network.starts:
            self._tune(tau)
        simulation = Simulation(self.spiking, "standalone", dtype=params.DTYPE)
        for title, kernel in self._kernels().items():
            for start in (0, self.network.early):
                name, n_images = (f"{title}, early firing", None) if start else (title, self.network.n_waiting)
                self._row(name, simulation, {**kernel, "start": start}, n_images=n_images)
        burst = Simulation(self._converted("burst"), "standalone", dtype=params.DTYPE)
        for title, options in params.BURSTS.items():
            self._row(title, burst, options, self.network.burst_steps, self.network.n_burst)

    def _converted(self, code: str, **options: Any) -> SpikingNetwork:
        images = self.training.images
        return convert(self.model, images, coding=code, normalization=params.NORMALIZATION, **options)

    def _tune(self, tau: float) -> None:
        if str(tau) in self.results["tuned"]:
            return
        start, state = time.perf_counter(), FOLDER / f".{self.name}.{tau:g}.state.json"
        found = tune_kernels(
            self.spiking.with_parameters(tau=tau, window=self.network.window),
            self.training.images[: self.network.n_tuning],
            Descent(self.network.n_epochs, self.network.batch_size),
            state=state,
            progress=True,
        )
        seconds = round(time.perf_counter() - start, 1)
        self.results["tuned"][str(tau)] = {
            "settings": found.settings,
            "curves": rounded(found.curves),
            "seconds": seconds,
        }
        self.stored.save()
        state.unlink()
        print(f"{self.name}: from tau {tau:g} to {found.settings}", flush=True)

    def _kernels(self) -> dict[str, dict[str, Any]]:
        """Return the kernels to run, by title."""
        untuned = (self.network.untuned, *self.network.starts)
        rows: dict[str, dict[str, Any]] = {params.UNTUNED.format(tau): {"tau": tau, "t_d": 0.0} for tau in untuned}
        for tau in self.network.starts:
            settings = self.results["tuned"][str(tau)]["settings"]
            rows[params.TUNED.format(tau)] = {key: settings[key] for key in ("tau", "t_d")}
        return rows

    def _row(
        self,
        title: str,
        simulation: Simulation,
        options: dict[str, Any],
        n_steps: int | None = None,
        n_images: int | None = None,
    ) -> None:
        if title in self.results["rows"]:
            return
        spiking = simulation.spiking.with_parameters(**options)
        test = self.test.head(n_images)
        recording = simulation.run(
            test.images, n_steps or spiking.default_steps, jobs=self.jobs, progress=True, **options
        )
        summary = summarize(recording, test.labels)
        row = {key: summary[key] for key in KEPT}
        if title in self.network.drawn():
            by_step = (recording.spike_counts / recording.n_images).round(4).T.tolist()
            row["spikes_by_step"] = dict(zip(recording.layers, by_step, strict=True))
        self.results["rows"][title] = row
        self.stored.save()
        print(f"{self.name}: {title}: accuracy {summary['accuracy']:.2%}", flush=True)


if __name__ == "__main__":
    main()
