"""Images and parameter values as a run takes them, in both modes."""

from __future__ import annotations

import numpy as np

from brianconv.coding.statements import has_variable
from brianconv.images import check_images
from brianconv.simulation.run_settings import NEVER, RunSettings
from brianconv.spiking import SpikingNetwork


def layout_images(spiking: SpikingNetwork, images: np.ndarray) -> np.ndarray:
    """Check images and return them as (n_images, n_pixels) in float64."""
    images = np.asarray(images)
    check_images(images, spiking.graph.input_shape, "images", spiking.coding.encoding.bounded)
    return np.ascontiguousarray(images.reshape(len(images), -1), dtype=np.float64)


def parameter_values(spiking: SpikingNetwork, settings: RunSettings, n_images: int) -> dict[str, float | int]:
    """Return the value of every shared parameter and counter at the start of a run, as 'group.variable'."""
    values: dict[str, float | int] = {
        "schedule.n_steps": int(settings.n_steps),
        "schedule.n_images": n_images,
        "schedule.first_image": int(settings.first_image),
        "schedule.image": -1,
        "schedule.reset_every": settings.reset_every or NEVER,
        "schedule.step": int(settings.n_steps),  # the first step belongs to the next image
        "schedule.early_decision": float(settings.early_decision or 0.0),
        "schedule.first": int(max(settings.evaluation_delay, settings.skip)) + 1,
    }
    values |= {
        f"{spiking.output}.evaluation_delay": int(settings.evaluation_delay),
        f"{spiking.output}.skip": int(settings.skip),
    }
    models = {name: spiking.model(name) for name in spiking.populations}
    for parameter, by_population in spiking.shared_values.items():
        used = {n: float(value) for n, value in by_population.items() if has_variable(models[n], parameter)}
        values |= {f"{name}.{parameter}": value for name, value in used.items()}
    return values
