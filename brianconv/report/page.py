"""The HTML file of a report: Bokeh's own script, the figures, the data and `page.js`, all within the file."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from brianconv.errors import ParameterError
from brianconv.files import write_atomically
from brianconv.notebook import html_table
from brianconv.recording import Recording
from brianconv.report.contents import Contents, collect
from brianconv.spiking import SpikingNetwork

PLACE = re.compile(r"\[\[([A-Z]+)\]\]")


def write_report(
    recording: Recording,
    path: str | Path,
    images: np.ndarray | None = None,
    labels: Any = None,
    *,
    shown: Sequence[int] = (0,),
    title: str = "",
    spiking: SpikingNetwork | None = None,
    details: Recording | None = None,
) -> Path:
    """Write a report as one HTML file and return its path; parameters and errors as of `Recording.report`."""
    try:
        from bokeh.core.types import ID
        from bokeh.embed import json_item
        from bokeh.resources import INLINE
    except ImportError as error:
        raise ParameterError("a report needs Bokeh: pip install 'brianconv[report]'") from error
    from brianconv.report import figures

    contents = collect(recording, images, labels, shown, spiking, details)
    drawn = {
        "accuracy": figures.accuracy_figure(contents),
        "activity": figures.activity_figure(contents),
        "scores": None if recording.returns_images else figures.score_figure(),
        "raster": figures.raster_figure(contents) if contents.details.spikes else None,
        "trace": figures.trace_figure(contents) if contents.details.potentials else None,
    }
    items = {name: json_item(plot, ID(name)) for name, plot in drawn.items() if plot is not None}
    bokeh = Path(INLINE.base_dir, "js", "bokeh.min.js").read_text(encoding="utf-8")
    text = _page(title or _title(contents), contents, items, bokeh)
    target = Path(path)
    write_atomically(target, lambda file: file.write(text.encode("utf-8")))
    return target


def _title(contents: Contents) -> str:
    scheme = "" if contents.spiking is None else f", {contents.spiking.coding.name} coding"
    return f"Recording of {contents.recording.n_images:,} images{scheme}"


def _page(title: str, contents: Contents, items: dict[str, Any], bokeh: str) -> str:
    here = files("brianconv.report")
    style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    body = here.joinpath("page.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": escape(title),
        "STYLE": style,
        "FACTS": _pairs(contents.facts()),
        "LAYERS": _layers(contents),
        "ENERGY": _pairs(contents.energy()),
        "SETTINGS": _pairs(contents.settings()),
        "HIDDEN": " ".join(name for name in ("accuracy", "scores", "raster", "trace") if name not in items),
        "DATA": b64encode(gzip.compress(_embedded(contents.as_json()).encode(), 6, mtime=0)).decode("ascii"),
        "FIGURES": _embedded(items),
        "SCRIPTS": "\n".join(f"<script>{text}</script>" for text in (bokeh, script)),
    }
    pieces = PLACE.split(body)  # text and names in turn, so that nothing within a value is mistaken for a place
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def _layers(contents: Contents) -> str:
    rows = [
        (
            row["layer"],
            row["shape"],
            f"{row['spikes']:,.1f}",
            f"{row['per_neuron']:.3g}",
            f"{row['operations']:,.0f}",
            *(("-", "-") if row["agreement"] is None else (f"{row['agreement'][0]:.3f}", f"{row['agreement'][1]:.1%}")),
        )
        for row in contents.table()
    ]
    heading = ("layer", "shape", "spikes per image", "per neuron", "operations", "correlation", "error")
    return html_table("", heading, rows)


def _embedded(value: Any) -> str:
    """Return JSON for a script element, escaped so that nothing in it ends the element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).replace("<", "\\u003c")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
