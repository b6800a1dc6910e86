"""How long the conversion of torchvision's classifiers takes, for images of 32 x 32, on one core.

    python -m studies.speed.torchvision_list [NAME ...]

Prints a Markdown table: layers, connections, synapses, and seconds for extraction, counting and normalisation with four
images; or the reason of the refusal and the seconds until then. Weights are random, and the statistics of the
normalisation layers as of a trained network. Each network has a process of its own. Needs torchvision.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

SHAPE = (3, 32, 32)
N_IMAGES = 4
LIMIT = 300  # s for one network


def main() -> None:
    names = sys.argv[1:]
    if names[:1] == ["--one"]:
        print(json.dumps(measured(names[1])))
        return
    from torchvision import models

    print("| network | layers | connections | 10⁶ synapses | extraction (s) | counting (s) | normalisation (s) |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in names or models.list_models(module=models):
        print(_row(name), flush=True)


def _row(name: str) -> str:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "studies.speed.torchvision_list", "--one", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=os.environ | one_thread)
    except subprocess.TimeoutExpired:
        return f"| {name} | not done after {LIMIT} s |||||"
    if done.returncode:
        return f"| {name} | failed: {done.stderr.strip().splitlines()[-1]} |||||"
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if "refused" in found:
        return f"| {name} | refused after {found['seconds']:.1f} s: {found['refused']} ||||||"
    return (
        f"| {name} | {found['layers']} | {found['connections']} | {found['synapses'] / 1e6:,.0f} | "
        + " | ".join(f"{seconds:.1f}" for seconds in found["seconds"])
        + " |"
    )


def measured(name: str) -> dict[str, Any]:
    """Return the sizes and times of one network."""
    import warnings

    import numpy as np
    import torch
    from torchvision import models

    from brianconv.conversion.layers import extract_graph
    from brianconv.conversion.normalization import normalize
    from brianconv.errors import BrianconvError

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    arguments = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = models.get_model(name, weights=None, num_classes=10, **arguments).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.empty(module.num_features).uniform_(-0.2, 0.2)
            module.running_var = torch.empty(module.num_features).uniform_(0.5, 1.5)
    torch.fx.symbolic_trace(torch.nn.ReLU())  # torch loads what it traces with
    start = time.perf_counter()
    try:
        graph = extract_graph(model, SHAPE)
        extracted = time.perf_counter()
        synapses = graph.n_synapses
        counted = time.perf_counter()
        normalize(graph, np.random.default_rng(0).random((N_IMAGES, *SHAPE)))
    except BrianconvError as error:
        return {"refused": str(error).splitlines()[0][:110], "seconds": time.perf_counter() - start}
    done = time.perf_counter()
    return {
        "layers": len(graph.layers),
        "connections": sum(len(layer.connections) for layer in graph.layers),
        "synapses": synapses,
        "seconds": [extracted - start, counted - extracted, done - counted],
    }


if __name__ == "__main__":
    main()
