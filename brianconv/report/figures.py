"""The figures of a report, drawn with Bokeh; `page.js` fills those that belong to one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Span
from bokeh.palettes import Viridis256
from bokeh.plotting import figure

from brianconv.report.contents import BINS_OF_LAYER, Contents, layer_series

# Okabe and Ito (2008), without the yellow that is hard to see on white
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#888888"
BAND = 0.92  # of the height of a layer; the rest separates it from the next one
TOOLS = "pan,xwheel_zoom,box_zoom,reset,save"


def accuracy_figure(contents: Contents) -> Any:
    """Draw the accuracy, or the error of a network that returns images, by step; None without labels."""
    recording = contents.recording
    steps = np.arange(1, recording.n_steps + 1)
    if recording.returns_images:
        plot = _figure("mean squared error", height=260)
        curve = recording.mean_squared_error_by_step
    elif contents.labels is not None:
        plot = _figure("accuracy", height=260)
        plot.yaxis.formatter = NumeralTickFormatter(format="0%")
        plot.y_range = Range1d(start=0, end=1.02)
        curve = recording.accuracy_by_step(contents.labels)
        before = recording.ann_accuracy(contents.labels)
        plot.add_layout(Span(location=before, dimension="width", line_color=COLORS[1], line_dash="dashed"))
    else:
        return None
    source = ColumnDataSource({"step": steps, "value": curve, "time": steps * recording.dt_ms})
    plot.line("step", "value", source=source, color=COLORS[0], line_width=2)
    shown = "@value{0.00%}" if plot.yaxis.axis_label == "accuracy" else "@value{0.00000}"
    plot.add_tools(HoverTool(tooltips=[("step", "@step"), ("", shown)], mode="vline"))
    plot.xaxis.axis_label = "step"
    return plot


def activity_figure(contents: Contents) -> Any:
    """Draw the spikes per neuron of each layer in each step, mean of all images."""
    series = layer_series(contents.recording)
    plot = _figure("spikes per neuron", height=260)
    steps = np.arange(1, contents.recording.n_steps + 1)
    for k, (name, rates) in enumerate(series.items()):
        source = ColumnDataSource({"step": steps, "value": rates, "layer": [name] * len(steps)})
        color = layer_color(k, len(series))
        plot.line("step", "value", source=source, color=color, line_width=1.5)
    plot.add_tools(HoverTool(tooltips=[("layer", "@layer"), ("step", "@step"), ("per neuron", "@value{0.0000}")]))
    plot.xaxis.axis_label = "step"
    return plot


def score_figure() -> Any:
    """Draw the scores of the classes of one image."""
    plot = _figure("score", height=260)
    source = ColumnDataSource(
        {"xs": [[0, 1]], "ys": [[0, 0]], "color": [GREY], "name": [""], "width": [0]}, name="scores"
    )
    plot.multi_line("xs", "ys", source=source, line_color="color", line_width="width")
    plot.add_tools(HoverTool(tooltips=[("class", "@name"), ("step", "$x{0}"), ("score", "$y{0.000}")]))
    plot.xaxis.axis_label = "step"
    return plot


def raster_figure(contents: Contents) -> Any:
    """Draw the spikes of one image, a band for each layer, the input on top."""
    details = contents.details
    count = len(details.layers)
    plot = _figure("", height=min(max(300, 62 * count + 60), 1100), tools="pan,wheel_zoom,box_zoom,reset,save")
    plot.name = "raster"
    plot.lod_threshold = 5000  # more spikes than that are drawn in part while the picture moves
    plot.x_range = Range1d(start=0, end=details.n_steps * details.dt_ms * 1.01, bounds="auto")
    plot.y_range = Range1d(start=0, end=count, bounds="auto")
    middles = [count - k - BAND / 2 for k in range(count)]
    plot.yaxis.ticker = FixedTicker(ticks=middles)
    plot.yaxis.major_label_overrides = dict(zip(middles, details.layers, strict=True))  # type: ignore[arg-type]
    plot.yaxis.major_tick_line_color = None
    plot.ygrid.grid_line_color = None
    for k in range(1, count):
        plot.add_layout(Span(location=count - k + (1 - BAND) / 2, dimension="width", line_color=GREY, line_alpha=0.25))
    source = ColumnDataSource({"x": [], "y": [], "id": [], "color": []}, name="spikes")
    spikes = plot.scatter("x", "y", source=source, size=3, marker="square", fill_color="color", line_color=None)
    neuron = CustomJSHover(code="return window.brianconvReport.neuronOf(value)")
    tips = [("neuron", "@id{custom}"), ("time", "@x{0.0} ms")]
    plot.add_tools(HoverTool(renderers=[spikes], tooltips=tips, formatters={"@id": neuron}))
    for image in range(len(contents.shown)):
        if contents.is_dense(image):
            _density(plot, contents, image)
    marked = ColumnDataSource({"x": [], "y": []}, name="chosen")
    plot.scatter("x", "y", source=marked, size=9, marker="circle", fill_color=None, line_color=COLORS[1], line_width=2)
    plot.xaxis.axis_label = "time (ms)"
    return plot


def _density(plot: Any, contents: Contents, image: int) -> None:
    """Add the density of an image with many spikes, hidden until the image is chosen."""
    count = len(contents.details.layers)
    density = contents.density(image)
    for k, name in enumerate(contents.details.layers):
        if name not in density:
            continue
        counts = density[name][::-1]  # the first neuron on top, as for single spikes
        drawn = np.where(counts > 0, counts, np.nan)
        mapper = LinearColorMapper(
            palette=Viridis256[::-1], low=0, high=max(float(counts.max()), 1.0), nan_color="rgba(0,0,0,0)"
        )
        dt_ms, height = contents.details.dt_ms, BAND * (BINS_OF_LAYER - 1) / BINS_OF_LAYER
        plot.image(
            image=[drawn], x=dt_ms / 2, y=count - k - height, dw=counts.shape[1] * dt_ms, dh=height,
            color_mapper=mapper, visible=False, name=f"density {image}",
        )  # fmt: skip


def trace_figure(contents: Contents) -> Any:
    """Draw the membrane of one neuron with its threshold and its spikes."""
    plot = _figure("v", height=280)
    plot.name = "trace"
    details = contents.details
    plot.x_range = Range1d(start=0, end=details.n_steps * details.dt_ms * 1.01, bounds="auto")
    v = ColumnDataSource({"x": [0], "y": [0]}, name="v")
    threshold = ColumnDataSource({"x": [0], "y": [0]}, name="threshold")
    spikes = ColumnDataSource({"x": [0], "y": [0]}, name="trace spikes")
    plot.step("x", "y", source=threshold, mode="before", color=COLORS[1], line_dash="dashed", legend_label="threshold")
    line = plot.line("x", "y", source=v, color=COLORS[0], line_width=1.5, legend_label="v")
    plot.scatter("x", "y", source=spikes, marker="inverted_triangle", size=7, color=COLORS[2], legend_label="spike")
    plot.add_tools(HoverTool(renderers=[line], tooltips=[("time", "@x{0.0} ms"), ("v", "@y{0.0000}")], mode="vline"))
    plot.legend.orientation = "horizontal"
    plot.legend.spacing = 20
    plot.add_layout(plot.legend[0], "above")
    plot.xaxis.axis_label = "time (ms)"
    return plot


def layer_color(k: int, count: int) -> str:
    """Return the colour of a layer: distinct ones while there are enough, shades from first to last otherwise."""
    return COLORS[k] if count <= len(COLORS) else Viridis256[int(230 * k / (count - 1))]


def _figure(title: str, *, height: int, tools: str = TOOLS) -> Any:
    plot = figure(height=height, sizing_mode="stretch_width", tools=tools, active_drag="box_zoom", min_width=200)
    plot.toolbar.logo = None
    plot.yaxis.axis_label = title or None
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_label_text_font_style = "normal"
        axis.minor_tick_line_color = None
    return plot
