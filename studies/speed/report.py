"""Run all measurements and write the table, result.json and the chart."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm.auto import tqdm

from brianconv.errors import BrianconvError, ParameterError, SimulationError
from brianconv.files import writable_folder, write_atomically, write_json
from studies.speed.chart import plot_benchmark, plt
from studies.speed.workload import N_STEPS

NAMES = (
    "explicit", "structured_float64", "structured_float32", "handwritten", "dense_torch", "spikingjelly", "sinabs",
)  # fmt: skip
LOOPS = ("dense_torch", "spikingjelly", "sinabs")
WIDTHS = (0.5, 1.0, 2.0)
PACKAGES = ("brian2", "numpy", "torch", "spikingjelly", "sinabs")
MOST_APART = 0.5  # spikes of an output neuron, on average: what rounding in float32 may change


@dataclass(frozen=True)
class Contest:
    """A trained network to measure.

    Attributes
    ----------
    model : str or None
        As `brianconv run` takes it; None for a Net 1 that is trained for some seconds on digits.
    data : str
        Data set of the model.
    n_steps : int
    weights : str or None
        Beside the model by default.
    """

    model: str | None
    data: str = "mnist"
    n_steps: int = N_STEPS
    weights: str | None = None

    @property
    def name(self) -> str:
        """A short name, such as ``kim2018:cifar_cnn``."""
        if self.model is None:
            return "Net 1 of Hwang et al. (2021) on digits"
        return Path(self.model).name.replace(".py", "")


def run_bench(
    out: str | Path,
    quick: bool = False,
    contest: Contest | None = None,
    also: Sequence[Contest] = (),
    data_root: str | None = None,
) -> dict[str, Any]:
    """Measure everything, write result.json and speed.png into `out`, print a table, and return the results.

    Parameters
    ----------
    out : path
    quick : bool
        Fewer images and repeats, and no growth curves.
    contest : Contest, optional
        The main network; Net 1 of Hwang et al. (2021), trained for some seconds on digits enlarged to 28 x 28 pixels,
        by default.
    also : sequence of Contest
        Further networks, measured after it in the same way, without builds, workers and growth.
    data_root : str, optional
        Folder of the data sets.

    Raises
    ------
    ParameterError
        If two networks have the same name.
    SimulationError
        If a measurement fails; or, after everything has been written, if a contender that simulates the same network
        counts other spikes.
    """
    start = time.perf_counter()
    contest = contest or Contest(None)
    contests = [contest, *also]
    names = [one.name for one in contests]
    if len(set(names)) < len(names):
        raise ParameterError(f"two networks have the same name: {', '.join(names)}; measure each once")
    folder = writable_folder(out)
    shared = {"data_root": data_root, "folder": str(folder / "weights"), "width": 1.0, "repeats": 3 if quick else 5}
    specifications = {
        one.name: shared | {
            "model": one.model, "weights": one.weights, "data": one.data, "steps": one.n_steps,
            "images": (20 if quick else 80) if one is contest else (8 if quick else 32),
        }
        for one in contests
    }  # fmt: skip
    more = ("builds", "workers") if quick else ("builds", "workers", "growth")
    with tempfile.TemporaryDirectory(prefix="bench_", dir=folder) as cache:
        described = {name: _measure("network", specification, cache) for name, specification in specifications.items()}
        networks = {
            one.name: described[one.name]
            | _network(one, specifications[one.name], more if one is contest else (), cache)
            for one in contests
        }
    result = {
        **networks[contest.name],
        "threads": 1,
        "machine": machine(),
        "versions": _versions(),
        "took_s": time.perf_counter() - start,
        "networks": networks,
    }
    write_json(folder / "result.json", result)
    figure = plot_benchmark(result)
    write_atomically(folder / "speed.png", figure.savefig)
    plt.close(figure)
    print(table(result))
    print(f"result.json and speed.png are in {folder}")
    _check_agreement(networks)
    return result


def _network(contest: Contest, specification: Mapping[str, Any], extra: Sequence[str], cache: str) -> dict[str, Any]:
    """Measure one network."""
    wanted = (*(("builds",) if "builds" in extra else ()), *(n for n in NAMES if n != "handwritten"), "propagation")
    wanted += tuple(name for name in extra if name != "builds")  # builds begin with an empty cache
    bar = tqdm(wanted, desc=contest.name, unit="measurement", leave=False)
    measured = {name: _measure(name, specification, cache) for name in bar}
    if "growth" in extra and contest.model is None:
        widths = {w: _measure("structured_float32", {**specification, "width": w}, cache) for w in WIDTHS}
        for point in widths.values():
            point.pop("output_spikes")
        measured["growth"]["width"] = widths
    return _result(measured, contest, specification, extra)


def _measure(name: str, specification: Mapping[str, Any], cache: str) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "BRIANCONV_CACHE": cache}
    command = [sys.executable, "-m", "studies.speed.child", name, json.dumps(dict(specification))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("measured ")]
    if done.returncode or not lines:
        kind = BrianconvError if "BrianconvError" in done.stderr else SimulationError
        raise kind(f"the measurement {name!r} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(lines[-1].removeprefix("measured "))


def _result(
    measured: dict[str, Any], contest: Contest, specification: Mapping[str, Any], extra: Sequence[str]
) -> dict[str, Any]:
    propagation = measured["propagation"]
    measured["handwritten"] = {
        "ms_per_image": propagation.get("handwritten_ms_per_image"),
        "not_run": propagation.get("not_run"),
    }
    ours = measured["structured_float32"]
    ms = {name: measured[name].get("ms_per_image") for name in NAMES}
    return {
        "network": contest.model or contest.name,
        "data": contest.data if contest.model else "digits",
        "n_steps": contest.n_steps,
        "n_images": specification["images"],
        "repeats": specification["repeats"],
        **{key: ours[key] for key in ("events_per_image", "spikes_per_image")},
        **{key: ours[key] for key in ("accuracy", "ann_accuracy")},
        "ms_per_image": ms,
        "events_per_second": {n: t and 1000 * ours["events_per_image"] / t for n, t in ms.items()},
        "peak_memory_mb": {name: measured[name].get("peak_memory_mb") for name in NAMES},
        "speedup": {n: t and t / ms["structured_float32"] for n, t in ms.items()},
        **_agreement(measured),
        "differs": {name: measured[name]["differs"] for name in NAMES if "differs" in measured[name]},
        "not_run": {name: measured[name]["not_run"] for name in NAMES if measured[name].get("not_run")},
        "fastest_loop": {
            name: {key: measured[name][key] for key in ("mode", "batch_size", "memory_format", "ms_per_image_by_mode")}
            for name in LOOPS
            if "mode" in measured[name]
        },
        "propagation": propagation,
        "start_s": {name: measured[name].get("start_s") for name in NAMES[:3]},
        **{name: measured[name] for name in extra},
    }


def _agreement(measured: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Compare output spikes and decisions of all contenders with those of structured synapses in float32."""
    ours = np.array(measured["structured_float32"]["output_spikes"])
    shares, apart = {}, {}
    for name in NAMES:
        if "output_spikes" in measured[name]:
            theirs = np.array(measured[name]["output_spikes"])
            same = theirs.argmax(axis=1) == ours[: len(theirs)].argmax(axis=1)
            shares[name] = float(np.mean(same))
            apart[name] = float(np.mean(np.abs(theirs - ours[: len(theirs)])))
    return {"same_decisions": shares, "output_spikes_apart": apart}


def _check_agreement(networks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise SimulationError if a contender that should simulate the same network does not."""
    wrong = [
        f"{name} on {network} ({apart:.2f})"
        for network, result in networks.items()
        for name, apart in result["output_spikes_apart"].items()
        if name not in result["differs"] and apart > MOST_APART
    ]
    if wrong:
        raise SimulationError(
            f"contenders that should simulate the same network count other output spikes, by more than {MOST_APART} an "
            f"output neuron and image: {', '.join(wrong)}; their times stand for another network"
        )


def machine() -> dict[str, Any]:
    """Describe processor, memory and compiler."""
    information = Path("/proc/cpuinfo")
    names = (
        [line for line in information.read_text().splitlines() if "model name" in line] if information.exists() else []
    )
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "compiler": compiler.splitlines()[0] if compiler else "",
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def table(result: Mapping[str, Any]) -> str:
    """Return the results as a text table, one part for each network."""
    rows = [row for name, network in result["networks"].items() for row in (*_network_rows(name, network), "")]
    if len(result["networks"]) > 1:
        rows += [*_advantage_rows(result["networks"]), ""]
    for name, seconds in result["builds"].items():
        rows.append(f"build, {name}: {seconds['cold_s']:.1f} s, from the cache {seconds['cached_s']:.1f} s")
    rows.append(f"two workers instead of one: {result['workers']['ratio']:.2f} times as fast")
    rows.append(f"machine: {result['machine']['processor']}, {result['machine']['cores']} cores, one thread each")
    return "\n".join(rows)


def _network_rows(name: str, network: Mapping[str, Any]) -> list[str]:
    rows = [
        f"{name}: {network['n_synapses'] / 1e6:.1f} million synapses, {network['n_steps']} steps, "
        f"{network['events_per_image'] / 1e6:.0f} million events per image; "
        f"{network['accuracy']:.0%} of {network['n_images']} images right (ANN {network['ann_accuracy']:.0%})",
        f"{'':<22}{'ms per image':>14}{'events/ns':>12}{'ours faster by':>16}{'memory (MB)':>14}{'decisions':>12}",
    ]
    for contender in NAMES:
        ms = network["ms_per_image"][contender]
        if ms is None:
            rows.append(f"{contender:<22}  not run: {network['not_run'].get(contender, '')}")
            continue
        same, peak = network["same_decisions"].get(contender), network["peak_memory_mb"][contender]
        rows.append(
            f"{contender:<22}{ms:>14.2f}{network['events_per_second'][contender] / 1e9:>12.2f}"
            f"{network['speedup'][contender]:>16.2f}{'-' if peak is None else f'{peak:.0f}':>14}"
            f"{'-' if same is None else f'{same:.0%} same':>12}{_remark(contender, network)}"
        )
    propagation = network["propagation"]
    by_hand = (
        f", hand-written {propagation['handwritten_events_per_second'] / 1e9:.1f} ({propagation['ratio']:.0%})"
        if "ratio" in propagation
        else ""
    )
    ours = propagation["structured_float32_events_per_second"] / 1e9
    return [*rows, f"propagation alone: {ours:.1f} events/ns{by_hand}"]


def _remark(contender: str, network: Mapping[str, Any]) -> str:
    """Say in which mode a loop was fastest, and what it does otherwise."""
    fastest = network["fastest_loop"].get(contender)
    mode = f"  {fastest['mode']}, batches of {fastest['batch_size']}" if fastest else ""
    return mode + (f"; {network['differs'][contender]}" if contender in network["differs"] else "")


def _advantage_rows(networks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Set the networks side by side: how fast ours is, and by how much it leads."""
    titles = f"{'steps':>7}{'synapses active':>18}{'events/ns':>12}{'over plain Brian2':>20}{'over the best loop':>20}"
    rows = [f"{'brianconv, float32':<40}{titles}"]
    for name, network in networks.items():
        ours, brian = network["events_per_second"]["structured_float32"] / 1e9, network["speedup"]["explicit"]
        loop = min((n for n in LOOPS if network["speedup"][n] is not None), key=network["speedup"].__getitem__)
        active = network["events_per_image"] / network["n_synapses"] / network["n_steps"]  # in a step
        rows.append(
            f"{name:<40}{network['n_steps']:>7}{active:>18.1%}{ours:>12.2f}{brian:>20.1f}"
            f"{network['speedup'][loop]:>20.1f} ({loop})"
        )
    return rows
