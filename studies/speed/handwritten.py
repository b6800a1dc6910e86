"""Compile and run the hand-written loop over recorded spikes."""

from __future__ import annotations

import platform
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np

from brianconv.connectivity.base import channels_last
from brianconv.connectivity.connection import Connection
from brianconv.connectivity.convolution import Convolution
from brianconv.connectivity.dense import Dense
from brianconv.connectivity.reshape import Reshape
from brianconv.errors import CompilerError
from brianconv.graph import INPUT
from brianconv.recording import Recording
from brianconv.spiking import SpikingNetwork

FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c++17", "-w")
WIDTHS = {"x86_64": ("256", "512")}  # bits of a vector; the faster one counts


def compile_loops(spiking: SpikingNetwork, folder: Path) -> list[Path]:
    """Compile the loop for the shapes of a network, once for each length of vectors.

    Raises NotImplementedError if the network has other than simple layers.
    """
    previous, kinds = INPUT, []
    for layer in spiking.graph.layers:
        if [connection.source for connection in layer.connections] != [previous]:
            raise NotImplementedError("the hand-written loop knows chains of layers, not branches")
        kinds.append(_kind(layer.connections[0]))
        previous = layer.name
    declared = [f"    {kind} layer{k};" for k, kind in enumerate(kinds)]
    propagated = [
        f"            events += layer{k}.propagate(now + 1, *now); now += 1 + *now;" for k in range(len(kinds))
    ]
    text = resources.files("studies.speed").joinpath("handwritten.cpp").read_text()
    text = text.replace("LAYERS\n", "\n".join(declared) + "\n").replace("PROPAGATE\n", "\n".join(propagated) + "\n")
    (folder / "handwritten.cpp").write_text(text)
    widths = WIDTHS.get(platform.machine())
    flags = [(f"-mprefer-vector-width={width}",) for width in widths] if widths else [()]
    return [_compiled(folder, f"handwritten_{k}", chosen) for k, chosen in enumerate(flags)]


def _compiled(folder: Path, name: str, flags: tuple[str, ...]) -> Path:
    command = ["g++", *FLAGS, *flags, "handwritten.cpp", "-o", name]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise CompilerError(f"the hand-written loop did not compile:\n{made.stderr}")
    return folder / name


def _kind(connection: Connection) -> str:
    weighted = [connectivity for connectivity in connection.chain if not isinstance(connectivity, Reshape)]
    if len(weighted) == 1 and isinstance(weighted[0], Dense):
        n_post, n_pre = weighted[0].weight.shape
        return f"Dense<{n_pre}, {n_post}>"
    if len(weighted) == 1 and isinstance(weighted[0], Convolution):
        conv, (channels, rows, columns) = weighted[0], weighted[0].input_shape
        n_out, _, height, width = conv.weight.shape
        simple = conv.stride == conv.dilation == (1, 1) and conv.padding == ((0, 0), (0, 0)) and conv.groups == 1
        if simple and height == width:
            return f"Convolution<{channels}, {rows}, {columns}, {n_out}, {width}>"
    raise NotImplementedError("the hand-written loop knows dense layers and convolutions without padding or pooling")


def write_spikes(recording: Recording, path: Path) -> None:
    """Write, for each step of each image and each layer but the last, the number and the indices of its spikes."""
    n_steps, pieces = recording.scores.shape[1], []
    by_layer = []
    for name in recording.layers[:-1]:
        spikes = recording.spikes_of(name)
        place = np.argsort(channels_last(recording.shapes[name])).astype(np.int32)[spikes.torch_index]
        moment = spikes.image * n_steps + spikes.step - 1
        order = np.lexsort((place, moment))
        starts = np.searchsorted(moment[order], np.arange(len(recording.steps) * n_steps + 1))
        by_layer.append((place[order], starts))
    for moment in range(len(recording.steps) * n_steps):
        for place, starts in by_layer:
            now = place[starts[moment] : starts[moment + 1]]
            pieces += [np.array([len(now)], dtype=np.int32), now]
    np.concatenate(pieces).tofile(path)


def run_loop(program: Path, spikes: Path, repeats: int) -> list[tuple[float, int]]:
    """Return seconds and synaptic events of each repeat."""
    output = subprocess.run([str(program), str(spikes), str(repeats)], capture_output=True, text=True, check=True)
    return [(float(line.split()[0]) * 1e-9, int(line.split()[1])) for line in output.stdout.splitlines()]
