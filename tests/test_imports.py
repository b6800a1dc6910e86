"""The architecture: imports run one way, and each library stays where it belongs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "brianconv"
# from what a user types down to what needs nothing; a part may import parts that stand after it
ORDER = [
    "__main__", "cli", "tuning", "__init__", "verification", "analysis", "simulation", "conversion",
    "spiking", "population_models", "graph", "connectivity", "coding", "datasets", "images", "recording",
    "saved_recording", "decisions", "readers", "values", "files", "positions", "notebook", "errors",
]  # fmt: skip
ALLOWED = {
    "torch": {
        "connectivity",  # within functions
        "conversion/tracing.py",
        "conversion/operations.py",
        "conversion/weights.py",
        "verification/reference.py",
        "cli/demo.py",
        "cli/tune_stdb.py",
        "tuning",
    },
    "brian2": {
        "simulation",
        "coding/equations.py",
        "coding/latex.py",
        "coding/membrane.py",
        "coding/parameters.py",
        "coding/times.py",
        "conversion/convert.py",
        "population_models.py",
        "spiking.py",
    },
    "sympy": {"coding/latex.py"},
    "matplotlib": {"analysis/plotting.py", "cli/__init__.py"},
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules that a file imports when it runs, without those under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def part(module: str) -> str:
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    for module in imported(path):
        if module.split(".")[0] == "brianconv":
            assert ORDER.index(part(module)) >= ORDER.index(part_of(path)), f"{path} imports {module}"
        assert module.split(".")[0] not in ("models", "studies", "tests"), f"{path} imports {module}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_where_they_belong(path):
    relative = path.relative_to(PACKAGE)
    for module in imported(path):
        places = ALLOWED.get(module.split(".")[0])
        if places is not None:
            assert str(relative) in places or relative.parts[0] in places, f"{relative} imports {module}"
