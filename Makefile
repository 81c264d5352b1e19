# Floodgate: one command each. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed-run
INSTALLED_DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# How many shoppers `make run` sends (0 for none); ONCE=1 ends after the report, 0 only if every invariant held.
export CROWD ?= 2000
export ONCE ?=
export KILL ?=
# TOPOLOGY=cluster: a Redis Cluster and a PostgreSQL pair; then KILL may be redis-master or postgres-primary too.
export TOPOLOGY ?= single

.DEFAULT_GOAL := help
.PHONY: help run test check format bench faults rehearse k8s pins clean

help:  ## lists the commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED)  ## installs what it needs, starts everything, holds a demo sale and reports (CROWD=2000, ONCE=1 to end after it)
	@$(BIN)/floodgate run

test: $(INSTALLED_DEV)  ## installs what it needs and runs the whole test suite on real Redis and PostgreSQL
	@bash tests/install_tools.sh
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(INSTALLED_DEV)  ## format, lint, types, import contract, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 0 tests/house

format: $(INSTALLED_DEV)  ## formats the code and mends what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED_DEV)  ## side-by-side performance, about 20 minutes (BENCH_ONLY=row,row BENCH_ROUNDS=5 BENCH_SECONDS=3 BENCH_ROWS=1000000): var/bench/report.md
	@$(BIN)/python -m loadtests.bench

faults: $(INSTALLED)  ## the fault matrix, about an hour (SEEDS=20, FAULTS_ONLY=row,R4 for some, FAULTS_SEED=7 for the first seed): var/faults/report.md
	@$(BIN)/floodgate faults

rehearse:  ## the Locust rehearsal (not here yet)
	@echo "make rehearse needs the Locust rehearsal and the capacity model, which are not written yet; make run CROWD=20000 ONCE=1 sends a larger crowd." >&2; exit 2

k8s:  ## renders and validates the Kubernetes overlays (not here yet)
	@echo "make k8s needs the Kustomize overlays under k8s/, which are not written yet; ARCHITECTURE.md lists the processes, ports and variables they will carry." >&2; exit 2

pins: $(INSTALLED_DEV)  ## renews the pinned requirements, hashes and all, from pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-header --python-version 3.11 --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean:  ## removes the virtual environment and everything that runs left behind
	rm -rf $(VENV) var *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Floodgate needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is incomplete here; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }

# The development pins are the run pins and more, so either serves `make run`.
$(INSTALLED): $(BIN)/python requirements.txt pyproject.toml
	@echo "Installing Floodgate's pinned requirements (once, about a minute) ..."
	@test -e $(INSTALLED_DEV) || $(PIP) install -q --require-hashes --only-binary :all: -r requirements.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(INSTALLED_DEV): $(BIN)/python requirements-dev.txt pyproject.toml
	@echo "Installing Floodgate's pinned development requirements (once, about a minute) ..."
	@$(PIP) install -q --require-hashes --only-binary :all: -r requirements-dev.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@ $(INSTALLED)
