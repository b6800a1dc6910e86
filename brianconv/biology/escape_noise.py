"""A leaky neuron that fires at random, the more likely the closer it is to its threshold."""

from __future__ import annotations

from dataclasses import dataclass

from brian2 import Quantity, ms

from brianconv.biology.checks import check_finite, check_time_constant, default_time
from brianconv.biology.neuron_kind import ON_IMAGE, SHARED, NeuronKind
from brianconv.coding.scheme import NeuronModel
from brianconv.coding.times import Time
from brianconv.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class EscapeNoise(NeuronKind):
    """A leaky membrane whose spikes are drawn with the hazard ``exp((v - 1) / width) / tau_escape``.

    Attributes
    ----------
    tau_m : Quantity or float
        Time constant of the membrane.
    width : float
        Width of the soft threshold, in thresholds.
    tau_escape : Quantity or float
        Mean waiting time for a spike at the threshold.
    v_reset : float
    refractory : Quantity or int
    seed : int
        The same seed gives the same spikes, in either mode and for any number of processes.

    Examples
    --------
    >>> EscapeNoise(width=0.1).model(1*ms).name
    'escape_noise'
    """

    tau_m: Time = default_time(20 * ms)
    width: float = 0.1
    tau_escape: Time = default_time(1 * ms)
    v_reset: float = 0.0
    refractory: Time = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_time_constant("tau_m", self.tau_m)
        check_time_constant("tau_escape", self.tau_escape)
        check_finite("width", self.width)
        check_finite("v_reset", self.v_reset)
        if not self.width > 0:
            raise ParameterError(f"width is {self.width}; the width of a soft threshold is above 0")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise ParameterError(f"seed is {self.seed!r}; it is a whole number from 0 to 2^31 - 1")

    def model(self, dt: Quantity) -> NeuronModel:
        refractory = self._rest(self.refractory, dt)
        rests = " (unless refractory)" if refractory else ""
        return NeuronModel(
            name="escape_noise",
            equations=(
                f"dv/dt = drive / dt - v / (tau_m * dt) : 1{rests}\n"
                "hazard = exp(clip((v - v_threshold) / width, -100, 50)) / tau_escape : 1\n"
                f"{SHARED.strip()}\n"
                "step                          : integer (linked)\n"
                "image_index                   : integer (linked)"
            ),
            method="exponential_euler",
            threshold="uniform(escape_seed, image_index, step, i) < 1 - exp(-hazard)",
            reset="v = v_reset",
            on_image=ON_IMAGE,
            refractory=refractory,
            namespace={
                "tau_m": self._steps("tau_m", dt),
                "width": float(self.width),
                "tau_escape": self._steps("tau_escape", dt),
                "v_reset": float(self.v_reset),
                "escape_seed": float(self.seed),
            },
            source="Gerstner et al. (2014), Neuronal Dynamics, section 9.1; Jolivet et al. (2006)",
        )
