"""Address events, as event cameras and neuromorphic hardware send them, as frames of a film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brianconv.errors import DataError

# names of the fields in tonic, in AEDAT files and elsewhere
NAMES = {
    "t": ("t", "ts", "time", "timestamp"),
    "x": ("x", "addr_x"),
    "y": ("y", "addr_y"),
    "p": ("p", "polarity", "pol", "on"),
}
MOST_VALUES = 2**31


def frames_of_events(
    events: Any, shape: tuple[int, int, int], interval: float, n_frames: int | None = None
) -> np.ndarray:
    """Return how many events each pixel sent within each interval, as frames for ``encoding="analog"``.

    Frames are images one after another: simulate them with ``n_steps=1`` and ``reset_every=n_frames``, so that every
    event meets the weights once, like a spike.

    Parameters
    ----------
    events : structured array, or mapping of str to array
        With fields ``t``, ``x``, ``y`` and ``p`` (or ``timestamp``, ``polarity``, ... as in tonic and AEDAT), one entry
        per event. The polarity is 0 or 1, or a truth value; it may be missing if there is one channel.
    shape : (channels, rows, columns)
        One channel for all events, or two: polarity 0, polarity 1.
    interval : float
        Length of a frame, in the unit of ``t``.
    n_frames : int, optional
        Later events are left out; by default, as many as the events last.

    Returns
    -------
    array of float32, shape (n_frames, channels, rows, columns)

    Raises
    ------
    DataError
        If a field is missing, events lie outside of the image, or times are negative or no numbers.

    Examples
    --------
    >>> events = {"t": [0, 5, 12], "x": [0, 1, 1], "y": [0, 0, 1], "p": [1, 0, 1]}
    >>> frames = frames_of_events(events, (2, 2, 2), interval=10)
    >>> frames.shape, frames.sum(axis=(1, 2, 3)).tolist()
    ((2, 2, 2, 2), [2.0, 1.0])
    """
    channels, rows, columns = _checked_shape(shape)
    if not interval > 0 or not np.isfinite(interval):
        raise DataError(f"interval is {interval!r}; a frame lasts a positive time, in the unit of the events")
    t, x, y = (_field(events, name) for name in ("t", "x", "y"))
    p = _field(events, "p") if channels == 2 else np.zeros(len(t), dtype=int)
    if len({len(values) for values in (t, x, y, p)}) > 1:
        raise DataError("the fields of the events differ in length")
    if not np.isfinite(t.astype(float)).all() or (len(t) and t.min() < 0):
        raise DataError("the times of the events are numbers, 0 or more: subtract the time of the first one")
    for name, values, limit in (("x", x, columns), ("y", y, rows), ("p", p, channels)):
        if len(values) and (values.min() < 0 or values.max() >= limit):
            raise DataError(
                f"{name} lies between {values.min()} and {values.max()}; for shape {shape}, from 0 to {limit - 1}"
            )
    frame = np.floor(t.astype(float) / interval).astype(np.int64)
    if n_frames is None:
        n_frames = int(frame.max()) + 1 if len(frame) else 1
    if type(n_frames) is not int or n_frames < 1 or n_frames * channels * rows * columns > MOST_VALUES:
        raise DataError(f"{n_frames} frames of shape {shape}: choose a number of frames, or a longer interval")
    kept = frame < n_frames
    frames = np.zeros((n_frames, channels, rows, columns), dtype=np.float32)
    np.add.at(frames, (frame[kept], p[kept], y[kept], x[kept]), 1)
    return frames


def _checked_shape(shape: Any) -> tuple[int, int, int]:
    whole = isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
    if not whole or shape[0] not in (1, 2):
        raise DataError(f"shape is {shape!r}; it is (1 or 2 channels, rows, columns)")
    return shape


def _field(events: Any, name: str) -> np.ndarray:
    known = events if isinstance(events, Mapping) else getattr(getattr(events, "dtype", None), "names", None) or ()
    found = [alias for alias in NAMES[name] if alias in known]
    if not found:
        others, have = ", ".join(NAMES[name][1:]), ", ".join(known) or "no fields"
        raise DataError(f"the events have no {name!r} (or {others}); they have {have}")
    values = np.asarray(events[found[0]])
    if values.ndim != 1 or values.dtype.kind not in ("iufb" if name == "t" else "iub"):
        raise DataError(f"{found[0]!r} of the events is {values.dtype} of shape {values.shape}; one number per event")
    return values if name == "t" else values.astype(np.int64)
