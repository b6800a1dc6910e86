"""What brianconv or training wrote: recordings, settings, recipes, weights and states of tuning and training."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import torch
from safetensors.torch import save_file

from brianconv.cli.settings import read_settings
from brianconv.conversion.weights import image_statistics, load_model, read_recipe
from brianconv.datasets import Dataset
from brianconv.recording import Recording
from brianconv.simulation.run import simulate
from brianconv.spiking import SpikingNetwork
from brianconv.tuning.auto import tune_auto
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.tuning.kernels.descent import tune_kernels
from brianconv.tuning.kernels.settings import Descent
from brianconv.tuning.pcmp.refinement import refine_pcmp
from brianconv.tuning.pcmp.search import tune_pcmp
from brianconv.tuning.stdb.network import TrainableNetwork
from brianconv.tuning.stdb.settings import Schedule
from brianconv.tuning.stdb.training import train_stdb
from tests.helpers.networks import convert_flat

from .campaign import Kind, insist, untouched
from .damage import damaged_bytes, damaged_mapping, exchange_by_link, nested, repacked, replace_by_another_kind
from .images import harmful
from .networks import IMAGES, LABELS, MODEL, perceptron


def damage_json(draw: random.Random, path: Path) -> None:
    """Damage a JSON file: its bytes, its values, its keys, or what stands in its place."""
    text = path.read_text()
    match draw.randrange(10):
        case 0 | 1 | 2:
            path.write_bytes(damaged_bytes(draw, text.encode()))
        case 3:
            replace_by_another_kind(draw, path)
        case 4:
            exchange_by_link(path)
        case 5:
            opening = draw.choice(("{", "[", '"', '"a":', "1", "9" * 400, "NaN", "Infinity", "1e999", "\\ud800"))
            place = text.index(":") + 1
            path.write_text(text[:place] + opening * draw.choice((1, 3, 60, 20_000)) + text[place:])
        case 6:
            key = draw.choice([line.split(":")[0].strip(' {"') for line in text.splitlines() if ":" in line] or ["a"])
            path.write_text(text[:1] + f'"{key}": 1,' + text[1:])
        case _:
            path.write_text(json.dumps(damaged_mapping(draw, json.loads(text))))


def strictly_parsed(path: Path) -> Any:
    """Return what Python's own parser finds, without constants that are no numbers."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    return json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=refuse)


# ---- recordings


def _simulated(folder: Path) -> Path:
    brian2.prefs.codegen.target = "numpy"
    spiking = convert_flat(perceptron(), IMAGES, v_init=0.25)
    recording = simulate(
        spiking, IMAGES[:3], 6, early_decision=0.5, record_spikes=["layer_0"], record_potentials={"layer_2": [0, 2]}
    )
    recording.save(folder / "recording")
    return folder / "recording"


def recordings(draw: random.Random, folder: Path, stored: Path) -> None:
    """The two files of a recording."""
    place = Path(shutil.copytree(stored, folder / "recording"))
    about, arrays = place / "recording.json", place / "recording.npz"
    match draw.randrange(5):
        case 0 | 1:
            damage_json(draw, about)
        case 2:
            arrays.write_bytes(draw.choice((damaged_bytes, repacked))(draw, arrays.read_bytes()))
        case 3:
            _damage_an_array(draw, arrays)
        case _:
            replace_by_another_kind(draw, draw.choice((about, arrays)))
    with untouched(folder):
        loaded = Recording.load(place)
    text = strictly_parsed(about)
    insist(
        [*loaded.layers] == text["layers"] and loaded.evaluation_delay == text["evaluation_delay"],
        "it is not what the file holds",
    )
    with np.load(arrays) as found:
        for name in ("scores", "steps", "spike_counts"):
            insist(np.array_equal(getattr(loaded, name), found[name], equal_nan=True), f"{name} are not those stored")
    insist(((loaded.decisions >= 0) & (loaded.decisions < loaded.scores.shape[2])).all(), "decisions are no classes")
    repr(loaded), loaded.decisions_by_step, loaded.without_decision
    for name in loaded.spikes:
        loaded.spikes[name].dense(loaded.n_images, loaded.n_steps, math.prod(loaded.shapes[name]))
    loaded.save(folder / "again")
    again = Recording.load(folder / "again")
    insist(np.array_equal(again.scores, loaded.scores, equal_nan=True), "it changes when it is stored again")


def _damage_an_array(draw: random.Random, path: Path) -> None:
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = draw.choice(list(arrays))
    array = arrays[name]
    match draw.randrange(6):
        case 0:
            arrays[name] = array.astype(draw.choice(("f4", "i8", "?", "u1", ">i4", "c8")))
        case 1 if array.size:
            array = array.astype(draw.choice((array.dtype, "f8", "i8")))
            value = draw.choice((np.nan, np.inf, -1, 2**31, 10**6, 0))
            with np.errstate(invalid="ignore"):
                array.ravel()[draw.randrange(array.size)] = np.array(value).astype(array.dtype)
            arrays[name] = array
        case 2:
            arrays[name] = array[:-1] if array.ndim else array[None]
        case 3:
            arrays[name] = array[..., None] if draw.random() < 0.5 else array.T
        case 4:
            added = ("other", "spikes/none", "spikes/layer_2", "potentials/input", "variables/layer_2/v", "")
            arrays[draw.choice(added)] = array
        case _:
            del arrays[name]
    np.savez(path, **arrays)


# ---- settings

SETTINGS = (
    {"v_init": 0.25, "normalization": "max"},
    {"v_init": {"input": 0.1, "layer_0": 0.2, "layer_2": 0.5}, "percentile": 99.0},
    {"v_init": [0.1, 0.2, 0.3], "synaptic_delay": 1, "weight_bits": 6},
    {"encoding": "poisson", "seed": 3, "tau_m": 20.0, "refractory": 2, "noise": 0.5, "noise_seed": 1},
    {"per": "channel", "synaptic_delay": {"layer_2": 2}, "v_threshold": {"input": 0.5}},
)


def settings(draw: random.Random, folder: Path, _: Any) -> None:
    """A file for --set @FILE, used for a conversion."""
    path = folder / "settings.json"
    path.write_text(json.dumps(draw.choice(SETTINGS), indent=2))
    damage_json(draw, path)
    with untouched(folder):
        found = read_settings([f"@{path}"])
    insist(found == strictly_parsed(path), "settings are not those of the file")
    check_spiking(convert_flat(perceptron(), IMAGES, coding="rate", **found))


def check_spiking(spiking: SpikingNetwork) -> None:
    """Insist that every population has finite parameters and every connection finite weights."""
    for name, by in spiking.parameters.items():
        insist(all(math.isfinite(value) for value in by.values()), f"{name} is not finite")
    for layer in spiking.graph.layers:
        for connectivity in (g for connection in layer.connections for g in connection.chain):
            for field in dataclasses.fields(connectivity):
                value = getattr(connectivity, field.name)
                insist(not isinstance(value, np.ndarray) or np.isfinite(value).all(), "weights are not finite")


RECIPE = {"recipe": {"mean": [0.5, 0.4], "std": [0.2, 0.1], "shift": 2, "flip": True, "epochs": 3}, "accuracy": 0.9}


def recipes(draw: random.Random, folder: Path, _: Any) -> None:
    """The JSON file beside weights."""
    path = folder / "weights.json"
    path.write_text(json.dumps(RECIPE, indent=2))
    damage_json(draw, path)
    with untouched(folder):
        recipe = read_recipe(path.with_suffix(".pt"))
        statistics = image_statistics(path.with_suffix(".pt"))
    insist(isinstance(recipe, dict), "a recipe is no mapping")
    if path.exists():
        expected = strictly_parsed(path).get("recipe") or {}
        insist(recipe == expected, "the recipe is not that of the file")
        insist(statistics == tuple(expected.get(key) or [] for key in ("mean", "std")), "mean and std are others")
    insist(
        all(type(x) is float and math.isfinite(x) for part in statistics for x in part), "mean and std are no numbers"
    )
    data = Dataset("mine", np.zeros((2, 2, 1, 1), np.float32), np.zeros(2, np.int64)).standardized(*statistics)
    insist(np.isfinite(data.images).all(), "standardised pixels are not finite")


# ---- weights


def _model_file(folder: Path) -> Path:
    path = folder / "fuzzed.py"
    path.write_text(MODEL)
    return path


def weights(draw: random.Random, folder: Path, model_file: Path) -> None:
    """Safetensors and state dicts, some of which hold something else or code."""
    state = {f"{int(k.split('.')[0]) + 1}.{k.split('.')[1]}": v for k, v in perceptron().state_dict().items()}
    original = {key: value.clone() for key, value in state.items()}
    path = folder / draw.choice(("weights.safetensors", "weights.pt", "weights.pth"))
    fault, chosen = draw.randrange(12), draw.choice(list(state))
    safe = path.suffix == ".safetensors"
    if fault == 0:
        del state[chosen]
    elif fault == 1:
        state[chosen] = state[chosen].to(draw.choice((torch.float16, torch.float64, torch.int8, torch.bool)))
    elif fault == 2:
        state[chosen] = draw.choice((state[chosen][:1], state[chosen][None], torch.zeros(0), torch.zeros(())))
    elif fault == 3:
        state[chosen] = torch.full_like(state[chosen], draw.choice((math.nan, math.inf, -1e38, 1e-40)))
    elif fault == 4 and not safe:
        other = (
            1,
            "text",
            None,
            [1, 2],
            {"a": 1},
            harmful(draw, folder),
            state[chosen].to_sparse(),
            torch.nn.Linear(1, 1),
        )
        state[draw.choice((chosen, "other"))] = draw.choice(other)
    if safe:
        save_file(state, path)
    else:
        whole = draw.choice((state, {"state_dict": state}, list(state.items()))) if fault == 5 else state
        torch.save(whole, path, _use_new_zipfile_serialization=draw.random() < 0.7)
    if fault > 5 or draw.random() < 0.2:
        before = path.read_bytes()
        match draw.randrange(8):
            case 0:
                replace_by_another_kind(draw, path)
            case 1:
                exchange_by_link(path)
            case 2 if before[:2] == b"PK":
                path.write_bytes(repacked(draw, before))
            case 3 if safe:
                length = int.from_bytes(before[:8], "little")
                header = json.dumps(damaged_mapping(draw, json.loads(before[8 : 8 + length]))).encode()
                path.write_bytes(len(header).to_bytes(8, "little") + header + before[8 + length :])
            case _:
                path.write_bytes(damaged_bytes(draw, before))
    try:
        with untouched(folder):
            model, _ = load_model(str(model_file), path)
    finally:
        insist(not (folder / "executed").exists(), "code in weights was executed")
    found = model.state_dict()
    insist({k: v.shape for k, v in found.items()} == {k: v.shape for k, v in original.items()}, "other shapes")
    insist(all(value.dtype == torch.float32 for value in found.values()), "weights are not float32")
    if safe:
        _check_safetensors(path.read_bytes(), found)
    check_spiking(convert_flat(model, IMAGES[:, :, None, None].astype(np.float32)))


def _check_safetensors(content: bytes, found: dict[str, torch.Tensor]) -> None:
    length = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    types = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I8": "i1", "BOOL": "?", "U8": "u1", "I32": "<i4", "I64": "<i8"}
    for name, value in found.items():
        start, end = header[name]["data_offsets"]
        stored = np.frombuffer(body[start:end], types[header[name]["dtype"]]).reshape(header[name]["shape"])
        insist(np.array_equal(stored.astype("f4"), value.numpy(), equal_nan=True), f"{name} is not that of the file")


# ---- states of tuning


def _pcmp(state: Path) -> Any:
    found = tune_pcmp(convert_flat(perceptron(), IMAGES), IMAGES, n_steps=4, candidates=(0.0, 0.5), state=state)
    insist(set(found.v_init.values()) <= {0.0, 0.5}, "a pre-charge is no candidate")
    return found.v_init


def _kernels(state: Path) -> Any:
    found = tune_kernels(convert_flat(perceptron(), IMAGES, coding="ttfs"), IMAGES, Descent(1, 3), state=state)
    insist(all(math.isfinite(v) for by in found.settings.values() if isinstance(by, dict) for v in by.values()), "NaN")
    return found.settings


def _refinement(state: Path) -> Any:
    start = {"input": 0.25, "layer_0": 0.5}
    found = refine_pcmp(lambda v: sum(v.values()), [start], shifts=(0.1,), checkpoint=Checkpoint(state, {"a": 1}))
    insist(all(0 <= value < 1 for value in found.v_init.values()), "a pre-charge is out of range")
    return found.v_init


def _auto(state: Path) -> Any:
    brian2.prefs.codegen.target = "numpy"
    held_out = Dataset("mine", IMAGES.astype(np.float32), LABELS)
    found = tune_auto(
        perceptron(), IMAGES, held_out, "analog", n_steps=3, within=0.99, options={"v_init": 0.5, "percentile": 100.0},
        checkpoint=Checkpoint(state, {"a": 1}), mode="runtime",
    )  # fmt: skip
    insist(0 <= found.best.accuracy <= 1 and found.best.n_steps <= 3, "the best setting is impossible")
    return found.best.options


def _stdb(state: Path) -> Any:
    spiking = convert_flat(perceptron(bias=False), IMAGES, coding="hybrid", window=3, v_threshold=0.5)
    network = TrainableNetwork(perceptron(bias=False), spiking, 3)
    history = train_stdb(network, IMAGES.astype(np.float32), LABELS, Schedule(epochs=2, batch_size=3), state=state)
    insist(history.epoch == 2 and len(history.loss) == 2, "other epochs than were asked for")
    insist(all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()), "weights are not finite")
    return None


RUNS: dict[str, Callable[[Path], Any]] = {
    "pcmp": _pcmp, "kernels": _kernels, "refinement": _refinement, "auto": _auto, "stdb": _stdb,
}  # fmt: skip


def states_of(method: str) -> dict[str, Any]:
    """Return how states of one method are prepared and damaged."""

    def prepare(folder: Path) -> Path:
        RUNS[method](folder / "state")
        return folder / "state"

    def case(draw: random.Random, folder: Path, stored: Path) -> None:
        path = Path(shutil.copy(stored, folder / "state"))
        (_damage_tensors if method == "stdb" else damage_json)(draw, path)
        try:
            with untouched(folder, "state", "moved_state"):
                RUNS[method](path)
        except ValueError:
            insist(path.is_symlink() or path.exists(), "a state that was refused is lost")
            raise
        finally:
            insist(not (folder / "executed").exists(), "code in a state was executed")

    return {"case": case, "prepare": prepare}


def _damage_tensors(draw: random.Random, path: Path) -> None:
    content = path.read_bytes()
    match draw.randrange(6):
        case 0:
            replace_by_another_kind(draw, path)
        case 1:
            path.write_bytes(repacked(draw, content))
        case 2 | 3:
            path.write_bytes(damaged_bytes(draw, content))
        case 4:
            saved = torch.load(path, weights_only=True)
            saved[draw.choice(list(saved))] = draw.choice((harmful(draw, path.parent), nested(200), None, {}, "text"))
            torch.save(saved, path)
        case _:
            saved = torch.load(path, weights_only=True)
            try:
                torch.save(damaged_mapping(draw, saved), path)
            except UnicodeEncodeError:  # torch cannot store it
                path.write_bytes(content[:-1])


KINDS = [
    Kind("recordings", 800, recordings, _simulated),
    Kind("settings", 600, settings),
    Kind("recipes", 300, recipes),
    Kind("weights", 900, weights, _model_file),
    Kind("states_pcmp", 250, **states_of("pcmp")),
    Kind("states_kernels", 200, **states_of("kernels")),
    Kind("states_refinement", 200, **states_of("refinement")),
    Kind("states_auto", 150, **states_of("auto")),
    Kind("states_stdb", 200, **states_of("stdb")),
]
