"""`brianconv tune auto`: the cheapest settings of a coding scheme that keep the accuracy."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace

from brianconv import datasets
from brianconv.cli.loading import add_seed, load_trained, run_command
from brianconv.cli.options import add_mode, steps
from brianconv.cli.settings import N_CALIBRATION, take_calibration
from brianconv.cli.tune.common import add_search, checked, state_path
from brianconv.errors import ParameterError
from brianconv.files import write_json

NAME = "auto"
HELP = "cheapest settings of a coding scheme that keep the accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the method's arguments."""
    add_search(parser, "rate", n_images=500)
    parser.add_argument("--steps", type=steps, metavar="N", help="longest simulation (default: the coding scheme's)")
    parser.add_argument(
        "--within", type=float, default=0.5, metavar="POINTS",
        help="distance from the ANN's accuracy in percentage points (default: 0.5)",
    )  # fmt: skip
    add_mode(parser)


def run(parsed: argparse.Namespace) -> None:
    """Search with the last training images; write the cheapest settings, and beside them all that were tried."""
    from brianconv.coding import find_coding
    from brianconv.tuning.auto import combinations, tune_auto
    from brianconv.tuning.checkpoint import Checkpoint, digest

    out, settings = checked(parsed)
    options = dict(settings)
    find_coding(parsed.coding)
    training = datasets.load(parsed.data, "train", parsed.data_root)
    others = len(training) - parsed.images
    n_calibration = take_calibration(options, default=max(min(N_CALIBRATION, others), 1))
    if n_calibration > others:
        raise ParameterError(
            f"calibration={n_calibration} and {parsed.images} held-out images do not fit into {len(training)} training "
            "images: choose fewer (--images, --set calibration=N)"
        )
    trained = load_trained(parsed, options)
    training = trained.prepared(training)
    add_seed(parsed, options)
    asked = ("model", "data", "coding", "images", "steps", "within", "seed")
    about = {
        **{key: getattr(parsed, key) for key in asked},
        "weights": str(trained.weights),
        "settings": dict(settings),
    }
    state = state_path(out)
    held_out = replace(training, images=training.images[-parsed.images :], labels=training.labels[-parsed.images :])
    weights = trained.model.state_dict().values()
    depends = {
        "combinations": combinations(parsed.coding, options),
        "weights_and_images": digest([*(w.numpy() for w in weights), training.images[:n_calibration], held_out.images]),
    }
    found = tune_auto(
        trained.model,
        training.images[:n_calibration],
        held_out,
        parsed.coding,
        within=parsed.within / 100,
        n_steps=parsed.steps,
        options=options,
        checkpoint=Checkpoint(state, about | depends),
        mode=parsed.mode,
        dtype="float32",
    )
    tried = [asdict(setting) for setting in found.tried]
    write_json(out.with_suffix(".curves.json"), {**about, "ann_accuracy": found.ann_accuracy, "tried": tried})
    write_json(out, {**settings, **found.best.options})
    state.unlink(missing_ok=True)
    best = found.best
    print(
        f"{len(tried)} settings tried with {parsed.images} held-out training images; the ANN has "
        f"{found.ann_accuracy:.2%} of them\ncheapest with at least {found.target:.2%}: {best.accuracy:.2%}, "
        f"{best.mean_steps:.1f} steps and {best.operations:,.0f} synaptic operations per image"
    )
    decision = ["--early-decision", f"{best.early_decision:g}"] if best.early_decision else []
    decision += ["--delay", str(best.evaluation_delay)] if best.evaluation_delay else []
    print(run_command(parsed, "--steps", str(best.n_steps), *decision, "--set", f"@{out}"))
