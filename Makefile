# make demo       install, then convert and run a small network on real digits
# make test       install, then run the tests (make test-all: the slow ones too)
# make fuzz       install, then try 10,000 damaged inputs, in some minutes (docs/fuzzing.md)
# make bench      install, with SpikingJelly and sinabs, and measure the speed of all
# make lint       formatting, linter and type checker
# make PYTHON=python3.12 test     the same with another Python

PYTHON ?= python3
PYTHONS := python3.13 python3.12 python3.11
NAME := 'import sys; print("python%d.%d" % sys.version_info[:2])'
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test test-all fuzz bench lint clean check

demo: $(INSTALLED)
	$(BIN)/brianconv demo --out demo_output

test: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(INSTALLED) lint
	$(BIN)/python -m pytest -n 2

fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz.run --cases 10000 --jobs 2 --page

bench: $(VENV)/installed-bench
	$(BIN)/python -m studies.speed.run --out bench_output

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
	@found=$$($(PYTHON) -c $(NAME) 2>/dev/null); case " $(PYTHONS) " in *" $${found:-no} "*) exit 0;; esac; \
		echo "$(PYTHON) is $${found:-missing}, but the pinned versions are for Python 3.11, 3.12 and 3.13:"; \
		for python in $(PYTHONS); do $$python -c '' 2>/dev/null && { echo "make PYTHON=$$python"; exit 1; }; done; \
		echo "install one of them (apt-get install python3), then make PYTHON=python3.x"; exit 1
	@test ! -e $(BIN)/python || { made=$$($(BIN)/python -c $(NAME)); test "$$made" = "$$($(PYTHON) -c $(NAME))" || \
		{ echo "$(VENV) was made with $$made: make PYTHON=$$made, or make clean before another Python"; exit 1; }; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@set -- $${CXX:-g++}; command -v $$1 >/dev/null || { echo "a C++ compiler is missing: apt-get install g++"; exit 1; }
	@$(PYTHON) -c 'import pathlib, sysconfig, sys; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || \
		{ echo "Python.h is missing: apt-get install python3-dev"; exit 1; }

clean:
	rm -rf $(VENV) demo_output bench_output
