"""Images as the steps of an input encoding, in torch.

Source: Datta et al. (2021), Eqs. 4 and 5; the encodings are those of brianconv.coding.hybrid.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from brianconv.coding import random_numbers
from brianconv.coding.hybrid import spike_step
from brianconv.connectivity.base import channels_last


def encode(
    images: Tensor, encoding: str, n_steps: int, values: Mapping[str, float], first_image: int | None = None
) -> Tensor:
    """Return what each pixel sends in each step.

    Parameters
    ----------
    images : Tensor, shape (n_images, ...)
    encoding : {"hybrid", "single_spike", "analog", "poisson"}
    n_steps : int
    values : mapping of str to float
        Parameters of the encoding: window, pixel_low and pixel_high, or seed.
    first_image : int, optional
        Index of the first image in its run, on which Poisson spikes of the simulation depend; None draws them from
        torch's generator, anew each time.

    Returns
    -------
    Tensor, shape (n_steps, n_images, ...)
        Or (1, n_images, ...) for "analog", as all steps are alike.
    """
    if encoding == "analog":
        return images[None]
    if encoding == "poisson":
        return _poisson(images, n_steps, int(values.get("seed", 0)), first_image)
    fires = spike_steps(images, values)
    steps = [images if encoding == "hybrid" else torch.zeros_like(images)]
    steps += [(fires == t).to(images.dtype) for t in range(2, n_steps + 1)]
    return torch.stack(steps)


def spike_steps(images: Tensor, values: Mapping[str, float]) -> Tensor:
    """Return the step in which each pixel fires (Eq. 4), halves rounded up; from step 2 to the window's last."""
    pixels, window = images.cpu().numpy(), int(values["window"])
    fires = spike_step(pixels, window, values["pixel_low"], values["pixel_high"])
    return torch.from_numpy(fires).to(images.device)


def _poisson(images: Tensor, n_steps: int, seed: int, first_image: int | None) -> Tensor:
    if first_image is None:
        chance = torch.rand((n_steps, *images.shape), device=images.device, dtype=images.dtype)
        return (chance < images.abs()) * images.sign()
    shape = tuple(images.shape[1:])
    place = np.argsort(channels_last(shape)).reshape(shape)
    index = (first_image + np.arange(len(images))).reshape(-1, *(1,) * len(shape))
    drawn = [random_numbers.uniform(seed, index, t, place) for t in range(1, n_steps + 1)]
    chance = torch.from_numpy(np.stack(drawn)).to(images.device)
    return (chance < images.abs()) * images.sign()
