"""Packaging; tool settings are in pyproject.toml, pinned versions in requirements.txt."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "brian2>=2.9,<2.12",  # generated code relies on its internals: see brianconv/simulation/compat.py
    "numpy<2.4; python_version<'3.12'",
    "numpy; python_version>='3.12'",
    "scipy",
    "matplotlib",
    "torch",
    "tqdm",
    "psutil",
    "filelock",
    "safetensors",
]
DEMO = ["scikit-learn"]
BENCH = [*DEMO, "spikingjelly", "sinabs"]
STUDIES = ["scikit-image"]
ANALYSIS = ["pandas"]
REPORT = ["bokeh>=3.4"]
TEST = [
    "selenium",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "ruff",
    "mypy",
    "types-psutil",
    "types-tqdm",
]

setup(
    name="brianconv",
    version="0.1.0",
    description="Trained PyTorch networks as Brian2 spiking networks",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["brianconv", "brianconv.*"]),
    package_data={
        "brianconv.simulation": ["exported/*"],
        "brianconv.simulation.neurons": ["templates/*.cpp"],
        "brianconv.simulation.readout": ["templates/*.cpp"],
        "brianconv.simulation.synapses": ["templates/*"],
        "brianconv": ["py.typed"],
        "brianconv.report": ["page.*"],
    },
    python_requires=">=3.11",
    classifiers=[f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12", "3.13")],
    install_requires=CORE,
    extras_require={
        "analysis": ANALYSIS,
        "bench": BENCH,
        "demo": DEMO,
        "report": REPORT,
        "studies": STUDIES,
        "test": [*DEMO, *ANALYSIS, *REPORT, *TEST],
    },
    entry_points={"console_scripts": ["brianconv=brianconv.cli:main"]},
)
