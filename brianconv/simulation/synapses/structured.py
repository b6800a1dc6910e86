"""Structured synapses: an extension of Brian2 that stores the kernel of a convolution instead of every synapse.

`StructuredSynapses` joins any two `NeuronGroup`s, runs the user's ``on_pre`` statements as `Synapses` does, and works
with Brian2's targets C++ standalone, Cython and numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from brian2 import Quantity, get_device, ms, prefs
from brian2.core.spikesource import SpikeSource
from brian2.core.variables import Variables, VariableView
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.groups.group import CodeRunner, Group
from brian2.groups.subgroup import Subgroup
from brian2.units.fundamentalunits import DIMENSIONLESS, get_dimensions, get_unit, have_same_dimensions

from brianconv.coding.equations import assigned
from brianconv.connectivity import CLASSES
from brianconv.connectivity.base import Connectivity
from brianconv.connectivity.max_pooling import MaxPooling
from brianconv.connectivity.shared_kernel import OneToOneKernel, Runs, SharedKernel, share_weights
from brianconv.errors import ParameterError, ShapeError
from brianconv.simulation.synapses.targets import CODE_OBJECTS, EVENT_INDICES, active_target

MOST_TOGETHER = 4  # spikes added in one pass over their common targets


class KernelView(VariableView):
    """The variable ``w`` of structured synapses: readable, and a key of ``run_args``."""

    def get_item(self, item: Any, level: int = 0, namespace: Any = None) -> Any:
        values = self.variable.get_value()[item]
        return Quantity(values, dim=self.dim) if self.dim is not DIMENSIONLESS else values

    def set_item(self, item: Any, value: Any, level: int = 0, namespace: Any = None) -> None:
        raise ParameterError("w is shared by many synapses, in an order of its own: assign to .weight instead")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.variable.size,)


class StructuredSynapses(Group, CodeRunner):
    """Synapses with weights shared across positions, stored as one kernel.

    Populations are laid out channels last: neuron ``(row * columns + column) * channels + channel``
    (`brianconv.group_index` computes it). The statements of `on_pre` run once for every synapse of every spike, as
    those of `Synapses` do, with the same names: variables of the postsynaptic group with or without the suffix
    ``_post``, of the presynaptic group with ``_pre``, and ``w``, the weight.

    Parameters
    ----------
    source, target : NeuronGroup or Subgroup
        Their numbers of neurons must match the input and output shapes of the connectivity.
    connectivity : Connectivity or sequence of Connectivity
        `Dense`, `Convolution`, `TransposedConvolution`, `OneToOne`, average or maximum pooling; a sequence is applied
        from left to right, with trained weights in one of its members at most. Biases are not used.
    on_pre : str
        What a spike does, such as ``v_post += w``.
    delay : Quantity, optional
        A whole number of time steps; none by default.
    gate : str
        For maximum pooling, what a spike adds to the sum by which its neuron competes with the others of a window; not
        negative. A spike passes if its neuron's sum is the largest, the first in row-major order if several are equal.
    weight_unit : Quantity
        Of the weights, such as ``mV``.
    dtype : NumPy float type, optional
        Of the weights; by default Brian2's.
    namespace : mapping, optional
        Values of names in `on_pre` that are not variables.
    clock : Clock, optional
        The source's by default.
    when : str
        Scheduling slot.
    order : int
    name : str

    Raises
    ------
    ShapeError
        If the groups do not have as many neurons as the connectivity.
    ParameterError
        If the delay is not a whole number of steps, or the connectivities have no common kernel.

    Examples
    --------
    >>> from brian2 import NeuronGroup
    >>> retina = NeuronGroup(3 * 32 * 32, "v : 1", threshold="v > 1", reset="v = 0")
    >>> cortex = NeuronGroup(16 * 32 * 32, "v : 1")
    >>> kernel = np.ones((16, 3, 5, 5))  # in the order of axes of torch's Conv2d
    >>> connectivity = Convolution(kernel, np.zeros(16), (3, 32, 32), padding=((2, 2), (2, 2)))
    >>> synapses = StructuredSynapses(retina, cortex, connectivity, on_pre="v_post += w")
    >>> synapses.weight.shape
    (16, 3, 5, 5)
    """

    add_to_magic_network = True

    def __init__(
        self,
        source: SpikeSource,
        target: Group,
        connectivity: Connectivity | Sequence[Connectivity],
        on_pre: str = "v_post += w",
        *,
        delay: Quantity | None = None,
        gate: str = "1",
        weight_unit: Quantity | float = 1,
        dtype: type | None = None,
        namespace: Mapping[str, Any] | None = None,
        clock: Any = None,
        when: str = "synapses",
        order: int = 0,
        name: str = "structuredsynapses*",
    ) -> None:
        self.codeobj_class: type | None = None
        self.source, self.target = source, target
        self.connectivity = _checked_connectivity(connectivity)
        self.weight_unit = _checked_unit(weight_unit)
        _check_source(source)
        if "w" in assigned(on_pre, changed=True):
            raise ParameterError(
                f"on_pre {on_pre!r} changes w, which many synapses share: use brian2.Synapses for plasticity"
            )
        self.namespace = dict(namespace or {})
        self._check_sizes()
        kernel = self._kernel_of(self.connectivity)
        clock = clock or source.clock
        self._delay = delay
        self.delay_steps = _whole_steps(delay, clock)
        template, self.constants = self._layout(kernel)
        code: Any = {"gate": f"_increment = {gate}", "pass": on_pre} if template == "structured_gate" else on_pre
        CodeRunner.__init__(
            self, self, template, code=code, clock=clock, when=when, order=order, name=name,
            template_kwds={"_structure": self.constants},
        )  # fmt: skip
        self.add_dependency(source)
        self.add_dependency(target)
        self.variables = Variables(self)
        self.variables.add_constant("N", kernel.n_synapses)
        self._add_indices(template)
        for constant, value in self.constants.items():
            self.variables.add_constant(f"_{constant}", value)  # Cython reads them, and compiles once for all shapes
        self._add_tables(kernel)
        if template != "structured_gate":
            self._add_weights(kernel, dtype)
        self._add_neuron_variables()
        self._enable_group_attributes()

    def _check_sizes(self) -> None:
        for group, shape, side in (
            (self.source, self.connectivity[0].input_shape, "source"),
            (self.target, self.connectivity[-1].output_shape, "target"),
        ):
            if len(group) != int(np.prod(shape)):
                raise ShapeError(
                    f"the {side} {group.name!r} has {len(group)} neurons, but the connectivity has shape "
                    f"{shape}, which is {int(np.prod(shape))} neurons"
                )

    @staticmethod
    def _kernel_of(chain: tuple[Connectivity, ...]) -> SharedKernel | OneToOneKernel:
        gates = [part for part in chain if isinstance(part, MaxPooling)]
        if gates and len(chain) > 1:
            raise ParameterError(
                "maximum pooling joins two populations of its own: put one that relays the spikes after it"
            )
        kernel = share_weights([gates[0].window] if gates else chain)
        if kernel is None:
            kinds = ", ".join(type(connectivity).__name__ for connectivity in chain)
            raise ParameterError(f"the connectivities {kinds} have no common kernel; use brian2.Synapses for them")
        return kernel

    @property
    def _spiking_group(self) -> Group:
        return self.source.source if isinstance(self.source, Subgroup) else self.source

    @property
    def _offsets(self) -> dict[str, int]:
        group = self._spiking_group
        return {
            "source_start": int(self.source.start) if isinstance(self.source, Subgroup) else 0,
            "target_start": int(self.target.start) if isinstance(self.target, Subgroup) else 0,
            "n_source": len(group),
            "n_pre": len(self.source),
            "n_post": len(self.target),
            "delay": self.delay_steps,
        }

    def _layout(self, kernel: SharedKernel | OneToOneKernel) -> tuple[str, dict[str, int]]:
        """Return the name of the template and the numbers that it takes."""
        if isinstance(kernel, OneToOneKernel):
            return "structured_one_to_one", self._offsets
        if kernel.is_dense and not self.connectivity[0].gates:
            return "structured_dense", self._offsets
        channels, _, columns = kernel.input_shape
        constants = {
            "groups": kernel.groups,
            "channels": channels,
            "columns": columns,
            "group_inputs": channels // kernel.groups,
            "group_outputs": kernel.weights.shape[3],
            "kernel_columns": kernel.weights.shape[2],
            "output_channels": kernel.output_shape[0],
            "output_columns": kernel.output_shape[2],
            "most_together": min(MOST_TOGETHER, channels // kernel.groups),
        }
        template = "structured_gate" if self.connectivity[0].gates else "structured_window"
        return template, constants | self._offsets

    def _add_indices(self, template: str) -> None:
        self.variables.create_clock_variables(self._clock)
        for name in EVENT_INDICES:
            self.variables.add_auxiliary_variable(name, dtype=np.int32)
            self.variables[name].unique = False  # several events reach one neuron in a step
        if template == "structured_gate":
            self.variables.add_auxiliary_variable("_increment", dtype=np.float64)

    def _add_tables(self, kernel: SharedKernel | OneToOneKernel) -> None:
        tables: dict[str, np.ndarray] = {}
        group = self._spiking_group
        if isinstance(kernel, OneToOneKernel):
            tables["_target_of"] = kernel.target
        elif self.template != "structured_dense":
            tables |= _named("_row", kernel.rows) | _named("_column", kernel.columns)
        for name, values in tables.items():
            self.variables.add_array(
                name, size=len(values), values=values, dtype=np.int32, constant=True, read_only=True
            )  # fmt: skip
        state: dict[str, np.ndarray] = {}
        if self.delay_steps:
            state["_history"] = np.zeros((self.delay_steps + 1) * (len(group) + 1), dtype=np.int32)
            state["_slot"] = np.zeros(1, dtype=np.int32)
        if self.template == "structured_gate":
            state["_accumulated"] = np.zeros(len(self.source))
            state["_leading"] = np.full(len(self.target), -1, dtype=np.int32)
        for name, values in state.items():
            self.variables.add_array(name, size=len(values), values=values, dtype=values.dtype)
        self.variables.add_reference("_spikespace", group)
        self.needed_variables = [*tables, *state, *(f"_{constant}" for constant in self.constants), "_spikespace"]

    def _add_weights(self, kernel: SharedKernel | OneToOneKernel, dtype: type | None) -> None:
        values = self._flat(kernel)
        self.variables.add_array(
            "w", size=len(values), dimensions=get_dimensions(self.weight_unit), index="_kernel_idx",
            dtype=dtype or prefs["core.default_float_dtype"],
        )  # fmt: skip
        self.variables["w"].set_value(values)

    def _add_neuron_variables(self) -> None:
        for name, group, index in (("i", self.source, "_presynaptic_idx"), ("j", self.target, "_postsynaptic_idx")):
            if not isinstance(group, Subgroup) and "i" in group.variables:
                self.variables.add_reference(name, group, "i", index=index)
        for suffix, group, index in (
            ("_pre", self.source, "_presynaptic_idx"),
            ("_post", self.target, "_postsynaptic_idx"),
            ("", self.target, "_postsynaptic_idx"),
        ):
            for name, variable in group.variables.items():
                taken = name + suffix in self.variables
                direct = variable.scalar or group.variables.indices[name] == group.variables.default_index
                if not taken and direct and not name.startswith("_"):
                    self.variables.add_reference(name + suffix, group, name, index="0" if variable.scalar else index)

    def _flat(self, kernel: SharedKernel | OneToOneKernel) -> np.ndarray:
        """Return the weights in the order in which the generated code reads them, in base units."""
        dense = isinstance(kernel, SharedKernel) and self.template == "structured_dense"
        weights = kernel.weights.transpose(0, 2, 1, 3) if dense else kernel.weights
        return weights.ravel() * float(np.asarray(self.weight_unit))

    @property
    def weight(self) -> np.ndarray | Quantity:
        """The trained weights in torch's order of axes; assign an array of the same shape to change them."""
        carrier = next((connectivity for connectivity in self.connectivity if connectivity.weighted), None)
        if carrier is None:
            raise AttributeError(f"{self.name} has no trained weights")
        return np.asarray(carrier.weight) * self.weight_unit  # type: ignore[attr-defined]

    @weight.setter
    def weight(self, values: np.ndarray | Quantity) -> None:
        self.variables["w"].set_value(self.kernel_values(values))
        self.connectivity = self._with_weight(values)

    def kernel_values(self, weight: np.ndarray | Quantity) -> np.ndarray:
        """Return the values of the variable ``w`` for other weights.

        A compiled program takes them as they are: ``device.run(run_args={synapses.w: synapses.kernel_values(new)})``.

        Parameters
        ----------
        weight : array or Quantity
            In torch's order of axes.

        Raises
        ------
        ShapeError, ParameterError
            If shape or unit are not those of the weights.
        """
        dtype = self.variables["w"].dtype
        return self._flat(self._kernel_of(self._with_weight(weight))).astype(dtype)

    def _with_weight(self, weight: np.ndarray | Quantity) -> tuple[Connectivity, ...]:
        present = self.weight
        if np.shape(weight) != np.shape(present):
            raise ShapeError(f"the weight of {self.name!r} has shape {np.shape(present)}, not {np.shape(weight)}")
        if not isinstance(weight, np.ndarray):
            raise ParameterError(f"the weight of {self.name!r} must be a NumPy array, got {type(weight)}")
        if not have_same_dimensions(weight, present):
            unit = get_unit(get_dimensions(present)) if isinstance(present, Quantity) else "no unit"
            raise ParameterError(f"the weight of {self.name!r} is in {unit}: got {weight!r}")
        plain = np.asarray(weight) / float(np.asarray(self.weight_unit))
        return tuple(
            replace(connectivity, weight=plain) if connectivity.weighted else connectivity  # type: ignore[type-var, call-arg]
            for connectivity in self.connectivity
        )

    def state(self, name: str, use_units: bool = True, level: int = 0) -> Any:
        if name not in self.variables or self.variables.indices[name] not in EVENT_INDICES:
            return super().state(name, use_units, level)
        if name != "w":
            raise AttributeError(
                f"{name!r} belongs to neurons: read or set it in {self.source.name!r} or {self.target.name!r}"
            )
        return KernelView("w", self.variables["w"], self, dimensions=self.variables["w"].dim if use_units else None)

    def __setattr__(self, key: str, value: Any, level: int = 0) -> None:
        if key == "w":
            self.w[:] = value  # says what to do instead
        super().__setattr__(key, value, level=level + 1)

    def _full_state(self) -> dict[str, Any]:
        return {**super()._full_state(), "_connectivity": self.connectivity}

    def _restore_from_full_state(self, state: Mapping[str, Any]) -> None:
        self.connectivity = state["_connectivity"]
        super()._restore_from_full_state({key: value for key, value in state.items() if key != "_connectivity"})

    def flush(self) -> None:
        """Discard spikes in flight, and what the neurons of a maximum pooling have accumulated (run-time mode).

        Raises
        ------
        ParameterError
            In C++ standalone mode, where `flush_statements` can be inserted into the program.
        """
        if isinstance(get_device(), CPPStandaloneDevice):
            raise ParameterError(
                f"flush() of {self.name!r} works at run time; insert flush_statements() into a standalone program"
            )
        for name, value in self._resting_state.items():
            self.variables[name].get_value()[:] = value

    def flush_statements(self) -> list[str]:
        """Return the C++ statements that do what `flush` does."""
        arrays = get_device().get_array_name
        return [
            f"std::fill_n(brian::{arrays(self.variables[name])}, {self.variables[name].size}, {value});"
            for name, value in self._resting_state.items()
        ]

    @property
    def _resting_state(self) -> dict[str, int]:
        state = {"_history": 0, "_accumulated": 0, "_leading": -1}
        return {name: value for name, value in state.items() if name in self.variables}

    def before_run(self, run_namespace: dict[str, Any]) -> None:
        if _whole_steps(self._delay, self._clock) != self.delay_steps:
            raise ParameterError(
                f"the delay {self._delay} of {self.name!r} was {self.delay_steps} steps when it was made, and the time "
                f"step is {self._clock.dt} now: set dt before you make structured synapses"
            )
        super().before_run(run_namespace)

    def create_code_objects(self, run_namespace: dict[str, Any]) -> None:
        chosen = active_target()
        if chosen not in CODE_OBJECTS:
            raise ParameterError(
                f"structured synapses have no code for {chosen.__name__}; supported: "
                f"{', '.join(known.__name__ for known in CODE_OBJECTS)}"
            )
        self.codeobj_class = CODE_OBJECTS[chosen]
        super().create_code_objects(run_namespace)

    # what the numpy target calls

    def arriving_spikes(self) -> np.ndarray:
        """Return the presynaptic neurons whose spikes arrive in this step."""
        spikespace = self.variables["_spikespace"].get_value()
        if self.delay_steps:
            history = self.variables["_history"].get_value().reshape(self.delay_steps + 1, -1)
            slot = self.variables["_slot"].get_value()
            history[slot[0]] = spikespace
            slot[0] = (slot[0] + 1) % (self.delay_steps + 1)
            spikespace = history[slot[0]]
        spikes = spikespace[: spikespace[-1]]
        start = self.constants["source_start"]
        return spikes[(spikes >= start) & (spikes < start + len(self.source))]

    def events(self, spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return presynaptic neuron, postsynaptic neuron and place in the kernel of every synapse that transmits."""
        constants = self.constants
        neuron = spikes - constants["source_start"]
        if self.template == "structured_one_to_one":
            target = self.variables["_target_of"].get_value()[neuron]
            return spikes, target + constants["target_start"], neuron
        if self.template == "structured_dense":
            every = np.arange(constants["n_post"])
            kernel = neuron[:, None] * constants["n_post"] + every
            target = np.broadcast_to(every + constants["target_start"], kernel.shape)
            return np.repeat(spikes, len(every)), target.ravel(), kernel.ravel()
        return self._window_events(spikes, neuron, constants)

    def _window_events(
        self, spikes: np.ndarray, neuron: np.ndarray, constants: Mapping[str, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        channels, columns, outputs = constants["channels"], constants["columns"], constants["group_outputs"]
        tables = {
            name: variable.get_value() for name, variable in self.variables.items() if name.startswith(("_row", "_col"))
        }
        row, column, channel = neuron // (channels * columns), neuron // channels % columns, neuron % channels
        spike, r = _expanded(tables["_row_start"], row)
        at, c = _expanded(tables["_column_start"], column[spike])
        spike, r = spike[at], r[at]
        length = tables["_column_length"][c]
        at = np.repeat(np.arange(len(c)), length)
        step = np.arange(len(at)) - np.repeat(np.cumsum(length) - length, length)
        spike, r, c = spike[at], r[at], c[at]
        place = tables["_row_output"][r] * constants["output_columns"] + tables["_column_output"][c] + step
        group = channel[spike] // constants["group_inputs"]
        target = place * constants["output_channels"] + group * outputs + constants["target_start"]
        row_of_kernel = tables["_row_kernel"][r] * channels + channel[spike]
        kernel = (row_of_kernel * constants["kernel_columns"] + tables["_column_kernel"][c] + step) * outputs
        every = np.arange(outputs)
        return (
            np.repeat(spikes[spike], outputs),
            (target[:, None] + every).ravel(),
            (kernel[:, None] + every).ravel(),
        )

    def passing_events(self, spikes: np.ndarray, increment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Let neurons accumulate and windows choose; return presynaptic neuron and window of the spikes that pass."""
        constants = self.constants
        accumulated = self.variables["_accumulated"].get_value()
        leading = self.variables["_leading"].get_value()
        neuron = spikes - constants["source_start"]
        accumulated[neuron] += increment
        pre, window, _ = self._window_events(neuron, neuron, constants | {"target_start": 0})
        for candidate, place in zip(pre, window, strict=True):
            leader = leading[place]
            if leader < 0 or (accumulated[candidate], -candidate) > (accumulated[leader], -leader):
                leading[place] = candidate
        passes = leading[window] == pre
        return pre[passes] + constants["source_start"], window[passes] + constants["target_start"]


def _checked_connectivity(connectivity: Any) -> tuple[Connectivity, ...]:
    chain = tuple(connectivity) if isinstance(connectivity, (list, tuple)) else (connectivity,)
    if not chain or not all(isinstance(part, Connectivity) for part in chain):
        kinds = ", ".join(kind.__name__ for kind in CLASSES)
        found = [part if isinstance(part, type) else type(part) for part in chain]
        raise ParameterError(f"the connectivity is {found}; it is an object of {kinds}, or a list of them")
    return chain


def _checked_unit(unit: Any) -> Any:
    if not isinstance(unit, (Quantity, int, float)) or np.ndim(unit) or not np.isfinite(np.asarray(unit)) or unit == 0:
        raise ParameterError(f"weight_unit is {unit!r}; it is what a weight of 1 means, such as mV or 0.5*mV")
    return unit


def _check_source(source: Any) -> None:
    spiking = source.source if isinstance(source, Subgroup) else source
    if "_spikespace" not in getattr(spiking, "variables", {}):
        raise ParameterError(f"the source {getattr(source, 'name', source)!r} does not spike: give it a threshold")


def _whole_steps(delay: Quantity | None, clock: Any) -> int:
    if delay is None:
        return 0
    proper = isinstance(delay, Quantity) and have_same_dimensions(delay, ms) and not np.ndim(delay)
    if not proper or not 0 * ms <= delay < np.inf * ms:
        raise ParameterError(f"the delay is {delay!r}; it is one time, 0*ms or more")
    steps = float(delay / clock.dt)
    if abs(steps - round(steps)) > 1e-6:
        raise ParameterError(f"the delay {delay} is no whole number of time steps of {clock.dt}")
    return round(steps)


def _named(axis: str, runs: Runs) -> dict[str, np.ndarray]:
    return {f"{axis}_{name}": values for name, values in vars(runs).items()}


def _expanded(start: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for all runs of all positions, the index into `position` and the index of the run."""
    counts = start[position + 1] - start[position]
    index = np.repeat(np.arange(len(position)), counts)
    within = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    return index, start[position][index] + within
