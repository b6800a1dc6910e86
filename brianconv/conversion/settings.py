"""Settings of a conversion as one flat mapping, which command lines, recipes and result files use.

``{"v_init": 0.4, "percentile": 99.99, "per": "channel", "tau_m": 20}`` stands for ``v_init=0.4,
normalization=Percentile(99.99, per_channel=True), membrane=Membrane(tau_m=20)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from brianconv.coding.membrane import Membrane
from brianconv.coding.scheme import Coding, CodingScheme
from brianconv.conversion.convert import convert
from brianconv.conversion.normalization import Maximum, Normalization, Percentile, Unscaled, as_normalization
from brianconv.errors import ParameterError
from brianconv.spiking import SpikingNetwork
from brianconv.values import check_choice

if TYPE_CHECKING:
    from torch import nn

GRANULARITIES = ("layer", "channel")
MEMBRANE = tuple(field.name for field in fields(Membrane))


def convert_with_settings(
    model: nn.Module, images: Any, coding: str | CodingScheme | Coding, settings: Mapping[str, Any]
) -> SpikingNetwork:
    """Convert a network as `convert` does, with settings as one flat mapping.

    Parameters
    ----------
    model : torch.nn.Module
    images : array or None
        Calibration images.
    coding : str or CodingScheme
    settings : mapping
        Arguments of `convert`, parameters of the coding scheme, fields of `Membrane`, and ``percentile``, ``per``
        ("layer" or "channel") and ``per_channel`` of the normalisation.

    Raises
    ------
    ParameterError
        If settings contradict each other, and as `convert` does.
    """
    options = dict(settings)
    normalization = _taken_normalization(options, coding)
    properties = {name: options.pop(name) for name in MEMBRANE if name in options}
    off = {"tau_m": None, "refractory": 0, "noise": 0.0}
    plain = all(name not in properties or _is(properties[name], value) for name, value in off.items())
    if properties and not plain and options.get("membrane") is not None:
        raise ParameterError(f"{', '.join(properties)} and membrane are given: leave one out")
    if not plain:
        options["membrane"] = Membrane(**properties)
    return convert(model, images, coding=coding, normalization=normalization, **options)


def _is(value: object, off: object) -> bool:
    return type(value) in (int, float, type(None)) and value == off


def _taken_normalization(options: dict[str, Any], coding: str | CodingScheme | Coding) -> str | Normalization | None:
    given = options.pop("normalization", None)
    percentile, per = options.pop("percentile", None), options.pop("per", None)
    per_channel = options.pop("per_channel", None)
    if per is not None:
        check_choice("normalization per", per, GRANULARITIES)
    if per is not None and per_channel is not None:
        raise ParameterError("per and per_channel are given: leave one out")
    per_channel = per == "channel" if per is not None else per_channel
    if percentile is None and per_channel is None:
        return given
    from brianconv.coding import coding_and_options

    if percentile is not None:
        Percentile(percentile)  # refuses an invalid percentile, whatever the normalisation
    kind = as_normalization(given or coding_and_options(coding, {})[0].normalization)
    if isinstance(kind, Unscaled):
        return kind  # nothing is scaled, so the other settings have no effect
    chosen = {} if per_channel is None else {"per_channel": per_channel}
    if isinstance(kind, Maximum):
        return Maximum(**chosen)
    return Percentile(**({} if percentile is None else {"percentile": percentile}), **chosen)
