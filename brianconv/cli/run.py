"""`brianconv run`: convert a trained network and run it on a data set."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianconv.cli.loading import Converted, about_run, load_converted_and_test
from brianconv.cli.options import add_mode, add_network, jobs, positive, text
from brianconv.errors import ParameterError
from brianconv.files import writable_folder, write_atomically, write_json
from brianconv.positions import Position, checked_positions
from brianconv.values import shown

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from brianconv.datasets.dataset import Dataset
    from brianconv.recording import Recording
    from brianconv.spiking import SpikingNetwork

NAME = "run"
N_REPORTED = 3
PICTURES = ("raster", "traces", "accuracy", "rates")
HELP = "convert a trained network and run it on a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_network(parser)
    parser.add_argument("--images", type=positive, metavar="N", help="test images to run (default: all)")
    add_mode(parser)
    parser.add_argument(
        "--stop", type=text, metavar="RULE",
        help="condition at which an image ends, such as 'lead >= 0.2' or 'stable >= 10 and step > 20'; variables: "
        "step, best, score, lead, average_lead, stable, spikes",
    )  # fmt: skip
    parser.add_argument("--jobs", type=jobs, default=1, metavar="N", help="processes that share the images")
    parser.add_argument(
        "--record", type=text, nargs="+", default=[], metavar="LAYER", help="layers whose spikes are recorded"
    )
    parser.add_argument(
        "--out",
        type=text,
        default="run_output",
        metavar="DIR",
        help="folder for result.json, recording.npz and pictures",
    )
    group = parser.add_argument_group("pictures")
    group.add_argument("--plot", nargs="+", choices=PICTURES, default=[], help="what to draw")
    group.add_argument(
        "--neurons",
        type=text,
        nargs="+",
        default=[],
        metavar="LAYER:C,R,C",
        help="neurons whose membrane traces are drawn, such as conv2:3,5,5 or fc:7 (default: three of the layer before "
        "the output)",
    )
    group.add_argument(
        "--show-image", type=int, default=0, metavar="K", help="image shown in rasters and traces (default: 0)"
    )
    group.add_argument(
        "--report", action="store_true",
        help="write report.html too: spikes, membranes, scores and maps in a browser, for image K and the next two",
    )  # fmt: skip
    group.add_argument("--format", choices=("png", "pdf", "svg"), default="png", help="of pictures (default: png)")


def run(parsed: argparse.Namespace) -> None:
    """Run the command."""
    from brianconv.analysis.result_json import summarize, table
    from brianconv.recording import check_labels
    from brianconv.simulation.run import checked_settings, checked_stop, simulate

    folder = writable_folder(parsed.out)
    named = chosen_neurons(parsed.neurons)
    if parsed.report and find_spec("bokeh") is None:
        raise ParameterError("--report needs Bokeh: pip install 'brianconv[report]'")
    converted, test = load_converted_and_test(parsed)
    for note in test.notes:
        print(f"{parsed.data}: {note}", flush=True)
    run = {"evaluation_delay": parsed.delay, "skip": converted.skip, "early_decision": parsed.early_decision}
    checked_settings(converted.spiking, test.images, converted.n_steps, **run)
    checked_stop(converted.spiking, parsed.stop)
    run["stop"] = parsed.stop
    spikes, potentials = recorded(parsed, converted.spiking, named, test.images)
    if len(converted.spiking.graph.output.shape) == 1:
        check_labels(test.labels, len(test), converted.spiking.n_classes)
    recording = simulate(
        converted.spiking,
        test.images,
        converted.n_steps,
        mode=parsed.mode,
        synapses=parsed.synapses,
        dtype=parsed.dtype,
        record_spikes=spikes,
        record_potentials=potentials,
        jobs=parsed.jobs,
        progress=True,
        **run,
    )
    recording.save(folder)
    summary = summarize(recording, test.labels)
    about = about_run(parsed, converted) | ({"stop": parsed.stop} if parsed.stop else {})
    summary["timing"] = {"convert_s": converted.convert_s, **summary["timing"]}
    write_json(folder / "result.json", about | summary)
    print(table({parsed.mode: summary}))
    if parsed.early_decision is not None or parsed.stop is not None:
        print(f"undecided at the last step  {int((~recording.decided).sum())}")
    if not recording.returns_images:
        _print_without_decision(recording, converted.spiking)
    pictures = draw(recording, test, parsed)
    for name, figure in pictures.items():
        write_atomically(folder / name, partial(figure.savefig, format=parsed.format))
    written = ["result.json", "recording.npz", *pictures]
    if parsed.report:
        write_report_of(recording, converted, test, parsed, folder / "report.html", run)
        written.append("report.html")
    print(f"{', '.join(written)} are in {folder}")


def chosen_neurons(given: Sequence[str]) -> dict[str, list[Position]]:
    """Read neurons such as conv2:3,5,5; ParameterError if one is not named like this."""
    named: dict[str, list[Position]] = {}
    for neuron in given:
        layer, _, numbers = neuron.rpartition(":")
        parts = numbers.split(",")
        if not layer or not all(part.strip().isdecimal() for part in parts):
            raise ParameterError(
                f"--neurons {shown(neuron)}: name a layer and a position, such as conv2:3,5,5 (channel, row, column)"
            )
        named.setdefault(layer, []).append(tuple(int(part) for part in parts))
    return named


def recorded(
    parsed: argparse.Namespace, spiking: SpikingNetwork, named: Mapping[str, list[Position]], images: np.ndarray
) -> tuple[list[str], dict[str, list[Position]]]:
    """Return the layers whose spikes are recorded, and the neurons whose potentials are; all of them exist."""
    if not 0 <= parsed.show_image < len(images):
        raise ParameterError(f"--show-image is {parsed.show_image}; there are images 0 to {len(images) - 1}")
    if "accuracy" in parsed.plot and len(spiking.graph.output.shape) > 1:
        raise ParameterError("--plot accuracy: the network returns images, which have no accuracy")
    spikes = [spiking.check_population(name) for name in parsed.record]
    if {"raster", "rates"} & set(parsed.plot):
        spikes = list(spiking.populations)
    potentials = {spiking.check_population(layer): positions for layer, positions in named.items()}
    for layer, positions in potentials.items():
        checked_positions(spiking.graph.shapes[layer], positions, layer)
    if "traces" in parsed.plot and not potentials:
        from brianconv.analysis.choices import lively_neurons

        potentials = lively_neurons(spiking, images[parsed.show_image : parsed.show_image + 1], 3)
    return spikes, potentials


def draw(recording: Recording, test: Dataset, parsed: argparse.Namespace) -> dict[str, Figure]:
    """Return the pictures that are asked for, by file name."""
    from brianconv.analysis.plotting import plot_accuracy, plot_correlation, plot_potentials, plot_raster

    figures: dict[str, Figure] = {}
    for picture in parsed.plot:
        if picture == "raster":
            figures["raster"] = plot_raster(recording, [parsed.show_image])
        elif picture == "traces":
            for layer in recording.potentials:
                figures[f"traces_{layer}"] = plot_potentials(
                    recording, layer, recording.positions(layer), image=parsed.show_image
                )
        elif picture == "accuracy":
            curve = recording.accuracy_by_step(test.labels)
            figures["accuracy"] = plot_accuracy({parsed.coding: curve}, recording.ann_accuracy(test.labels))
        else:
            figures["rates"] = plot_correlation(recording, recording.spiking, test.images)
    return {f"{name}.{parsed.format}": figure for name, figure in figures.items()}


def write_report_of(
    recording: Recording, converted: Converted, test: Dataset, parsed: argparse.Namespace, path: Path,
    run: Mapping[str, Any],
) -> None:  # fmt: skip
    """Simulate the images to show once more, with the spikes and potentials of all layers, and write the report."""
    from brianconv.analysis.choices import most_active_neurons
    from brianconv.report.contents import MOST_TRACES
    from brianconv.simulation.run import simulate

    spiking = converted.spiking
    shown = list(range(parsed.show_image, min(parsed.show_image + N_REPORTED, len(test))))
    images = test.images[shown]
    details = simulate(
        spiking, images, converted.n_steps, mode=parsed.mode, synapses=parsed.synapses, dtype=parsed.dtype,
        record_spikes=list(spiking.populations), record_potentials=most_active_neurons(spiking, images, MOST_TRACES),
        progress=True, first_image=shown[0], **run,
    )  # fmt: skip
    title = f"{parsed.model} on {parsed.data}: {parsed.coding} coding"
    recording.report(path, test.images, test.labels, shown=shown, title=title, details=details)


def _print_without_decision(recording: Recording, spiking: SpikingNetwork) -> None:
    """Say in how many images no class was ahead, if there are any."""
    if count := recording.without_decision.sum():
        print(
            f"all scores equal  in {count} of {recording.n_images} images after {recording.n_steps} steps, so that the "
            f"first class is taken as the decision: take more steps (--steps; default {spiking.default_steps})"
        )
