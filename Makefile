# make demo       install, then convert and run a small network on real digits
# make test       install, then run the tests (make test-all: the slow ones too)
# make bench      install, with SpikingJelly and sinabs, and measure the speed of all
# make lint       formatting, linter and type checker

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test test-all bench lint clean check

demo: $(INSTALLED)
	$(BIN)/brianconv demo --out demo_output

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2

bench: $(VENV)/installed-bench
	$(BIN)/brianconv bench --out bench_output

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(INSTALLED): requirements.txt setup.py | check
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/installed-bench: requirements-bench.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt
	touch $@

check:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: apt-get install python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "the pinned versions are for Python 3.11, this is $$($(PYTHON) --version): make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@command -v $${CXX:-g++} >/dev/null || { echo "a C++ compiler is missing: apt-get install g++"; exit 1; }
	@$(PYTHON) -c 'import pathlib, sysconfig, sys; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || \
		{ echo "Python.h is missing: apt-get install python3-dev"; exit 1; }

clean:
	rm -rf $(VENV) demo_output bench_output
