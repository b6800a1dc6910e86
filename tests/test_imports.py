"""The architecture: imports run one way, and each library stays where it belongs."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "brianconv"
# from what a user types down to what needs nothing; a part may import parts that stand after it
ORDER = [
    "__main__", "cli", "demo", "__init__", "comparison", "report", "tuning", "verification", "analysis",
    "biology", "simulation", "conversion", "spiking", "dales_law", "population_models", "graph", "connectivity",
    "recording", "spike_trains", "saved_recording", "monitored", "stopping", "early_decision",
    "coding", "datasets", "images", "readers", "values", "progress", "files",
    "positions", "notebook", "errors",
]  # fmt: skip
ALLOWED = {
    "torch": {
        "connectivity",  # within functions
        "conversion/batch_norm.py",
        "conversion/layers.py",
        "conversion/checkpoints.py",
        "conversion/operations.py",
        "conversion/rearrangements.py",
        "conversion/rectifiers.py",
        "conversion/shape_tracer.py",
        "conversion/unwrapping.py",
        "conversion/weights.py",
        "verification/reference.py",
        "cli/tune/stdb.py",
        "demo.py",
        "tuning",
    },
    "brian2": {
        "biology",
        "simulation",
        "analysis/plotting/f_i_curve.py",
        "analysis/plotting/panels.py",
        "analysis/traces.py",
        "coding/equations.py",
        "coding/latex.py",
        "coding/membrane.py",
        "coding/parameters.py",
        "coding/times.py",
        "conversion/convert.py",
        "tuning",
        "verification/comparison.py",
        "population_models.py",
        "spiking.py",
    },
    "sympy": {"coding/latex.py"},
    "bokeh": {"report"},
    "matplotlib": {"analysis", "demo.py"},
}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, checking: bool = True) -> set[str]:
    """Modules that a file imports; those under TYPE_CHECKING too if `checking`."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
        if not checking
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            below = {f"{module}.{alias.name}" for alias in node.names if file_of(f"{module}.{alias.name}")}
            names |= below or {module}  # files of a package, or names in one file
    return names


def file_of(module: str) -> Path | None:
    """The file of a module of the package, if there is one."""
    base = PACKAGE.parent.joinpath(*module.split("."))
    found = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()]
    return found[0] if found and module.split(".")[0] == "brianconv" else None


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
    for module in imported(path, checking=False):
        places = ALLOWED.get(module.split(".")[0])
        if places is not None:
            assert str(relative) in places or relative.parts[0] in places, f"{relative} imports {module}"


def test_no_files_import_each_other():
    """Whatever they import, a type of an annotation included, does not lead back to them."""
    imports = {path: {file_of(m) for m in imported(path)} - {None, path} for path in sources()}
    done: set[Path] = set()

    def visit(path: Path, above: tuple[Path, ...]) -> None:
        assert path not in above, " -> ".join(p.name for p in (*above[above.index(path) :], path))
        if path not in done:
            for other in imports[path]:
                visit(other, (*above, path))
            done.add(path)

    for path in imports:
        visit(path, ())


def test_every_folder_with_python_files_is_a_package_that_says_what_it_is_for():
    """A folder without `__init__.py` works in the checkout, and is left out of wheels in silence."""
    for folder in {path.parent for path in sources()}:
        first = folder / "__init__.py"
        assert first.is_file() and ast.get_docstring(ast.parse(first.read_text())), folder
