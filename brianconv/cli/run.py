"""`brianconv run`: convert a trained network and run it on a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from brianconv.cli.loading import about_run, load_converted_and_test
from brianconv.cli.options import add_mode, add_network, jobs, positive, text
from brianconv.files import writable_folder, write_json

if TYPE_CHECKING:
    from brianconv.recording import Recording
    from brianconv.spiking import SpikingNetwork

NAME = "run"
HELP = "convert a trained network and run it on a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_network(parser)
    parser.add_argument("--images", type=positive, metavar="N", help="test images to run (default: all)")
    add_mode(parser)
    parser.add_argument("--jobs", type=jobs, default=1, metavar="N", help="processes that share the images")
    parser.add_argument(
        "--record", type=text, nargs="+", default=[], metavar="LAYER", help="layers whose spikes are recorded"
    )
    parser.add_argument(
        "--out", type=text, default="run_output", metavar="DIR", help="folder for result.json and recording.npz"
    )


def run(parsed: argparse.Namespace) -> None:
    """Run the command."""
    from brianconv.analysis.metrics import summarize, table
    from brianconv.recording import check_labels
    from brianconv.simulation.run import checked_settings, simulate

    folder = writable_folder(parsed.out)
    converted, test = load_converted_and_test(parsed)
    for note in test.notes:
        print(f"{parsed.data}: {note}", flush=True)
    run = {"evaluation_delay": parsed.delay, "skip": converted.skip, "early_decision": parsed.early_decision}
    checked_settings(converted.spiking, test.images, converted.n_steps, **run)
    if len(converted.spiking.graph.output.shape) == 1:
        check_labels(test.labels, len(test), converted.spiking.n_classes)
    recording = simulate(
        converted.spiking,
        test.images,
        converted.n_steps,
        mode=parsed.mode,
        synapses=parsed.synapses,
        dtype=parsed.dtype,
        record_spikes=parsed.record,
        jobs=parsed.jobs,
        progress=True,
        **run,
    )
    recording.save(folder)
    summary = summarize(recording, test.labels)
    summary["timing"] = {"convert_s": converted.convert_s, **summary["timing"]}
    write_json(folder / "result.json", about_run(parsed, converted) | summary)
    print(table({parsed.mode: summary}))
    if parsed.early_decision is not None:
        print(f"undecided at the last step  {int((~recording.decided).sum())}")
    if not recording.returns_images:
        _print_without_decision(recording, converted.spiking)
    print(f"result.json and recording.npz are in {folder}")


def _print_without_decision(recording: Recording, spiking: SpikingNetwork) -> None:
    """Say in how many images no class was ahead, if there are any."""
    if count := recording.without_decision.sum():
        print(
            f"all scores equal  in {count} of {recording.n_images} images after {recording.n_steps} steps, so that the "
            f"first class stands for a decision: take more steps (--steps; default {spiking.default_steps})"
        )
