# Two commands: `make quickstart` and `make test`. Both set up .venv when it is missing or stale.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS := $(wildcard requirements/*.txt) setup.cfg pyproject.toml

# With an NVIDIA GPU pip takes the CUDA build of the newest allowed torch; without one, the pinned
# CPU set of requirements/cpu.txt that CI runs.
CONSTRAINTS := $(if $(shell command -v nvidia-smi 2>/dev/null),,-c requirements/cpu.txt)

.PHONY: help venv venv-dev quickstart test lint gpu clean

help:
	@echo 'make quickstart  train, evaluate and draw on the embedded data set (minutes, CPU)'
	@echo 'make test        run the tests'
	@echo 'make lint        ruff and mypy'
	@echo 'make gpu         what needs a GPU: tests, benchmarks, comparisons (JSON under $$OUT)'

venv: $(VENV)/.installed
venv-dev: $(VENV)/.installed-dev

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS)

$(VENV)/.installed: $(REQUIREMENTS)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[demo]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e '.[demo,dev]'
	touch $@

quickstart: venv
	$(BIN)/python tools/quickstart.py

test: venv-dev
	$(BIN)/python -m pytest -m 'not slow and not gpu' -n 2 --dist loadfile

lint: venv-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Uses .venv if there is one, else the interpreter of the machine: one that is lent may have no
# network. Packages that it lacks are then brought as wheels: `make gpu WHEELS=folder`.
gpu:
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) tools/gpu_session.py \
		$(if $(WHEELS),--wheels $(WHEELS))

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
