"""Parameters of the study: a row is a network with a code."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A network, a code, and what the paper reports.

    Attributes
    ----------
    model : str
    code : str
    options : mapping
        Of `convert`.
    n_steps : int
    skip : int
        Steps in which the output does not integrate yet.
    delay : int
        Steps in which the spikes of the output do not count yet (delayed evaluation).
    n_images : int
        Test images.
    paper : str
        The paper's figure, on the published pixels.
    """

    model: str
    code: str
    options: dict[str, Any]
    n_steps: int
    skip: int = 0
    n_images: int = 500
    paper: str = ""
    evaluation_delay: int = 0


DATA = "cifar10"
N_CALIBRATION = 1000  # training images
DTYPE = "float32"
HWANG, KIM, PARK, DATTA = (f"models/{name}.py" for name in ("hwang2021", "kim2018", "park2020", "datta2021"))
ROWS = {
    "Kim's CNN, rate": Row(f"{KIM}:cifar_cnn", "rate", {"v_init": 0.4}, 200),
    "Kim's CNN, phase": Row(f"{KIM}:cifar_cnn", "phase", {}, 200, skip=16, paper="89.2 % after 117 steps (ANN 89.1 %)"),
    "ResNet-20, rate": Row(
        f"{HWANG}:resnet20", "rate", {"v_init": 0.4}, 300, paper="99.9 % of the ANN after 239 steps"
    ),
    "ResNet-20, phase": Row(
        f"{HWANG}:resnet20", "phase", {"percentile": 99.99}, 600, skip=160, paper="no loss after 502 steps"
    ),
    "VGG-6, rate": Row(f"{DATTA}:vgg6", "rate", {"encoding": "analog", "percentile": 99.99}, 150),
    "Net 2, rate": Row(f"{HWANG}:net2", "rate", {"v_init": 0.4}, 300, paper="99.9 % of the ANN after 516 steps"),
    "VGG-16, rate": Row(f"{PARK}:vgg16", "rate", {"v_init": 0.4}, 400, paper="91.14 % after 10,000 steps"),
    "ResNet-32, rate": Row(f"{KIM}:resnet32", "rate", {"v_init": 0.4}, 400),
    "ResNet-32, phase": Row(
        f"{KIM}:resnet32", "phase", {"percentile": 99.99}, 700, 240, 200, paper="no loss after 1,064 steps (CIFAR-100)"
    ),
    "Plain32, rate": Row(f"{KIM}:plain32", "rate", {"v_init": 0.4}, 400, evaluation_delay=100),
    "Plain32, phase": Row(f"{KIM}:plain32", "phase", {"percentile": 99.99}, 1000, 800, 200),
}
