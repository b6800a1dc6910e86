"""The electrocardiogram that SciPy publishes, its beats, and windows around them.

Source: record 208 (lead MLII, 19:35 to 24:35) of the MIT-BIH Arrhythmia Database, Moody and Mark (2001), IEEE Eng. Med.
Biol. 20(3):45-50; PhysioNet, Goldberger et al. (2000), Circulation 101(23):e215-e220; Open Data Commons Attribution
License 1.0. The file is the one of `scipy.datasets.electrocardiogram`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from scipy.signal import find_peaks, peak_widths

from brianconv.errors import DataError
from brianconv.readers import read_npz
from studies.electrocardiogram import params

SIGNAL = Path(__file__).with_name("ecg.npz")


def signal() -> np.ndarray:
    """Return the recording in mV, shape (108000,)."""
    if hashlib.sha256(SIGNAL.read_bytes()).hexdigest() != params.SHA256:
        raise DataError(f"{SIGNAL} is not the file that SciPy publishes; restore it from the repository")
    return (read_npz(SIGNAL)["ecg"].astype(float) - 1024) / 200


def beats(ecg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of all beats in samples, and whether each is wide.

    A beat is a peak that rises by `PROMINENCE`; it is wide if it is so at half its prominence. The annotations of the
    database are not part of SciPy's file.
    """
    distance = int(params.REFRACTORY * params.SAMPLING_RATE)
    peaks, _ = find_peaks(ecg, distance=distance, prominence=params.PROMINENCE)
    widths = peak_widths(ecg, peaks, rel_height=0.5)[0] / params.SAMPLING_RATE * 1000
    return peaks, widths >= params.WIDE


def windows(ecg: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return windows in [0, 1], shape (n, 1, WINDOW)."""
    low, high = params.RANGE
    offsets = (np.arange(params.WINDOW) - params.WINDOW // 2) * params.STEP
    return ((np.clip(ecg, low, high) - low) / (high - low))[centres[:, None] + offsets][:, None]


def data_set(train: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return windows, labels and centres (in samples) of the first part of the recording, or of the rest.

    Half of the way between two beats lies a window without a beat in its centre. Training windows are there several
    times, shifted by up to `JITTER` samples.
    """
    ecg = signal()
    peaks, wide = beats(ecg)
    between = (peaks[1:] + peaks[:-1]) // 2
    centres = np.concatenate([peaks, between])
    labels = np.concatenate([1 + wide.astype(int), np.zeros(len(between), dtype=int)])
    margin = (params.WINDOW // 2 + params.JITTER) * params.STEP
    border = int(params.TRAINED_UNTIL * params.SAMPLING_RATE)
    inside = (centres >= margin) & (centres < len(ecg) - margin)
    # no sample is seen in training and in the test
    chosen = inside & (centres < border - margin if train else centres >= border + margin)
    order = np.argsort(centres[chosen], kind="stable")
    centres, labels = centres[chosen][order], labels[chosen][order]
    if train:
        shifts = np.arange(-params.JITTER, params.JITTER + 1, 2) * params.STEP
        centres, labels = (centres[:, None] + shifts).ravel(), np.repeat(labels, len(shifts))
    return windows(ecg, centres), labels, centres
