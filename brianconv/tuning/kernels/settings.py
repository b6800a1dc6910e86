"""How the kernels are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brianconv.errors import ParameterError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Descent:
    """How the kernels are trained.

    Attributes
    ----------
    n_epochs : int
        Passes over the images.
    batch_size : int
        Images per step of the descent.
    tau_rate, t_d_rate : float
        Learning rates at T = 20. They grow with T squared, so that a kernel needs the same number of batches to cross
        its window, whatever T is. The gradients of tau are small, as activations are: most are below 0.1.
    seed : int
        Of the order of the images.
    """

    n_epochs: int = 4
    batch_size: int = 20
    tau_rate: float = 100.0
    t_d_rate: float = 1.0
    seed: int = 0

    def check(self, n_images: int) -> None:
        """Raise ParameterError if these settings make no sense."""
        if self.n_epochs < 1:
            raise ParameterError(f"n_epochs is {self.n_epochs}; at least 1 pass over the images is needed")
        if not 1 <= self.batch_size <= n_images:
            raise ParameterError(f"batch_size is {self.batch_size}; it must lie in [1, {n_images}], the image count")
        if self.tau_rate <= 0 or self.t_d_rate < 0:
            raise ParameterError("tau_rate must be positive and t_d_rate not negative")

    def batches(self, n_images: int, epoch: int) -> tuple[Tensor, ...]:
        """Return the images of each batch of an epoch; what is left over is not used in it."""
        import torch

        generator = torch.Generator().manual_seed(self.seed + epoch)
        order = torch.randperm(n_images, generator=generator)
        return order[: n_images - n_images % self.batch_size].split(self.batch_size)
