# Every target sets up what it needs: a virtual environment in this folder, with pinned versions.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Uncompiled packages double every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help experiments test lint constraints clean

help:  ## show the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

experiments: $(READY)  ## run the experiments and judge their gates
	$(BIN)/python -m pytest experiments/

test: $(READY)  ## run the tests
	$(BIN)/python -m pytest tests/

lint: $(READY)  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

constraints:  ## renew constraints.txt from what pyproject.toml allows today
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt
	@touch $(READY)

clean:  ## remove the environment and everything that runs have made
	rm -rf .venv .harness mlflow.db mlruns .pytest_cache .mypy_cache .ruff_cache
