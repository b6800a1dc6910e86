"""Code of run-time mode is compiled together, once for all networks with the same equations."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import Clock, Function, Network, NeuronGroup, StateMonitor, ms

from brianconv import CompilerError, ParameterError, convert, simulate
from brianconv.simulation import cython_modules
from brianconv.simulation.cython_modules import ModuleCodeObject, code_object_class, renamed_arrays, split
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn

IMAGES = dyadic_images(3, SMALL_SHAPE)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache, and nothing that this process has loaded before."""
    monkeypatch.setenv("BRIANCONV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cython_modules, "LOADED", {})
    monkeypatch.setattr(cython_modules, "MODULES", {})
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch):
    """The groups of functions that are compiled."""
    found = []
    build = cython_modules._library

    def counted(module, functions, *rest):
        found.append(list(functions))
        return build(module, functions, *rest)

    monkeypatch.setattr(cython_modules, "_library", counted)
    return found


def group(name, equations="dv/dt = (1 - v) / (10*ms) : 1\nw : 1", n=3, **options):
    made = NeuronGroup(n, equations, method="euler", codeobj_class=ModuleCodeObject, clock=Clock(1 * ms), name=name)
    made.set_states(options)
    return made


def ran(*groups, steps=10):
    Network(*groups).run(steps * ms)
    return [np.asarray(g.v).copy() for g in groups]


def test_a_network_is_compiled_in_as_few_modules_as_there_are_cores(own_cache, builds, numpy_target):
    brian2.prefs.codegen.target = "auto"
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25)
    compiled = simulate(spiking, IMAGES, 10)
    assert len(builds) == min(cython_modules._cores(), sum(map(len, builds)))
    n_functions = sum(map(len, builds))
    assert n_functions < 20, "four populations share what differs in names only"
    again = simulate(spiking, IMAGES, 10)
    assert len(builds) <= cython_modules._cores(), "nothing is compiled twice"
    np.testing.assert_array_equal(compiled.scores, again.scores)
    brian2.prefs.codegen.target = "numpy"  # which the fixture restores
    np.testing.assert_array_equal(simulate(spiking, IMAGES, 10).scores, compiled.scores)


def test_groups_with_other_names_and_sizes_share_code(own_cache, builds):
    one, other = ran(group("first_group", n=3), group("another", n=7))
    np.testing.assert_array_equal(one, other[:3])
    assert [len(functions) for functions in builds] == [1]
    ran(group("a_third", n=2))
    assert len(builds) == 1


def test_shared_code_works_on_the_arrays_of_its_own_group(own_cache):
    slow, fast = group("slow", v=[0.0, 0.5, 1.0]), group("fast", v=[1.0, 2.0, 3.0])
    monitor = StateMonitor(fast, "v", record=True, codeobj_class=ModuleCodeObject)
    Network(slow, fast, monitor).run(5 * ms)
    np.testing.assert_allclose(slow.v, 1 - (1 - np.array([0.0, 0.5, 1.0])) * 0.9**5)
    np.testing.assert_allclose(fast.v, 1 - (1 - np.array([1.0, 2.0, 3.0])) * 0.9**5)
    np.testing.assert_allclose(monitor.v[:, 0], [1.0, 2.0, 3.0])


ANOTHER_PROCESS = """
from brianconv.simulation import cython_modules
from tests.simulation.test_cython_modules import group, ran
built, build = [], cython_modules._library
cython_modules._library = lambda *arguments: built.append(1) or build(*arguments)
print(ran(group("another_process"))[0].tolist())
print(len(built))
"""


def in_another_process():
    """Return the potentials that a new process computes, and how many modules it has compiled for that."""
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    potentials, count = done.stdout.splitlines()
    return json.loads(potentials), int(count)


@pytest.mark.parametrize("damage", ["none", "cut", "removed", "foreign", "index", "open"])
def test_a_later_process_takes_sound_code_from_the_cache_and_compiles_damaged_code_again(own_cache, damage):
    expected, n_built = in_another_process()
    assert n_built == 1
    (module,) = [path for path in (own_cache / "modules").iterdir() if path.is_dir()]
    (library,) = module.glob("*.so")
    if damage == "cut":
        library.write_bytes(library.read_bytes()[:-100])
    elif damage == "removed":
        library.unlink()
    elif damage == "foreign":
        (module / "manifest.json").write_text(json.dumps({"key": module.name, "sha256": "0" * 64}))
    elif damage == "index":  # without it, the module is still found
        (index,) = (own_cache / "functions").iterdir()
        index.write_text("../../somewhere")
    elif damage == "open":
        module.chmod(0o777)
    assert in_another_process() == (expected, int(damage not in ("none", "index")))


def test_code_that_does_not_compile_names_its_object_and_leaves_others_alone(own_cache):
    broken = Function(lambda x: x, arg_units=[1], return_unit=1)
    broken.implementations.add_implementation("cython", "cdef double broken(double x):\n    return nothing_at_all(x)")
    bad = NeuronGroup(
        2, "dv/dt = broken(v) / (10*ms) : 1", method="euler", codeobj_class=ModuleCodeObject, name="bad_group",
        namespace={"broken": broken},
    )  # fmt: skip
    good = group("good_group")
    with pytest.raises(CompilerError, match=r"bad_group\): the generated Cython code did not compile"):
        Network(bad, good).run(1 * ms)
    assert len(ran(group("later_group"))) == 1


def test_a_missing_compiler_is_refused(own_cache, monkeypatch, numpy_target):
    monkeypatch.setenv("CXX", "no-such-compiler")
    brian2.prefs.codegen.target = "cython"
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE)
    with pytest.raises(CompilerError, match="no-such-compiler was not found, which Brian2's Cython target needs"):
        simulate(spiking, IMAGES[:1], 2)


def test_simulations_of_several_threads_are_compiled(own_cache):
    outcomes, errors = {}, []

    def run(k):
        try:
            spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25)
            outcomes[k] = simulate(spiking.with_membrane("layer_0", tau_m=float(20 + k)), IMAGES[:1], 5).scores
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and sorted(outcomes) == [0, 1]


def test_names_of_arrays_are_replaced_as_whole_words():
    code = "_buf__array_a_v = _namespace['_array_a_v']; _num_array_a_v; _array_a_v_init; x_array_a_v"
    renamed = renamed_arrays(code, {"_array_a_v": "_array_0_v"})
    assert renamed == "_buf__array_0_v = _namespace['_array_0_v']; _num_array_0_v; _array_a_v_init; x_array_a_v"


def test_definitions_are_told_apart():
    code = (
        "import x\n# support code\n@decorated\ncdef int f(int a):\n    return a\n\n# a comment\ncdef double g():\n"
        "    return 1\n\ndef main(_namespace):\n    pass"
    )
    function = split(code)
    assert function.head == "import x" and function.body == "\n    pass"
    assert function.support == ("@decorated\ncdef int f(int a):\n    return a", "cdef double g():\n    return 1")


def test_the_target_that_a_user_chooses_is_taken(numpy_target):
    assert code_object_class() is None
    brian2.prefs.codegen.target = "cython"
    assert code_object_class() is ModuleCodeObject


def test_equations_that_brian_refuses_are_still_refused(own_cache):
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE)
    with pytest.raises(ParameterError, match="Brian2 refuses"):
        simulate(spiking.change_neurons("layer_0", threshold="v > unknown_name"), IMAGES[:1], 2)
    assert os.environ["BRIANCONV_CACHE"] == str(own_cache)
