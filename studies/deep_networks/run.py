"""Accuracy by step of the deep networks on CIFAR-10 with rate and phase coding, beside their ANNs.

    python -m studies.deep_networks.run --data-root DIR [--jobs 2] [--only "ROW"]

Writes results.json after every row; the same command resumes where it stopped.
"""

from __future__ import annotations

from pathlib import Path

from brianconv import datasets
from brianconv.analysis.result_json import summarize
from brianconv.conversion.settings import convert_with_settings
from brianconv.conversion.weights import image_statistics, load_model
from brianconv.simulation.run import simulate
from studies.arguments import study_parser
from studies.deep_networks import params
from studies.stored import KEPT, Stored

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    parser = study_parser(__doc__)
    parser.add_argument("--only", choices=params.ROWS, nargs="+", help="these rows only")
    arguments = parser.parse_args()
    for title in arguments.only or params.ROWS:
        row = params.ROWS[title]
        stored = Stored(RESULTS, title, row, leave_out=("paper",))
        if "accuracy" not in stored.results:
            stored.results |= _figures(row, arguments.data_root, arguments.jobs)
            stored.save()
        print(f"{title}: {stored.results['accuracy']:.2%} (ANN {stored.results['ann_accuracy']:.2%})", flush=True)


def _figures(row: params.Row, data_root: str, jobs: int) -> dict:
    model, weights = load_model(row.model)
    statistics = image_statistics(weights)
    training, test = (
        datasets.load(params.DATA, split, data_root).head(n_images).standardized(*statistics)
        for split, n_images in (("train", params.N_CALIBRATION), ("test", row.n_images))
    )
    spiking = convert_with_settings(model, training.images, row.code, row.options)
    recording = simulate(
        spiking,
        test.images,
        row.n_steps,
        skip=row.skip,
        evaluation_delay=row.evaluation_delay,
        mode="standalone",
        dtype=params.DTYPE,
        jobs=jobs,
        progress=True,
    )
    summary = summarize(recording, test.labels)
    agreement = float((recording.decisions == recording.ann_scores.argmax(axis=1)).mean())
    return {key: summary[key] for key in (*KEPT, "n_steps")} | {"agreement_with_ann": agreement}


if __name__ == "__main__":
    main()
