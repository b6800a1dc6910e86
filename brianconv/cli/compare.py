"""`brianconv compare`: one network under every coding scheme that can express it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

from brianconv import datasets
from brianconv.cli.loading import load_trained, load_training_images
from brianconv.cli.options import add_mode, add_model, jobs, positive, text
from brianconv.cli.settings import N_CALIBRATION, read_settings, take_calibration
from brianconv.errors import ParameterError
from brianconv.files import writable_folder, write_atomically, write_json

NAME = "compare"
HELP = "run one network under every coding scheme, side by side"
N_HELD_OUT = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_model(parser)
    parser.add_argument(
        "--codes", type=text, metavar="NAME,NAME", help="coding schemes, separated by commas (default: all)"
    )
    parser.add_argument("--images", type=positive, default=1000, metavar="N", help="test images (default: 1000)")
    parser.add_argument(
        "--tune", action="store_true",
        help=f"take the settings that `tune auto` finds for each scheme with {N_HELD_OUT} held-out training images",
    )  # fmt: skip
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of schemes that can be stopped at any time")
    parser.add_argument("--show-image", type=int, default=0, metavar="K", help="image shown in rasters and traces")
    add_mode(parser)
    parser.add_argument("--jobs", type=jobs, default=1, metavar="N", help="processes that share the images")
    parser.add_argument(
        "--out", type=text, default="compare_output", metavar="DIR",
        help="folder for comparison.pdf, comparison.png, comparison.csv and result.json",
    )  # fmt: skip


def run(parsed: argparse.Namespace) -> None:
    """Run the command."""
    from brianconv.coding import find_coding
    from brianconv.comparison import all_codes, compare

    folder = writable_folder(parsed.out)
    names = parsed.codes.split(",") if parsed.codes else all_codes()
    schemes = [find_coding(name.strip()) for name in names]
    settings = read_settings(parsed.settings)
    test = datasets.load(parsed.data, "test", parsed.data_root).head(parsed.images)
    if not 0 <= parsed.show_image < len(test):
        raise ParameterError(f"--show-image is {parsed.show_image}; there are images 0 to {len(test) - 1}")
    n_calibration = take_calibration(settings, default=N_CALIBRATION)
    trained = load_trained(parsed, settings)
    training = trained.prepared(load_training_images(parsed, None if parsed.tune else n_calibration))
    held_out = None
    if parsed.tune:
        if len(training) < 2 * N_HELD_OUT:
            raise ParameterError(f"--tune needs {2 * N_HELD_OUT} training images; there are {len(training)}")
        held_out = (training.images[-N_HELD_OUT:], training.labels[-N_HELD_OUT:])
        most = min(n_calibration, len(training) - N_HELD_OUT)
        training = replace(training, images=training.images[:most], labels=training.labels[:most])
    of_scheme = {
        scheme.name: {
            **settings,
            **({"seed": parsed.seed} if "seed" in scheme.all_parameters else {}),
            **({"n_steps": parsed.steps} if parsed.steps and scheme.schedule is None else {}),
        }
        for scheme in schemes
    }
    prepared = trained.prepared(test)
    outcome = compare(
        trained.model,
        prepared.images,
        prepared.labels,
        list(of_scheme),
        calibration_images=training.images,
        held_out=held_out,
        settings=of_scheme,
        mode=parsed.mode,
        jobs=parsed.jobs,
        shown_image=parsed.show_image,
        progress=True,
    )
    print(outcome)
    figure = outcome.plot()
    for kind in ("pdf", "png"):
        write_atomically(folder / f"comparison.{kind}", partial(figure.savefig, format=kind))
    outcome.save_csv(folder / "comparison.csv")
    about = {"model": parsed.model, "data": parsed.data, "tuned": parsed.tune}
    write_json(folder / "result.json", about | outcome.as_dict())
    print(f"comparison.pdf, comparison.png, comparison.csv and result.json are in {folder}")
