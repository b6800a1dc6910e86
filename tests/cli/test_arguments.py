"""What a user types: arguments and settings in their ranges, anything else refused with status 2 and one message."""

import inspect
import json
import os
import re
import zipfile

import brian2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brianconv.cli import main
from brianconv.cli.settings import ELSEWHERE, read_settings
from brianconv.conversion.convert import convert, from_normalized
from brianconv.conversion.weights import load_model, load_tensors
from brianconv.errors import BrianconvError, DataError, ParameterError
from brianconv.files import write_json
from brianconv.readers import read_json
from brianconv.simulation.run import simulate
from brianconv.simulation.run_settings import RunSettings
from tests.helpers.networks import convert_flat

MODEL = """
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "linear.py"
    path.write_text(MODEL)
    return str(path)


def said(arguments, capsys) -> str:
    """Run a command that is refused, and return what it says."""
    try:
        status = main(arguments)
    except SystemExit as error:  # of the parser
        status = error.code
    message = capsys.readouterr().err
    assert status == 2 and "Traceback" not in message and len(message.splitlines()[-1]) < 500
    return message


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--steps", "2147483648"], "not a whole number from 1 to 1000000"),
        (["--steps", "0"], "0 is not positive"),
        (["--steps", "1" * 5000], "is not a whole number"),
        (["--images", "99999999999999999999"], "not a whole number from 1 to 2147483647"),
        (["--delay", "-1"], "-1 is not positive"),
        (["--delay", "2000000"], "not a whole number from 1 to"),
        (["--jobs", "100000"], "not a whole number from 1 to 1024"),
        (["--seed", "2147483648"], "is not a seed"),
        (["--early-decision", "all"], "invalid float value"),
        (["--out", "folder\udcff"], "is not text in UTF-8"),
        (["--data-root", "zero\0byte"], "has a zero byte"),
        (["--record", "layer\udc80"], "is not text in UTF-8"),
        (["--set", "a\udc80=1"], "is not text in UTF-8"),
    ],
)
def test_arguments_are_refused_before_anything_is_loaded(option, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in said(["run", "nowhere.py", "--data", "digits", *option], capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes", [{"n_steps": 2**31}, {"early_decision": np.inf}, {"early_decision": np.nan}, {"early_decision": -np.inf}]
)
def test_runs_have_limits(changes):
    with pytest.raises(ParameterError, match=r"at most 1000000|is a finite number"):
        RunSettings(**({"n_steps": 10} | changes))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("tau_m=[[1]]", "tau_m: a list of 1 is not a number"),
        ("percentile=true", "percentile: True is not a number"),
        ("percentile=null", "percentile: None is not a number"),
        ("per=null", "per: None is not a number"),
        ("v_init=nan", "nan is not a finite number"),
        ("v_init=NaN", "nan is not a finite number"),
        ("v_init=1e400", "inf is not a finite number"),
        ("v_init=0.1,inf", "a number is needed"),
        ("v_init=[[1],[2]]", "a list of 1 is not a number"),
        ('v_init={"a": {"b": 1}}', "a dict of 1 is not a number"),
        ("v_init=" + "[" * 10_000, r"'\[+\.\.\. is too long"),
        ("v_init=true", "True is not a number"),
        *((f"{name}=1", f"--set {name}: ") for name in ELSEWHERE),
    ],
)
def test_settings_are_of_a_kind_that_can_be_used(setting, message):
    with pytest.raises(ParameterError, match=message):
        convert_flat(
            nn.Sequential(nn.Linear(2, 2)), normalization="none", input_shape=(2,), coding="rate",
            **read_settings([setting]),
        )  # fmt: skip


VALUES = ("1", "-1", "0.5", "1e300", "abc", "1,2", "a,b", '{"a": 1}', '{"input": 2}', '{"0": "b"}', "[]", "{}", '""')
KEYS = (
    "encoding", "readout", "normalization", "percentile", "per", "weight_bits", "threshold_factor", "tau_m", "noise",
    "synaptic_delay", "refractory", "noise_seed", "v_init", "v_threshold", "window", "seed",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("coding", ["rate", "hybrid"])
def test_a_setting_of_any_kind_makes_a_network_or_one_kind_of_error(coding, key):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    model.load_state_dict({name: torch.full_like(value, 0.25) for name, value in model.state_dict().items()})
    refused, with_it = 0, ["noise=0.5"] if key == "noise_seed" else []
    for value in VALUES:
        try:
            spiking = convert_flat(model, np.eye(2), coding=coding, **read_settings([f"{key}={value}", *with_it]))
        except BrianconvError:
            refused += 1
            continue
        assert all(np.isfinite(number) for by in spiking.parameters.values() for number in by.values())
    assert refused >= 3


@pytest.mark.parametrize("setting", ["calibration=1.5", "calibration=0", "skip=-1", "skip=1.0", f"skip={2**31}"])
def test_numbers_of_images_and_steps_are_whole(setting, model_file, tmp_path, capsys):
    command = ["run", model_file, "--data", "digits", "--out", str(tmp_path / "out"), "--set", setting]
    assert "it is a whole number, " in said(command, capsys)


def test_names_of_arguments_inside_the_package_are_no_settings():
    """Whatever the functions between the command line and the network call their arguments."""
    model = nn.Sequential(nn.Linear(2, 2))
    inside = {name for call in (convert, from_normalized) for name in inspect.signature(call).parameters}
    named = {"encoding", "readout", "normalization", "percentile", "per", "weight_bits", "threshold_factor", "noise"}
    named |= {"synaptic_delay", "tau_m", "refractory", "noise_seed", "output"}
    for name in {*inside, "normalized", "scheme", "self", "given", "populations", "present"} - named:
        with pytest.raises(ParameterError, match=r"has no parameter|--set"):
            convert_flat(model, normalization="none", input_shape=(2,), **read_settings([f"{name}=1"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 10_000, "more than 50 levels deep"),
        (b'{"v_init": ' + b"1" * 400 + b"}", "does not fit 64 bits"),
        (b'{"v_init": NaN}', "NaN is not a number of JSON"),
        (b'{"v_init": 1, "v_init": 2}', "'v_init' occurs twice"),
        (b'{"v_init": "\xff"}', "'utf-8' codec"),
        (b"[1]", "not an object of keys and values"),
        (b"", "cannot be read as JSON"),
        (b'{"model": 1}', "it is the first argument"),
        (b'{"v_init": null}', "None is not a number"),
    ],
)
def test_files_of_settings_have_limits(content, message, tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=message):
        read_settings([f"@{path}"])


def test_settings_come_from_regular_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "nothing"):
        with pytest.raises(ParameterError, match=r"is a pipe|is a folder|does not exist"):
            read_settings([f"@{tmp_path / name}"])


@pytest.mark.parametrize("error", ["SystemExit(0)", "GeneratorExit()", "Mine()", "ValueError()"])
@pytest.mark.parametrize("place", ["import", "factory", "load_state_dict", "eval", "forward"])
def test_models_that_end_the_program_are_refused(place, error, tmp_path, capsys):
    raising = {name: f"raise {error}" if name == place else "pass" for name in ("import", "factory")}
    methods = "".join(
        f"    def {name}(self, *arguments):\n        raise {error}\n"
        for name in ("load_state_dict", "eval", "forward")
        if name == place
    )
    path = tmp_path / "ending.py"
    path.write_text(
        f"from torch import nn\nclass Mine(KeyboardInterrupt):\n    pass\n{raising['import']}\n"
        f"class Net(nn.Linear):\n    pass\n{methods}\ndef build():\n    {raising['factory']}\n"
        "    return nn.Sequential(nn.Flatten(), Net(64, 10))\n"
    )
    if place in ("load_state_dict", "eval"):
        path.write_text(path.read_text().replace("nn.Sequential(nn.Flatten(), Net(64, 10))", "Net(64, 10)"))
    save_file(nn.Linear(64, 10).state_dict(), tmp_path / "weights.safetensors")
    weights = ["--weights", str(tmp_path / "weights.safetensors")] if place == "load_state_dict" else []
    command = ["run", str(path), "--data", "digits", *weights, "--out", str(tmp_path / "out"), "--steps", "2"]
    if place == "forward":  # a submodule of its own class is traced through
        text = path.read_text().replace("class Net(nn.Linear)", "class Net(nn.Sequential)")
        path.write_text(text.replace("nn.Sequential(nn.Flatten(), Net(64, 10))", "Net(nn.Linear(64, 10))"))
    message = said(command, capsys)
    assert error.partition("(")[0] in message or "cannot be traced" in message
    assert not list((tmp_path / "out").iterdir())


def test_weights_are_regular_files_of_tensors(model_file, tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "header.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    (tmp_path / "folder.safetensors").mkdir()
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"1.weight": "text"}, tmp_path / "text.pt")
    torch.save({"1.weight": torch.zeros(1).expand(2**40, 2), "1.bias": torch.zeros(10)}, tmp_path / "huge.pt")
    torch.save({"1.weight": torch.zeros(10, 64, dtype=torch.complex64), "1.bias": torch.zeros(10)}, tmp_path / "c.pt")
    for path in sorted(tmp_path.glob("*.pt")) + sorted(tmp_path.glob("*.safetensors")):
        with pytest.raises(DataError, match="weights '"):
            load_model(model_file, path)


def test_weights_that_unpack_to_more_than_their_size_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "small.pt", "w", 8) as small:
        for member in plain.infolist():
            small.writestr(member.filename, plain.read(member))
    assert load_tensors(tmp_path / "plain.pt")["weight"].shape == (1000,)
    with pytest.raises(DataError, match=r"is compressed, which torch\.save does not do"):
        load_tensors(tmp_path / "small.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"recipe": {"mean": [NaN]}}', "NaN is not a number of JSON"),
        ('{"recipe": {"mean": ["a"]}}', "no usable mean and std"),
        ('{"recipe": {"mean": 3}}', "no usable mean and std"),
        ('{"recipe": [1]}', "its recipe is a list of 1"),
        ("[1]", "it holds a list of 1"),
        ("[" * 10_000, "more than 50 levels deep"),
    ],
)
def test_recipes_beside_the_weights_are_checked(content, message, model_file, tmp_path, capsys):
    weights = tmp_path / "weights.safetensors"
    save_file({"1.weight": torch.zeros(10, 64), "1.bias": torch.zeros(10)}, weights)
    weights.with_suffix(".json").write_text(content)
    command = ["run", model_file, "--data", "digits", "--weights", str(weights), "--out", str(tmp_path / "out")]
    assert message in said(command, capsys)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [({"shift": "far"}, "shift 'far'"), ({"shift": 9}, "from 0 to 8"), ({"flip": 3}, "flip of the recipe .* is 3")],
)
def test_recipes_of_a_training_are_checked(recipe, message, model_file, tmp_path, capsys):
    weights = tmp_path / "weights.safetensors"
    save_file({"1.weight": torch.zeros(10, 64), "1.bias": torch.zeros(10)}, weights)
    weights.with_suffix(".json").write_text(json.dumps({"recipe": recipe}))
    command = ["tune", "stdb", model_file, "--data", "digits", "--weights", str(weights)]
    assert re.search(message, said([*command, "--out", str(tmp_path / "out.json")], capsys))


def test_json_has_no_numbers_that_are_none(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1.5, np.nan, (np.inf, -np.inf)], "b": {"c": np.float64("nan")}})
    assert read_json(tmp_path / "file.json") == {"a": [1.5, None, [None, None]], "b": {"c": None}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 3}, "calibration images are int"),
        ({"images": [[1, 2], [3]]}, "are not an array of numbers"),
        ({"images": np.eye(2).astype(str)}, "an array of type <U"),
        ({"images": np.eye(2).astype(object)}, "an array of type object"),
        ({"images": np.ones((2, 2), bool)}, "every pixel of the 2 calibration images is 1"),
        ({"input_shape": 2}, "input_shape is 2; it is a tuple"),
        ({"input_shape": (True,)}, "it is a tuple of whole numbers"),
        ({"input_shape": (0.5, 2)}, "it is a tuple of whole numbers"),
        ({"refractory": np.array([1, 2])}, "refractory is"),
        ({"noise": np.array([1, 2])}, "noise is"),
        ({"noise": ()}, "noise is"),
        ({"coding": {}}, "coding {} is unknown"),
        ({"coding": np.zeros((2, 2))}, "is unknown; choose one of rate"),
    ],
)
@pytest.mark.filterwarnings("ignore::brianconv.errors.ConversionNote")  # of weights drawn at random
def test_arguments_of_a_conversion_are_of_their_kind(arguments, message):
    with pytest.raises(BrianconvError, match=message):
        convert_flat(nn.Sequential(nn.Linear(2, 2)), **{"images": np.eye(2)} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 0.5}, "images are float"),
        ({"images": [[1, 2], [3]]}, "are not an array of numbers"),
        ({"dt": 1}, "dt is 1; it is a positive time"),
        ({"dt": range(3)}, "it is a positive time"),
        ({"dt": np.array([1, 2]) * brian2.ms}, "it is a positive time"),
        ({"record_spikes": 1}, "a list of names"),
        ({"record_potentials": np.array(0.5)}, "a list of names"),
        ({"record_spikes": [[]]}, "there is no layer"),
        ({"early_decision": [1]}, "early_decision is \\[1\\]"),
        ({"early_decision": np.array([1, 2])}, "a positive number"),
        ({"evaluation_delay": np.array([1, 2])}, "a whole number of steps"),
        ({"skip": True}, "skip is True; it is a whole number of steps"),
        ({"n_steps": True}, "n_steps is True; it is a whole number of steps"),
    ],
)
def test_arguments_of_a_simulation_are_of_their_kind(arguments, message):
    spiking = convert_flat(nn.Sequential(nn.Linear(2, 2)), normalization="none", input_shape=(2,))
    with pytest.raises(BrianconvError, match=message):
        simulate(spiking, **{"images": np.eye(2), "n_steps": 3} | arguments)


def test_arguments_of_changes_are_of_their_kind():
    spiking = convert_flat(nn.Sequential(nn.Linear(2, 2)), normalization="none", input_shape=(2,))
    for layers in (0.5, np.array(1)):
        with pytest.raises(ParameterError, match="it is a name, or a list of names"):
            spiking.with_membrane(layers, tau_m=10)
    for potentials in (("low", -50), (-70, None), (-70, 1j), (float("nan"), -50), (-70, np.ones(2))):
        with pytest.raises(ParameterError, match="is a finite number of mV"):
            spiking.in_millivolts(*potentials)
