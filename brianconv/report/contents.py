"""What a report shows, as plain values: typed arrays in base64 for the page, everything else as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brianconv.analysis.energy import SPINNAKER, TRUENORTH, compute_energy
from brianconv.analysis.result_json import versions
from brianconv.analysis.traces import MembraneTrace, units_of
from brianconv.errors import DataError, ParameterError
from brianconv.graph import INPUT
from brianconv.positions import position_of_torch_index
from brianconv.recording import Recording
from brianconv.spiking import SpikingNetwork
from brianconv.verification.comparison import sent_values

MOST_SPIKES = 100_000  # of one image; more are shown as a density
BINS_OF_LAYER = 64  # rows of the density of a layer
MOST_TRACES = 4000  # of one image


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything that a report shows.

    Attributes
    ----------
    recording : Recording
        Of all images.
    details : Recording
        Of the images that are shown one by one: image k of it is image ``shown[k]`` of `recording`.
    shown : tuple of int
    spiking : SpikingNetwork or None
    images : array, shape (n_shown, channels, rows, columns), or None
    labels : array of int, shape (n_images,), or None
    """

    recording: Recording
    details: Recording
    shown: tuple[int, ...]
    spiking: SpikingNetwork | None
    images: np.ndarray | None
    labels: np.ndarray | None

    def is_dense(self, k: int) -> bool:
        """Return whether a shown image has too many spikes to draw each of them."""
        return sum(spikes.of_image(k).step.size for spikes in self.details.spikes.values()) > MOST_SPIKES

    def density(self, k: int) -> dict[str, np.ndarray]:
        """Return the spikes of a shown image per layer, in (bins of neurons, steps)."""
        found = {}
        for layer, spikes in self.details.spikes.items():
            of_image, size = spikes.of_image(k), int(np.prod(self.details.shapes[layer]))
            rows = of_image.torch_index * BINS_OF_LAYER // size
            counts = np.zeros((BINS_OF_LAYER, self.details.n_steps), dtype=np.float32)
            np.add.at(counts, (rows, of_image.step - 1), 1)
            found[layer] = counts
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what the page needs of the images that are shown."""
        layers = [{"name": name, "shape": list(self.details.shapes[name])} for name in self.details.layers]
        return {
            "dt_ms": self.details.dt_ms,
            "n_steps": self.details.n_steps,
            "layers": layers,
            "recorded": list(self.details.spikes),
            "images": [self._image(k) for k in range(len(self.shown))],
        }

    def _image(self, k: int) -> dict[str, Any]:
        details, n_steps = self.details, int(self.details.steps[k])
        image: dict[str, Any] = {
            "number": self.shown[k],
            "steps": n_steps,
            "label": None if self.labels is None else int(self.labels[self.shown[k]]),
            "dense": self.is_dense(k),
            "scores": None,
            "picture": None if self.images is None else _picture(self.images[k]),
            "spikes": {},
            "traces": {},
        }
        if not details.returns_images:
            image |= {
                "scores": packed(details.scores[k, :n_steps], np.float32),
                "decision": int(details.decisions[k]),
                "ann_decision": int(details.ann_scores[k].argmax()),
            }
        for layer, spikes in details.spikes.items():
            of_image = spikes.of_image(k)
            image["spikes"][layer] = self._spikes(layer, of_image.step, of_image.torch_index, not image["dense"])
        for layer in details.potentials:
            image["traces"][layer] = self._traces(layer, k)
        return image

    def _spikes(self, layer: str, step: np.ndarray, index: np.ndarray, each: bool) -> dict[str, Any]:
        """Return spikes one by one if they are few, and always the number and the first step of each neuron."""
        size = int(np.prod(self.details.shapes[layer]))
        first = np.zeros(size, dtype=np.int64)
        order = np.argsort(step, kind="stable")[::-1]
        first[index[order]] = step[order]
        found: dict[str, Any] = {"count": int(step.size)}
        if each:
            return found | {"step": packed(step, np.uint16), "index": packed(index, np.uint32)}
        return found | {
            "first": packed(first, np.uint16),
            "counts": packed(np.bincount(index, minlength=size), np.uint16),
        }

    def _traces(self, layer: str, k: int) -> dict[str, Any]:
        """Return potentials, thresholds and starts of the recorded neurons of a layer, at most MOST_TRACES of all."""
        details = self.details
        neurons = details.potentials[layer].torch_index
        total = sum(len(potentials.torch_index) for potentials in details.potentials.values())
        most = max(len(neurons) * min(MOST_TRACES, total) // total, 1)
        neurons = neurons[np.unique(np.linspace(0, len(neurons) - 1, most).astype(int))]
        traces = [
            MembraneTrace(details, self.spiking, layer, position_of_torch_index(details.shapes[layer], index), k)
            for index in neurons
        ]
        units = units_of(self.spiking, layer)
        thresholds = np.array([trace.threshold for trace in traces])
        same = np.array_equal(thresholds, np.broadcast_to(thresholds[0], thresholds.shape), equal_nan=True)
        return {
            "index": packed(neurons, np.uint32),
            "v": packed(np.array([trace.v for trace in traces]), np.float32),
            "threshold": packed(thresholds[0] if same else thresholds, np.float32),
            "same_threshold": bool(same),
            "start": traces[0].start,
            "rest": 0.0 if units is None else float(units.v_rest),
            "drops": traces[0].drop is not None and bool(np.any(traces[0].drop)),
            "unit": "normalised" if units is None else "mV",
        }

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each layer: shape, spikes per image and neuron, operations, agreement with the ANN."""
        recording = self.recording
        spikes = recording.spike_counts.sum(axis=0) / recording.n_images
        operations = recording.synaptic_operations.sum(axis=0) / recording.n_images
        agreement = self._agreement()
        return [
            {
                "layer": name,
                "shape": " x ".join(map(str, recording.shapes[name])),
                "spikes": float(spikes[k]),
                "per_neuron": float(spikes[k] / np.prod(recording.shapes[name])),
                "operations": float(operations[k]),
                "agreement": agreement.get(name),
            }
            for k, name in enumerate(recording.layers)
        ]

    def _agreement(self) -> dict[str, tuple[float, float]]:
        """Return the correlation with the activations of each layer, and the relative error after a common factor."""
        if self.spiking is None or self.images is None:
            return {}
        found = {}
        batches = list(self.spiking.normalized.ann.activations(self.images))
        for name, sent in sent_values(self.spiking, self.images, self.details).items():
            x = np.concatenate([batch[name] for batch in batches]).ravel()
            signed = name == INPUT or (name == self.spiking.output and not self.spiking.coding.readout.fires)
            x, y = x if signed else np.maximum(x, 0), sent.ravel()
            if x.std() == 0 or y.std() == 0:
                continue
            cosine = float(x @ y / np.sqrt((x @ x) * (y @ y)))
            found[name] = float(np.corrcoef(x, y)[0, 1]), float(np.sqrt(max(1 - cosine**2, 0)))
        return found

    def facts(self) -> list[tuple[str, str]]:
        """Return what the network did with all images, as pairs of a title and a value."""
        recording = self.recording
        found = [("images", f"{recording.n_images:,}"), ("steps", f"{recording.n_steps} of {recording.dt_ms:g} ms")]
        if recording.returns_images:
            found += [("mean squared error", f"{recording.mean_squared_error_by_step[-1]:.5f}")]
        elif self.labels is not None:
            found += [
                ("accuracy", f"{recording.accuracy(self.labels):.2%}"),
                ("before conversion", f"{recording.ann_accuracy(self.labels):.2%}"),
            ]
            for percent, step in recording.latency_steps(self.labels).items():
                found += [(f"steps to {percent} %", "never" if step is None else str(step))]
        else:
            same = (recording.decisions == recording.ann_scores.argmax(axis=1)).mean()
            found += [("decisions as before conversion", f"{same:.2%}")]
        if recording.early_decision is not None:
            found += [("mean decision step", f"{recording.steps.mean():.1f}")]
        found += [
            ("spikes per image", f"{recording.spikes_per_image:,.0f}"),
            ("operations per image", f"{recording.synaptic_operations.sum() / recording.n_images:,.0f}"),
        ]
        return found

    def energy(self) -> list[tuple[str, str]]:
        """Return the energy of one image by the models that need no other coding scheme to compare with."""
        if self.spiking is None:
            return []
        found = compute_energy(self.recording, self.spiking.graph)
        spikes, steps = self.recording.spikes_per_image, float(self.recording.steps.mean())
        chips = " and ".join(chip.name for chip in (TRUENORTH, SPINNAKER))
        return [
            ("45 nm CMOS, accumulates of spikes", f"{sum(found.spikes_pj.values()) / 1000:,.1f} nJ"),
            ("45 nm CMOS, analog pixels", f"{found.analog_pj / 1000:,.1f} nJ"),
            ("45 nm CMOS, network before conversion", f"{found.ann_pj / 1000:,.1f} nJ"),
            ("before conversion / spiking", f"{found.gain:,.2f}"),
            (f"{chips}: proportional to", f"spikes ({spikes:,.0f}) and latency ({steps:.1f} steps)"),
        ]

    def settings(self) -> list[tuple[str, str]]:
        """Return coding scheme, parameters and versions."""
        found = []
        if self.spiking is not None:
            found += [("coding scheme", self.spiking.coding.name), ("normalisation", self.spiking.normalized.method)]
        for name, by_population in self.recording.parameters.items():
            values = list(dict.fromkeys(by_population.values()))
            found.append((name, ", ".join(f"{value:g}" for value in values[:8])))
        if self.recording.evaluation_delay:
            found.append(("evaluation delay", f"{self.recording.evaluation_delay} steps"))
        if self.recording.early_decision is not None:
            found.append(("early decision", f"{self.recording.early_decision:g}"))
        return [*found, *versions().items()]


def packed(values: Any, dtype: Any) -> dict[str, Any]:
    """Return an array as the page reads it: little-endian bytes in base64, with its type."""
    array = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"type": np.dtype(dtype).name, "data": b64encode(array.tobytes()).decode("ascii")}


def _picture(image: np.ndarray) -> dict[str, Any] | None:
    """Return an image as bytes of red, green and blue; None if it is not a picture (1 or 3 channels)."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return None
    low, high = min(0.0, float(image.min())), max(1.0, float(image.max()))
    scaled = np.rint(255 * (image - low) / (high - low))
    pixels = np.broadcast_to(scaled, (3, *image.shape[1:])).transpose(1, 2, 0)
    return {"rows": image.shape[1], "columns": image.shape[2], "rgb": packed(pixels, np.uint8)}


def collect(
    recording: Recording,
    images: np.ndarray | None,
    labels: Any,
    shown: Sequence[int],
    spiking: SpikingNetwork | None,
    details: Recording | None,
) -> Contents:
    """Return what a report shows, after checking that it fits together; DataError or ParameterError otherwise."""
    chosen = tuple(int(k) for k in shown)
    wrong = [k for k in chosen if not 0 <= k < recording.n_images]
    if wrong or not chosen or len(set(chosen)) < len(chosen):
        raise ParameterError(
            f"shown is {list(shown)}; name different images from 0 to {recording.n_images - 1}, at least one"
        )
    if images is not None and len(images) != recording.n_images:
        raise DataError(f"there are {len(images)} images for a recording of {recording.n_images}")
    if labels is not None and not recording.returns_images:
        recording.accuracy(labels)  # checks them
    if details is None:
        details = recording.of_images(chosen)
    if details.n_images != len(chosen) or details.shapes != recording.shapes:
        raise DataError(
            f"details are of {details.n_images} images of a network with {len(details.shapes)} layers; they must be "
            f"those of the {len(chosen)} images shown, of the same network"
        )
    return Contents(
        recording,
        details,
        chosen,
        spiking or recording.spiking,
        None if images is None else np.asarray(images)[list(chosen)],
        None if labels is None or recording.returns_images else np.asarray(labels),
    )


def layer_series(recording: Recording) -> Mapping[str, np.ndarray]:
    """Return the spikes per neuron and image of each layer in each step."""
    sizes = np.array([np.prod(recording.shapes[name]) for name in recording.layers])
    rates = recording.spike_counts / recording.n_images / sizes
    return {name: rates[:, k] for k, name in enumerate(recording.layers)}
