"""Equations and statements are changed where Brian2's grammar says, and nowhere else."""

import brian2
import numpy as np
import pytest
from brian2 import ms

from brianconv import Membrane, NeuronModel, ParameterError
from brianconv.coding.equations import assigned, equations_of, mentioned, names_in, renamed, rewritten, state_variables
from brianconv.coding.membrane import with_membrane
from brianconv.coding.millivolts import in_volts, statements_in_volts

TEXT = """
# a comment that names v = 3 : 1
dv/dt = a +   # the drive
        b / tau : 1 (unless refractory)
square = v ** 2  : 1 (shared)   # keeps its layout
u     :    1
limit : 1 (shared, constant)
"""


def test_equations_are_read_with_their_places():
    found = equations_of(TEXT)
    assert list(found) == ["v", "square", "u", "limit"]
    assert found["v"].flags == ("unless refractory",)
    assert found["v"].expression.split() == ["a", "+", "b", "/", "tau"]
    assert found["square"].expression == "v ** 2"
    assert TEXT[found["u"].start : found["u"].end] == "u     :    1" == found["u"].source
    assert state_variables(TEXT) == ["v", "u"]
    assert mentioned(TEXT) == {"v", "a", "b", "tau", "square", "u", "limit"}


def test_what_is_not_changed_keeps_its_layout():
    changed = rewritten(TEXT, lambda equation: equation.written(unit="volt") if equation.name == "u" else None)
    assert changed == TEXT.replace("u     :    1", "u : volt")
    assert rewritten(TEXT, lambda equation: None) == TEXT


def test_equations_that_brian_refuses_are_refused():
    with pytest.raises(ParameterError, match="Brian2 refuses the equations 'dv/dt = 1 1'"):
        equations_of("dv/dt = 1 1")
    with pytest.raises(ParameterError, match="would not understand 'v = = 2'"):
        assigned("v = = 2")


def test_functions_are_no_variables():
    assert names_in("v = exp(v_2) + v(3)", "w += int(x)") == {"v", "v_2", "w", "x"}
    assert renamed("int(v > exp(v)) * w", lambda name: name + "_pre") == "int(v_pre > exp(v_pre)) * w_pre"
    assert assigned("  v = 1\n w = 2\n   \n      x_post += 1  # y = 2") == {"v", "w"}
    assert assigned("v = 1; w += 2\nu -= v == 3  # x = 3") == {"v"}
    assert assigned("v = 1; w += 2\nu -= v == 3", changed=True) == {"v", "w", "u"}


@pytest.mark.parametrize(
    "statement, expected",
    [
        ("v = v_reset", "v = v_rest + v_swing * (v_reset)"),
        ("v -= 1  # v", "v -= v_swing * (1)  # v"),
        ("v > 30 and u < v", "v > v_rest + v_swing * (30) and u < (v - v_rest) / v_swing"),
        ("x = a / v", "x = a / ((v - v_rest) / v_swing)"),
        ("v *= 0.5", "v = v_rest + v_swing * (((v - v_rest) / v_swing) * (0.5))"),
    ],
)
def test_statements_in_volts_as_they_are_written(statement, expected):
    assert statements_in_volts(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "v = 2 * v + a", "v += v / 3", "v -= a - v", "v *= 0.5", "v /= (a + 2)", "v **= 2", "v %= 0.2",
        "v = 2 / v ** 2", "v = 2 ** v % v", "v = int(v > a) * v", "v = -v - v * v / (1 + v)", "v = clip(v, 0.2, 1)",
    ],
)  # fmt: skip
def test_statements_in_volts_compute_the_same(statement):
    rest, swing, before, a = -70.0, 20.0, 0.7, 0.3
    names = {"a": a, "clip": np.clip}
    normalized, volts = {**names, "v": before}, {**names, "v": rest + swing * before, "v_rest": rest, "v_swing": swing}
    exec(statement, normalized)
    exec(statements_in_volts(statement), volts)
    assert (volts["v"] - rest) / swing == pytest.approx(normalized["v"], rel=1e-12)


def test_brian_integrates_changed_equations_as_before(numpy_target):
    """A flag, a comment and an expression of two lines come through a leak and millivolts."""
    equations = "dv/dt = (0.3 +  # constant\n   0.01 * v ** 2) / dt : 1 (unless refractory)\ngain = 1 / (1 + v) : 1"
    model = NeuronModel("own", equations, "euler", "v > 1", reset="v *= 0.25", on_image="v = 0")
    leaky = with_membrane(model, Membrane(tau_m=20, refractory=2))
    traces = []
    for changed, unit, values in ((leaky, 1, {}), (in_volts(leaky), brian2.volt, {"v_rest": -0.07, "v_swing": 0.02})):
        group = brian2.NeuronGroup(
            1, changed.equations, threshold=changed.threshold, reset=changed.reset, method="euler", refractory=2 * ms,
            dt=1 * ms,
        )  # fmt: skip
        for name, value in {**values, "tau_m": 20}.items():
            setattr(group, name, value * (unit if name != "tau_m" else 1))
        group.v = values.get("v_rest", 0) * unit
        monitor = brian2.StateMonitor(group, ["v", "gain"], record=0)
        brian2.Network(group, monitor).run(60 * ms)
        v = np.asarray(monitor.v[0])
        traces.append(((v - values.get("v_rest", 0)) / values.get("v_swing", 1), np.asarray(monitor.gain[0])))
    assert (np.diff(traces[0][0]) < 0).sum() > 5  # it fires
    np.testing.assert_allclose(traces[1], traces[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("flags", ["constant", "shared", "linked"])
def test_a_potential_that_cannot_change_is_no_membrane(flags):
    model = NeuronModel("own", f"v : 1 ({flags})", "euler", "v > 1", reset="", on_image="")
    with pytest.raises(ParameterError, match="'own' have no membrane"):
        with_membrane(model, Membrane(tau_m=20))


def test_kinds_of_equations_have_the_names_that_brian_gives_them():
    from brian2.equations import equations as of_brian

    from brianconv.coding import equations

    for kind in ("DIFFERENTIAL_EQUATION", "SUBEXPRESSION", "PARAMETER"):
        assert getattr(equations, kind) == getattr(of_brian, kind)
