"""Images as users have them, as one array that fits a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from brianconv.errors import DataError, ShapeError


def image_array(images: Any, what: str = "images") -> np.ndarray:
    """Return images as one array.

    Parameters
    ----------
    images : array, tensor, list of either, DataLoader, or Dataset of torch
        Of pairs of images and labels, the images. 8-bit pixels become fractions of 255.
    what : str
        For errors.

    Raises
    ------
    DataError
        If they are not a stack of real numbers.
    """
    if type(images).__name__ == "DataLoader":
        images = np.concatenate([_plain(batch[0] if isinstance(batch, (list, tuple)) else batch) for batch in images])
    elif any(kind.__name__ == "Dataset" and kind.__module__.startswith("torch") for kind in type(images).__mro__):
        images = [_picture(images[k]) for k in range(len(images))]
    elif isinstance(images, (list, tuple)) and images and hasattr(images[0], "detach"):
        images = [_plain(image) for image in images]
    try:
        array = np.asarray(_plain(images))
    except (TypeError, ValueError) as error:  # lists of different lengths
        raise DataError(f"{what} are not an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        found = type(images).__name__ if array.ndim == 0 else f"an array of type {array.dtype}"
        raise DataError(
            f"{what} are {found}; pass an array of real numbers with one row per image, a list of tensors, or a "
            "DataLoader"
        )
    return as_fractions(array)


def as_fractions(images: np.ndarray) -> np.ndarray:
    """Return 8-bit pixels as fractions of 255, and other images as they are."""
    if images.dtype != np.uint8 or not images.size or images.max() <= 1:
        return images
    return images.astype(np.float32) / np.float32(255)


def _picture(example: Any) -> np.ndarray:
    """Return the image of an example of a data set with its channels in front."""
    image = example[0] if isinstance(example, (list, tuple)) else example
    if type(image).__module__.startswith("PIL"):
        pixels = np.asarray(image)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.asarray(_plain(image))


def _plain(values: Any) -> Any:
    """Return a tensor as an array, anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def check_images(images: np.ndarray | None, input_shape: tuple[int, ...], what: str, bounded: bool = True) -> None:
    """Raise DataError or ShapeError unless `images` is a non-empty stack of images of the right shape.

    They must be finite, and lie in [0, 1] if `bounded`.
    """
    images = image_array(() if images is None else images, what)
    if len(images) == 0:
        raise DataError(f"there are no {what}: pass an array of shape (n_images, {_dimensions(input_shape)})")
    if images.shape[1:] != input_shape:
        raise ShapeError(f"{what} have shape {images.shape}; the network takes (n_images, {_dimensions(input_shape)})")
    if images.size == 0:
        raise DataError(f"{what} have shape {images.shape}, which holds no pixels")
    if not np.all(np.isfinite(images)):
        raise DataError(f"{what} contain NaN or infinity")
    low, high = float(images.min()), float(images.max())
    if bounded and (low < 0 or high > 1):
        raise DataError(
            f"{what} lie in [{low:g}, {high:g}]; they must lie in [0, 1]: divide 8-bit pixels by 255. For a network of "
            "standardised images: standardise inside its forward(), or give mean and std by channel (in the JSON file "
            "beside the weights, or --set mean=... std=...), or take them without bounds with encoding='analog' (rate "
            "and burst coding)"
        )


def _dimensions(shape: tuple[int, ...]) -> str:
    return ", ".join(str(n) for n in shape)
