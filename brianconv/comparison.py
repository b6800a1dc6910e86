"""One network under every coding scheme that can express it: accuracy, latency, spikes, operations, energy, time."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest

from brianconv.analysis.choices import lively_neurons
from brianconv.analysis.energy import (
    SPINNAKER,
    TRUENORTH,
    compute_energy_by_step,
    normalized_energy,
    spikes_by_layer,
)
from brianconv.analysis.result_json import aligned, versions
from brianconv.coding import CODINGS, find_coding
from brianconv.coding.scheme import Coding
from brianconv.conversion.settings import convert_with_settings
from brianconv.datasets.dataset import Dataset
from brianconv.errors import DataError, ParameterError, UnsupportedLayerError
from brianconv.files import write_atomically
from brianconv.images import image_array
from brianconv.notebook import html_table, pandas_for
from brianconv.positions import Position
from brianconv.recording import LATENCY_PERCENTS, Recording, check_labels
from brianconv.simulation.run import checked_settings, simulate
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.auto import tune_auto

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

logger = logging.getLogger(__name__)

CONFIDENCE = 0.95
RUN = ("evaluation_delay", "skip", "early_decision")  # settings of a run, not of the conversion


@dataclass(frozen=True, eq=False)
class Compared:
    """The results of one coding scheme.

    Attributes
    ----------
    name : str
    settings : mapping
        Of the conversion and the run, where they are not the defaults.
    recording : Recording
        Of all images.
    shown : Recording
        Of one image, with the spikes of all layers and the potential of one neuron.
    numbers : mapping of str to number or None
        The row of the table; None for a latency that was never reached, and what would follow from it.
    """

    name: str
    settings: Mapping[str, Any]
    recording: Recording
    shown: Recording
    numbers: Mapping[str, float | None]


# title, key, and how the number is printed
COLUMNS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("steps", "n_steps", "{:.0f}".format),
    ("accuracy (%)", "accuracy", "{:.2f}".format),
    ("from", "accuracy_low", "{:.2f}".format),
    ("to", "accuracy_high", "{:.2f}".format),
    *((f"steps to {p} %", f"steps_to_{p}", "{:.0f}".format) for p in LATENCY_PERCENTS),
    ("spikes per image", "spikes", "{:,.0f}".format),
    ("+/-", "spikes_error", "{:,.0f}".format),
    ("per neuron", "spikes_per_neuron", "{:.3g}".format),
    ("operations per image", "operations", "{:,.0f}".format),
    ("+/-", "operations_error", "{:,.0f}".format),
    ("45 nm CMOS (nJ)", "cmos_nj", "{:,.1f}".format),
    ("TrueNorth", "truenorth", "{:.3g}".format),
    ("SpiNNaker", "spinnaker", "{:.3g}".format),
    ("ms per image", "ms_per_image", "{:.2f}".format),
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A network under several coding schemes, side by side; printed as a table.

    Accuracies have Wilson intervals and means have normal intervals of 95 %. Energies are those until 99 % of the
    ANN's accuracy is reached: in 45 nm CMOS as in Datta et al. (2021), on TrueNorth and SpiNNaker relative to rate
    coding, or to the first scheme in its absence, as in Park et al. (2020).

    Attributes
    ----------
    compared : list of Compared
    left_out : mapping of str to str
        Coding schemes that cannot express the network, and why.
    labels : array of int, shape (n_images,)
    traced : (str, position)
        Layer and neuron whose potential is drawn.
    notes : list of str

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images, labels = np.random.default_rng(0).random((5, 4)), np.array([0, 1, 0, 1, 0])
    >>> outcome = compare(model, images, labels, codes=["rate", "phase"], mode="runtime")
    >>> isinstance(outcome, Comparison), [row.name for row in outcome.compared]
    (True, ['rate', 'phase'])
    """

    compared: Sequence[Compared]
    left_out: Mapping[str, str]
    labels: np.ndarray
    traced: tuple[str, Position]
    notes: Sequence[str] = field(default_factory=list)

    @property
    def ann_accuracy(self) -> float:
        """Accuracy of the network before conversion on these images."""
        return self.compared[0].recording.ann_accuracy(self.labels)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows of the table as mappings, the name of the coding scheme first."""
        return [{"coding": row.name, **row.numbers} for row in self.compared]

    def to_dataframe(self) -> Any:
        """Return the table as a pandas DataFrame; ParameterError if pandas is not installed."""
        return pandas_for("to_dataframe", ", or use records()").DataFrame(self.records()).set_index("coding")

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers, as they are written to JSON."""
        return {
            "n_images": len(self.labels),
            "ann_accuracy": self.ann_accuracy,
            "confidence": CONFIDENCE,
            "codings": {
                row.name: {
                    **row.numbers,
                    "settings": dict(row.settings),
                    "accuracy_by_step": row.recording.accuracy_by_step(self.labels).tolist(),
                }
                for row in self.compared
            },
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
            "versions": versions(),
        }

    def save_csv(self, path: str | Path) -> None:
        """Write the table as CSV; OutputError if that fails."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["coding", *self.compared[0].numbers])
        writer.writeheader()
        writer.writerows(self.records())
        write_atomically(Path(path), lambda file: file.write(text.getvalue().encode()))

    def plot(self) -> Figure:
        """Draw accuracy by step, against spikes and against energy, and a raster and a trace of each coding scheme."""
        from brianconv.analysis.plotting.comparison import plot_comparison

        curves = {row.name: row.recording for row in self.compared}
        shown = {row.name: row.shown for row in self.compared}
        return plot_comparison(curves, self.labels, shown, self.traced)

    def __str__(self) -> str:
        heading = ["coding", *(title for title, _, _ in COLUMNS)]
        # one column per scheme: the table stays narrow, however many numbers there are
        table = aligned(list(zip(heading, *self._cells(), strict=True)))
        return "\n".join([table, "", *self._remarks()])

    def _repr_html_(self) -> str:
        caption = f"{len(self.labels)} images; ANN {100 * self.ann_accuracy:.2f} %. " + " ".join(self._remarks()[1:])
        return html_table(caption, ["coding", *(title for title, _, _ in COLUMNS)], self._cells())

    def _cells(self) -> list[list[str]]:
        return [
            [row.name, *("-" if row.numbers[key] is None else shown(row.numbers[key]) for _, key, shown in COLUMNS)]
            for row in self.compared
        ]

    def _remarks(self) -> list[str]:
        reference = _reference([row.name for row in self.compared])
        said = [
            f"{len(self.labels)} images; the network before conversion: {100 * self.ann_accuracy:.2f} %",
            f"energies until 99 % of that are reached; on TrueNorth and SpiNNaker relative to {reference}",
        ]
        return [*said, *self.notes, *(f"{name} is left out: {reason}" for name, reason in self.left_out.items())]


def compare(
    model: nn.Module,
    images: Any,
    labels: np.ndarray,
    codes: Iterable[str | Coding] | None = None,
    *,
    calibration_images: Any = None,
    held_out: tuple[Any, np.ndarray] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    mode: str = "standalone",
    jobs: int = 1,
    shown_image: int = 0,
    progress: bool = False,
) -> Comparison:
    """Run a network under each coding scheme that can express it, with the same images.

    Parameters
    ----------
    model : torch.nn.Module
        A trained classifier.
    images : array, tensor, list or DataLoader, shape (n_images, channels, rows, columns)
        Test images as the model takes them.
    labels : array of int, shape (n_images,)
    codes : iterable of str or Coding, optional
        By default, all coding schemes, rate coding first.
    calibration_images : like images, optional
        Training images from which activations are normalised. Otherwise `images` are used, which flatters the result
        a little; the comparison says so.
    held_out : (images, labels), optional
        Other training images. With them, the settings of each scheme are the cheapest that stay within half a point of
        the ANN there, as `brianconv tune auto` finds them; its defaults otherwise.
    settings : mapping of str to mapping, optional
        Settings by name of the scheme, as on the command line, with ``n_steps``, ``evaluation_delay``, ``skip`` and
        ``early_decision``.
    mode : {"standalone", "runtime"}
    jobs : int
        Processes that share the images, in standalone mode.
    shown_image : int
        Image of the rasters and traces.
    progress : bool

    Raises
    ------
    DataError
        If labels or images do not fit, or if the network returns images.
    ParameterError
        For an unknown coding scheme, and if none can express the network.

    Examples
    --------
    >>> _ = torch.manual_seed(2)
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> images, labels = np.random.default_rng(0).random((5, 4)), np.array([0, 1, 0, 1, 0])
    >>> outcome = compare(model, images, labels, codes=["rate", "ttfs"], mode="runtime")
    >>> [row["n_steps"] for row in outcome.records()]
    [100, 40]
    """
    images = image_array(images)
    given = dict(settings or {})
    asked = _asked(codes, given)
    notes = []
    if calibration_images is None:
        calibration = images
        notes.append("activations were normalised with the test images: pass calibration_images")
    else:
        calibration = image_array(calibration_images, "calibration images")
    check_labels(labels, len(images), int(np.max(labels, initial=0)) + 1)
    if not 0 <= shown_image < len(images):
        raise ParameterError(f"shown_image is {shown_image}; there are images 0 to {len(images) - 1}")
    judged = None
    if held_out is not None:
        judged = Dataset("held-out images", image_array(held_out[0]), np.asarray(held_out[1]))
    networks, left_out = {}, {}
    for name, (coding, chosen) in asked.items():
        try:
            if judged is not None and not (isinstance(coding, Coding) and coding.options):  # the user has chosen
                chosen |= _tuned(model, calibration, judged, name, _of_network(chosen), mode, notes)
            networks[name] = convert_with_settings(model, calibration, coding, _of_network(chosen))
        except (ParameterError, UnsupportedLayerError) as error:
            left_out[name] = str(error)
    if not networks:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ParameterError(f"no coding scheme can express the network: {reasons}")
    first = next(iter(networks.values()))
    if len(first.graph.output.shape) != 1:
        raise DataError("the network returns images; compare takes a classifier")
    check_labels(labels, len(images), first.n_classes)
    runs = {name: _run_settings(asked[name][1], spiking, images) for name, spiking in networks.items()}
    ((layer, (position,)),) = lively_neurons(first, images[shown_image : shown_image + 1], 1).items()
    outcomes: dict[str, tuple[Recording, Recording]] = {}
    for index, (name, spiking) in enumerate(networks.items()):
        logger.info("%s (%d of %d): %d steps", name, index + 1, len(networks), runs[name]["n_steps"])
        recording = simulate(
            spiking, images, mode=mode, dtype="float32", jobs=jobs, progress=progress, **runs[name]
        )  # fmt: skip
        shown = simulate(
            spiking, images[shown_image : shown_image + 1], mode=mode, dtype="float32",
            record_spikes=spiking.populations, record_potentials={layer: [position]}, **runs[name],
        )  # fmt: skip
        outcomes[name] = recording, shown
    numbers = _numbers({name: pair[0] for name, pair in outcomes.items()}, labels)
    compared = [
        Compared(name, asked[name][1], recording, shown, numbers[name]) for name, (recording, shown) in outcomes.items()
    ]
    return Comparison(compared, left_out, np.asarray(labels), (layer, position), notes)


def all_codes() -> list[str]:
    """Return the names of the coding schemes that are compared unless the user chooses, rate coding first."""
    return sorted(CODINGS, key=lambda name: name != "rate")


def _asked(
    codes: Iterable[str | Coding] | None, settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str | Coding, dict[str, Any]]]:
    """Return coding scheme and settings by name; raise ParameterError for a name that is unknown."""
    if isinstance(codes, str):
        raise ParameterError(f"codes is {codes!r}; it is a list of coding schemes, such as ['rate', 'phase']")
    chosen = all_codes() if codes is None else list(codes)
    asked: dict[str, tuple[str | Coding, dict[str, Any]]] = {}
    for coding in chosen:
        name = find_coding(coding.scheme.name if isinstance(coding, Coding) else coding).name
        if name in asked:
            raise ParameterError(f"coding scheme {name!r} is named twice")
        asked[name] = coding, dict(settings.get(name, {}))
    unknown = [name for name in settings if name not in asked]
    if unknown or not asked:
        raise ParameterError(
            f"settings are given for {unknown[0]!r}, which is not compared" if unknown else "there is no coding scheme"
        )
    return asked


def _of_network(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not those of a run."""
    return {key: value for key, value in chosen.items() if key not in (*RUN, "n_steps")}


def _tuned(
    model: nn.Module, calibration: np.ndarray, held_out: Dataset, name: str, options: Mapping[str, Any], mode: str,
    notes: list[str],
) -> dict[str, Any]:  # fmt: skip
    """Return the cheapest settings that keep the accuracy on held-out images; {} and a note if there are none."""
    try:
        best = tune_auto(model, calibration, held_out, name, options=options, mode=mode, dtype="float32").best
    except ParameterError as error:
        notes.append(f"{name} runs with its defaults: {error}")
        return {}
    found = {**best.options, "n_steps": best.n_steps, "evaluation_delay": best.evaluation_delay}
    return found if best.early_decision is None else {**found, "early_decision": best.early_decision}


def _run_settings(chosen: Mapping[str, Any], spiking: SpikingNetwork, images: np.ndarray) -> dict[str, Any]:
    """Return the arguments of a run, checked before anything is built."""
    run = {"n_steps": chosen.get("n_steps") or spiking.default_steps}
    run |= {key: chosen[key] for key in RUN if key in chosen}
    checked_settings(
        spiking, images, run["n_steps"], run.get("evaluation_delay", 0), run.get("skip", 0), run.get("early_decision")
    )
    return run


def _reference(names: Sequence[str]) -> str:
    return "rate" if "rate" in names else names[0]


def _numbers(recordings: Mapping[str, Recording], labels: np.ndarray) -> dict[str, dict[str, float | None]]:
    latencies = {name: recording.latency_steps(labels) for name, recording in recordings.items()}
    to_99 = {  # spikes and steps
        name: (sum(spikes_by_layer(recordings[name], steps).values()), steps)
        for name, of_code in latencies.items()
        if (steps := of_code[LATENCY_PERCENTS[0]])
    }
    reference = to_99.get(_reference(list(recordings)))
    found = {}
    for name, recording in recordings.items():
        accuracy, graph = recording.accuracy(labels), recording.spiking.graph
        interval = binomtest(round(accuracy * len(labels)), len(labels)).proportion_ci(CONFIDENCE, "wilson")
        spikes = recording.spike_counts_by_image.sum(axis=(1, 2))
        operations = recording.synaptic_operations_by_image.sum(axis=(1, 2))
        numbers: dict[str, float | None] = {
            "n_steps": recording.n_steps,
            "accuracy": 100 * accuracy,
            "accuracy_low": 100 * interval.low,
            "accuracy_high": 100 * interval.high,
            **{f"steps_to_{percent}": steps for percent, steps in latencies[name].items()},
            "spikes": float(spikes.mean()),
            "spikes_error": _error(spikes),
            "spikes_per_neuron": float(spikes.mean()) / graph.n_neurons,
            "operations": float(operations.mean()),
            "operations_error": _error(operations),
            "cmos_nj": None,
            "truenorth": None,
            "spinnaker": None,
            "ms_per_image": 1000 * recording.timing["simulate_s"] / recording.n_images,
        }
        if name in to_99:
            fired, steps = to_99[name]
            numbers["cmos_nj"] = float(compute_energy_by_step(recording, graph)[steps - 1]) / 1000
            if reference is not None and reference[0] > 0:
                for architecture, key in ((TRUENORTH, "truenorth"), (SPINNAKER, "spinnaker")):
                    numbers[key] = normalized_energy(
                        architecture, spikes=fired, latency=steps, reference_spikes=reference[0],
                        reference_latency=reference[1],
                    )  # fmt: skip
        found[name] = numbers
    return found


def _error(values: np.ndarray) -> float | None:
    """Return half the width of the confidence interval of a mean; None for one value."""
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
