"""The examples of the documentation and of the README run."""

import re
from pathlib import Path

import pytest
import torch

from brianconv import datasets
from brianconv.conversion.listing import page as page_of_operations
from brianconv.demo import small_cnn

ROOT = Path(__file__).parent.parent


def blocks_of(page: Path) -> str:
    """Return the Python blocks of a page, one after the other."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks, f"{page.name} has no Python"
    return "\n".join(blocks)


def test_structured_synapses_of_the_documentation_prefer_what_they_say(numpy_target, capsys):
    page = ROOT / "docs" / "structured_synapses.md"
    exec(compile(blocks_of(page), str(page), "exec"), {})
    preferring, neighbour = (int(n) for n in re.findall(r"\d+", capsys.readouterr().out))
    assert preferring > 2 * neighbour


ELSEWHERE = ("guide.md", "biology.md", "structured_synapses.md")  # tested on their own
PAGES = [p for p in sorted((ROOT / "docs").glob("*.md")) if "```python" in p.read_text() and p.name not in ELSEWHERE]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_other_pages_run(page, numpy_target):
    exec(compile(blocks_of(page), str(page), "exec"), {})


@pytest.mark.parametrize(
    ("page", "written"),
    [("README.md", {"raster.png", "traces.png", "fatigue.pdf", "report.html",
       "comparison.pdf", "comparison.csv", "sorted.pdf"}),
     ("docs/guide.md", {"millivolts.png"}), ("docs/biology.md", {"f_i_curve.png"})],
)  # fmt: skip
def test_the_blocks_of_a_page_run(page, written, numpy_target, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    training, test = datasets.load("digits", "train"), datasets.load("digits", "test").head(6)
    given = {
        "model": small_cnn().eval(),
        "training_images": training.images,
        "images": test.images,
        "labels": test.labels,
    }
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks_of(ROOT / page), page, "exec"), given)
    assert {path.name for path in tmp_path.iterdir()} == written
    assert page != "README.md" or "equal, " in capsys.readouterr().out, "verify"


def test_the_page_of_operations_is_what_the_converters_are():
    assert (ROOT / "docs" / "operations.md").read_text() == page_of_operations()


def test_the_readme_is_short_and_its_links_lead_somewhere():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    assert len(pages[0].read_text().splitlines()) <= 150
    for page in pages:
        for link in re.findall(r"\]\((?!http)([^)\s]+)\)", page.read_text()):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name} links to {link}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
                anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
                assert anchor in anchors, f"{page.name} links to {link}"
