# Every target sets up what it needs: a virtual environment in this folder, with pinned versions.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
REHEARSAL := .venv/.rehearsal
TOOLKIT = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[rehearsal]'

# The benchmark's peers are heavy: an environment of their own, and pins of what they alone need.
BENCH := .venv-bench/bin
BENCH_READY := .venv-bench/.ready
REPEATS ?= 3
ARGS ?=
ROWS ?=

# Uncompiled packages double every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help experiments rehearse test lint bench bench-verdicts bench-constraints constraints schema clean

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
	@$(TOOLKIT) && touch $(REHEARSAL) || echo "SageMaker cannot be rehearsed here: its toolkit needs a C compiler"

experiments: $(READY)  ## run the experiments and judge their gates (ARGS="--resume": options of pytest)
	$(BIN)/python -m pytest experiments/ $(ARGS)

$(REHEARSAL): $(READY)  # its toolkit has to be compiled, which the experiments do not depend on
	$(TOOLKIT)
	@touch $@

rehearse: $(REHEARSAL)  ## run the experiments as jobs of a SageMaker that is played here
	$(BIN)/python -m pytest experiments/ --backend=sagemaker --rehearse

test: $(REHEARSAL)  ## run the tests
	$(BIN)/python -m pytest tests/ -n auto --maxprocesses 8 --dist loadfile

lint: $(READY)  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BENCH_READY): pyproject.toml constraints.txt benchmarks/constraints.txt
	$(PYTHON) -m venv --clear .venv-bench
	@echo '*' > .venv-bench/.gitignore
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --constraint benchmarks/constraints.txt --editable '.[bench]'
	@touch $@

bench: $(BENCH_READY)  ## measure beside joblib, GridSearchCV, Optuna, Ray Tune (1 h; ROWS="noop resume" REPEATS=1)
	$(BENCH)/python benchmarks/compare.py --repeats $(REPEATS) --json bench.json $(ROWS)

bench-verdicts: $(READY)  ## simulate how often gates pass by luck, intervals miss, the best flatters (45 min)
	$(BIN)/python benchmarks/verdicts.py

bench-constraints:  # renew benchmarks/constraints.txt, after `make constraints`
	$(PYTHON) -m venv --clear .venv-bench
	$(BENCH)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BENCH)/python -m pip freeze --exclude-editable | grep -vxFf constraints.txt > benchmarks/constraints.txt

constraints:  ## renew constraints.txt from what pyproject.toml allows today
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,rehearsal]'
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt
	@touch $(READY) $(REHEARSAL)

schema: $(READY)  # renew what database.VERSION names, after MLflow's version has changed
	$(BIN)/python -c "from harness.tracking.database import migrated; print(migrated(), end='')" > .schema.sql
	mv .schema.sql harness/tracking/schema.sql

clean:  ## remove the environment and everything that runs have made
	rm -rf .venv .venv-bench .harness mlflow.db mlruns .pytest_cache .mypy_cache .ruff_cache bench.json
