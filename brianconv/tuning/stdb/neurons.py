"""Gradients of leaky neurons that fire once, and of the time at which an output crosses its threshold.

What a step function does not have is replaced by a surrogate: gamma max(0, 1 - |z|) for a spike, and |x| < beta for
Dirac's delta in the spike time of the output.

Source: Datta et al. (2021), arXiv:2107.12374, Eqs. 6 to 23.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CACHED = 2**17  # values that all steps work on before the next ones are fetched; on a CPU they stay in its cache


@dataclass(frozen=True)
class Surrogate:
    """How gradients pass a spike.

    Attributes
    ----------
    gamma : float
        Largest gradient of a spike with respect to z (Eq. 20).
    beta : float
        Half the width of the substitute for Dirac's delta at the output, in units of its potential (Eq. 17).
    through_time : bool
        Whether a potential passes its gradient on to the step before, times the decay: backpropagation through time,
        which section IV names. Eqs. 19, 21 and 23 are printed without it: False.
    after_spike : bool
        Whether a neuron that can no longer fire has gradients as if it could, as in section IV; False gives
        them only to steps in which a spike can still be sent.
    """

    gamma: float = 0.3
    beta: float = 0.2
    through_time: bool = True
    after_spike: bool = True


class LeakySpikes(torch.autograd.Function):
    """Spikes of leaky neurons in all steps (Eqs. 6 to 8).

    A neuron that has fired as often as it may stays silent, but its potential evolves, with a reset after every step in
    which it is above the threshold, and so does its gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        drive: Tensor,
        v_threshold: Tensor,
        decay: Tensor,
        surrogate: Surrogate,
        spike_limit: float = 1,
        tolerance: float = 0.0,
    ) -> Tensor:
        """Return spikes (0 or 1) of the shape and type of `drive`.

        Parameters
        ----------
        drive : Tensor, shape (n_steps, n_images, ...)
            What reaches the neurons: W O of Eq. 6. Potentials are float32, or float64 if this is.
        v_threshold, decay : Tensor of one number
            V and lambda.
        surrogate : Surrogate
        spike_limit : float
            1 in the paper.
        tolerance : float
            Relative; a neuron fires above ``v_threshold * (1 + tolerance)``.
        """
        precise = torch.float64 if drive.dtype == torch.float64 else torch.float32
        potentials, spikes = torch.empty_like(drive, dtype=precise), torch.empty_like(drive)
        threshold, kept = float(v_threshold), float(decay)
        above = threshold * (1 + tolerance)
        for part in _parts(drive):
            _fire(drive[:, part], potentials[:, part], spikes[:, part], (threshold, kept, above), spike_limit)
        ctx.save_for_backward(potentials, v_threshold, decay)
        ctx.surrogate, ctx.above, ctx.drive_type = surrogate, above, drive.dtype
        ctx.spike_limit = len(drive) if surrogate.after_spike else spike_limit
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of drive (Eq. 19), threshold (Eq. 21) and decay (Eq. 23)."""
        (of_spikes,) = gradients
        potentials, v_threshold, decay = ctx.saved_tensors
        of_drive = torch.empty_like(potentials, dtype=ctx.drive_type)
        of_threshold, of_leak = v_threshold.new_zeros(()), decay.new_zeros(())
        for part in _parts(potentials):
            of_sent = _sendable(of_spikes[:, part], potentials[:, part], ctx.above, ctx.spike_limit)
            more = _credit(
                of_sent, potentials[:, part], of_drive[:, part],
                (float(v_threshold), float(decay), ctx.above), ctx.surrogate,
            )  # fmt: skip
            of_threshold, of_leak = of_threshold + more[0], of_leak + more[1]
        return of_drive, of_threshold.reshape(v_threshold.shape), of_leak.reshape(decay.shape), None, None, None


def _parts(x: Tensor) -> Iterator[slice]:
    """Yield ranges of images that are small enough for a CPU's cache, or all of them elsewhere."""
    n_images = x.shape[1]
    at_once = max(1, CACHED // max(1, x[0, 0].numel())) if x.device.type == "cpu" else n_images
    for start in range(0, n_images, at_once):
        yield slice(start, start + at_once)


def _fire(
    drive: Tensor, potentials: Tensor, spikes: Tensor, values: tuple[float, float, float], spike_limit: float
) -> None:
    """Fill in potentials and spikes of all steps."""
    threshold, decay, above = values
    limited = spike_limit < len(drive)
    count = torch.zeros_like(potentials[0], dtype=torch.int32) if limited else None
    over = torch.zeros_like(potentials[0], dtype=torch.bool)
    for t, arriving in enumerate(drive):
        u = potentials[t]
        if t == 0:
            u.copy_(arriving)
        else:
            torch.mul(potentials[t - 1], decay, out=u)
            u.add_(arriving).add_(over, alpha=-threshold)
        over = u > above
        spikes[t] = over if count is None else over & (count < spike_limit)
        if count is not None:
            count += over


def _sendable(of_spikes: Tensor, potentials: Tensor, above: float, spike_limit: float) -> Tensor:
    """Return the gradient of spikes, 0 where a neuron has already fired as often as it may."""
    if spike_limit >= len(potentials):
        return of_spikes
    over = potentials > above
    return of_spikes * (over.cumsum(dim=0, dtype=torch.int32) - over.int() < spike_limit)


def _credit(
    of_spikes: Tensor, potentials: Tensor, of_drive: Tensor, values: tuple[float, float, float], surrogate: Surrogate
) -> tuple[Tensor, Tensor]:
    """Fill in the gradient of the drive; return those of threshold and decay."""
    threshold, decay, above = values
    of_threshold, of_leak = potentials.new_zeros(()), potentials.new_zeros(())
    later: Tensor | None = None
    for t in range(len(potentials) - 1, -1, -1):
        u = potentials[t]
        of_z = (u / threshold).sub_(1).abs_().neg_().add_(1).clamp_(min=0).mul_(surrogate.gamma).mul_(of_spikes[t])
        of_threshold = of_threshold - (of_z * u).sum() / threshold**2
        of_u = of_z.div_(threshold)
        if surrogate.through_time and later is not None:
            of_u.add_(later, alpha=decay)
        if t > 0:
            before = potentials[t - 1]
            of_leak = of_leak + (of_u * before).sum()
            of_threshold = of_threshold - (of_u * (before > above)).sum()
        of_drive[t] = of_u
        later = of_u
    return of_threshold, of_leak


class CrossingTime(torch.autograd.Function):
    """The step in which each output neuron first reaches its threshold; the last step for those that do not (Eq. 10).

    Its gradient goes to the threshold only (Eq. 17), not to potentials and weights (Eq. 14).
    """

    @staticmethod
    def forward(ctx: Any, potentials: Tensor, v_threshold: Tensor, beta: float, tolerance: float = 0.0) -> Tensor:
        """Return steps, counted from 1, shape (n_images, n_classes), from potentials (n_steps, n_images, n_classes)."""
        ctx.save_for_backward(potentials, v_threshold)
        ctx.beta = beta
        crossed = potentials >= float(v_threshold) * (1 - tolerance)
        crossed[-1] = True
        steps = torch.arange(1, len(potentials) + 1, device=potentials.device, dtype=potentials.dtype)
        waiting = torch.where(crossed, steps[:, None, None], len(potentials) + 1.0)
        return waiting.amin(dim=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (of_time,) = gradients
        potentials, v_threshold = ctx.saved_tensors
        of_threshold = (of_time * crossing_gradient(potentials, float(v_threshold), ctx.beta)).sum()
        return None, of_threshold.reshape(v_threshold.shape), None, None


def crossing_gradient(potentials: Tensor, v_threshold: float, beta: float) -> Tensor:
    """Return the gradient of the crossing times with respect to the threshold as Eq. 17 has it, (n_images, n_classes).

    H(0) is 1 for a, as Eq. 10 has "at or above", and 0 for b.
    """
    before = torch.cat([torch.zeros_like(potentials[:1]), potentials[:-1]])
    a, b, c = potentials - v_threshold, v_threshold - before, v_threshold - potentials[-1]
    steps = torch.arange(1, len(potentials) + 1, device=potentials.device, dtype=potentials.dtype)[:, None, None]
    enters, leaves = (b.abs() < beta) & (a >= 0), (a.abs() < beta) & (b > 0)
    per_step = steps * (enters.to(potentials.dtype) - leaves.to(potentials.dtype))
    return per_step[:-1].sum(dim=0) + len(potentials) * (c.abs() < beta)


def hybrid_cross_entropy(potential: Tensor, time: Tensor | None, labels: Tensor) -> Tensor:
    """Return the mean over images of -log(softmax(U) softmax(-t)) of the right class (Eqs. 11 and 12).

    Parameters
    ----------
    potential : Tensor, shape (n_images, n_classes)
        After the last step.
    time : Tensor, shape (n_images, n_classes), or None
        Crossing times; None for outputs that are read by potential alone.
    labels : Tensor of int, shape (n_images,)
    """
    of_potential = functional.cross_entropy(potential, labels)
    return of_potential if time is None else of_potential + functional.cross_entropy(-time, labels)
