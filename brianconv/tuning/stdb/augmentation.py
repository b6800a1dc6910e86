"""Random shifts, flips and cuts of a batch of images, each image its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, shift: int, flip: bool) -> Tensor:
    """Return a batch shifted by at most `shift` pixels, zeros coming in, and mirrored with probability 1/2.

    Parameters
    ----------
    images : Tensor, shape (n_images, channels, rows, columns)
        Fast if channels-last in memory; the result always is.
    shift : int
    flip : bool
    """
    n_images, _, n_rows, n_columns = images.shape
    rows = _positions(n_images, n_rows, shift, images.device)
    columns = _positions(n_images, n_columns, shift, images.device)
    if flip:
        mirrored = torch.rand(n_images, 1, device=images.device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = functional.pad(images.permute(0, 2, 3, 1), (0, 0, shift, shift, shift, shift))
    image = torch.arange(n_images, device=images.device)[:, None, None]
    return padded[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor, size: int) -> Tensor:
    """Return a batch with a square of `size` pixels set to zero in each image, in part outside of it (DeVries, 2017).

    Parameters
    ----------
    images : Tensor, shape (n_images, channels, rows, columns)
    size : int
        0 leaves the images as they are.
    """
    if size == 0:
        return images
    n_images, _, n_rows, n_columns = images.shape
    rows, columns = (_outside(n_images, length, size, images.device) for length in (n_rows, n_columns))
    return images * (rows[:, None, :, None] | columns[:, None, None, :])


def _outside(n_images: int, length: int, size: int, device: torch.device) -> Tensor:
    """Return which rows, or columns, lie outside of a stretch around a random centre, shape (n_images, length)."""
    distance = torch.arange(length, device=device) - torch.randint(0, length, (n_images, 1), device=device)
    return (distance < -(size // 2)) | (distance >= size - size // 2)


def _positions(n_images: int, size: int, shift: int, device: torch.device) -> Tensor:
    """Return which `size` consecutive rows of the padded image are taken, shape (n_images, size)."""
    first = torch.randint(0, 2 * shift + 1, (n_images, 1), device=device)
    return first + torch.arange(size, device=device)
