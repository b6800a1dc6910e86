"""Every public name shows how it is used, and what it shows is true."""

import doctest
import inspect
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from brian2 import ms
from torch import nn

import brianconv
from brianconv import biology

WITHOUT_DOCSTRING = {"CODINGS": brianconv.coding}  # data: the module that defines it shows it
ASSUMED = {"np": np, "torch": torch, "nn": nn}  # beside the public names of the package


def examples_of(name: str) -> doctest.DocTest:
    place, _, own = name.rpartition(".")
    value = WITHOUT_DOCSTRING.get(name, getattr(biology if place else brianconv, own))
    names = {public: getattr(brianconv, public) for public in brianconv.__all__}
    names |= {"ms": ms, **{public: getattr(biology, public) for public in biology.__all__}}
    return doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", {**names, **ASSUMED}, name, None, 0)


@pytest.mark.parametrize("name", [*sorted(brianconv.__all__), *(f"biology.{n}" for n in biology.__all__)])
def test_the_example_of_a_public_name_runs(name, numpy_target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = examples_of(name)
    assert examples.examples, f"the docstring of {name} shows no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with warnings.catch_warnings():
        outcome = runner.run(examples, out=said.append)
    plt.close("all")
    assert outcome.attempted > 0 and outcome.failed == 0, "".join(said)


def test_an_example_that_is_wrong_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(wrong, out=lambda _: None).failed == 1
