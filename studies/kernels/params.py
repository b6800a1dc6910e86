"""Parameters of the study: one entry of NETWORKS a network."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Network:
    """A network, how its kernels are tuned, and how it is run.

    Attributes
    ----------
    model, data, title : str
    n_calibration : int
        Training images, for the maximum activation of each layer.
    n_tuning, n_epochs, batch_size : int
        Training images with which the kernels are tuned, passes over them, and images per step of the descent.
    window : int
        T.
    starts : tuple of float
        Values of tau from which the descent begins, t_d being 0.
    untuned : float
        tau of the network that was not tuned: the default of the coding scheme.
    early : int
        Steps after which a layer begins with early firing.
    n_test, n_waiting : int
        Test images of the rows with early firing, and of those without.
    n_burst, burst_steps : int
        Test images and steps of burst coding, with whose spikes those here are compared; Park et al. (2020), Table II.
    """

    model: str
    data: str
    title: str
    n_calibration: int
    n_tuning: int
    n_epochs: int
    batch_size: int
    window: int
    starts: tuple[float, ...]
    untuned: float
    early: int
    n_test: int
    n_waiting: int
    n_burst: int
    burst_steps: int

    def drawn(self) -> list[str]:
        """Return the titles of the rows whose spikes are drawn step by step: before tuning, and after it."""
        return [*(UNTUNED.format(tau) for tau in sorted({self.untuned, *self.starts})), TUNED.format(self.starts[0])]


NORMALIZATION = "max"
DTYPE = "float32"
UNTUNED, TUNED = "untuned, tau {:g}", "tuned from tau {:g}"  # titles of rows
BURST = "burst coding"
BURSTS = {BURST: {}, f"{BURST}, v_threshold 1": {"v_threshold": 1.0}}  # 1 is as if a pixel came once in 8 steps

NET1 = Network(
    model="models/hwang2021.py:net1",
    data="mnist",
    title="Net 1, MNIST",
    n_calibration=5000,
    n_tuning=2000,
    n_epochs=2,
    batch_size=20,
    window=20,
    starts=(2.0, 18.0),
    untuned=6.0,
    early=10,
    n_test=10_000,
    n_waiting=10_000,
    n_burst=1000,
    burst_steps=87,
)
NETWORKS = {
    "net1": NET1,
    "mnist_cnn": replace(NET1, model="models/kim2018.py:mnist_cnn", title="12c5-2s-64c5-2s-10, MNIST"),
    "vgg16": Network(
        model="models/park2020.py:vgg16",
        data="cifar10",
        title="VGG-16, CIFAR-10 from JPEG",
        n_calibration=1000,
        n_tuning=1000,
        n_epochs=1,
        batch_size=20,
        window=80,
        starts=(8.0, 72.0),
        untuned=24.0,
        early=40,
        n_test=500,
        n_waiting=100,
        n_burst=30,
        burst_steps=1125,
    ),
}
