# pliant: each target makes its own .venv on first use. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
READY := .venv/.ready
CANDIDATES := python3.11 python3.12 python3.13 python3 python
NEWER := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	if $$python -c '$(NEWER)' >/dev/null 2>&1; then command -v $$python; break; fi; done)
# V=1 shows all that pip says.
PIP_NOISE := $(if $(V),,-qq)
WORKERS ?= 2
# What bench-runtime measures, on which suite, and where its figures go.
PARTS ?= budgets overhead switching
SUITE ?= out/suites/scenes-resnet18.pliant
KEPT := --out benchmarks/results --docs docs/reliability.md

.PHONY: help setup demo test test-tensorrt lint format suites bench bench-training bench-search bench-runtime soak fuzz sample clean

help:  ## what can be made
	@printf 'make TARGET, where TARGET is one of\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(READY)  ## only the virtual environment (.venv)

demo: $(READY)  ## the main job: train, search, quantize, export, run at three budgets
	@$(BIN)/pliant demo --out out/demo

# Where PYTHONDONTWRITEBYTECODE is exported, every program that tests start would compile these sources anew.
test: $(READY)  ## the tests
	@PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-tensorrt:  ## on a Jetson or a machine with an NVIDIA GPU: engines built, proven and run; a report to paste
	@[ -x .venv-gpu/bin/python ] || python3 -m venv --system-site-packages .venv-gpu
	@.venv-gpu/bin/python -m pip install $(PIP_NOISE) -e '.[tensorrt]' pytest pytest-timeout hypothesis
	@.venv-gpu/bin/python -c 'import onnxruntime' 2>/dev/null || .venv-gpu/bin/python -m pip install $(PIP_NOISE) onnxruntime
	@PLIANT_GPU=1 .venv-gpu/bin/python -m pytest -m gpu tests/gpu $(ARGS)

lint: $(READY)  ## format, lint, types, import order
	@$(BIN)/ruff format --check --quiet . || { echo 'make format mends the format'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@mkdir -p .venv/types && ln -sfn "$(CURDIR)" .venv/types/pliant
	@MYPYPATH=.venv/types $(BIN)/mypy -p pliant
	@MYPYPATH=.venv/types $(BIN)/mypy --python-version 3.10 --cache-dir .mypy_cache/deployed \
		--config-file tests/house/deployed.ini -p pliant.runtime -p pliant.devices -p pliant.cli
	@$(BIN)/lint-imports --no-logo

format: $(READY)  ## mend the format and what ruff can mend
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

suites: $(READY)  ## the suites that benchmarks and checks use, into out/suites (under 40 minutes)
	@$(BIN)/python benchmarks/suites.py --out out/suites

bench: $(READY)  ## what is quick of benchmarks/, on those suites
	@$(BIN)/python benchmarks/bench.py --suites out/suites --out out/bench

bench-training: $(READY)  ## does nested beat separate? hours; what is measured is skipped (ARGS="--data camvid --seeds 0", or --ablation)
	@$(BIN)/python -m pliant.benchmarks.training --docs docs/benchmarks.md $(ARGS)

bench-search: $(READY)  ## which search finds the better subnets? on the supernets of bench-training
	@$(BIN)/python -m pliant.benchmarks.search --docs docs/benchmarks.md $(ARGS)

bench-runtime: $(READY)  ## budgets met, overhead, switching under load (SUITE=FILE PARTS=budgets)
	@for part in $(PARTS); do \
		OMP_NUM_THREADS=1 $(BIN)/python -m pliant.benchmarks.runtime $$part --suite $(SUITE) $(KEPT) $(ARGS); done

soak: $(READY)  ## an hour of random requests, switches, bad inputs and killed workers (ARGS="--minutes 5")
	@OMP_NUM_THREADS=1 $(BIN)/python -m pliant.benchmarks.runtime soak $(KEPT) $(ARGS)

fuzz: $(READY)  ## attack the suite reader with a million broken suites (ARGS="--runs 10000 --workers 1")
	@$(BIN)/python -m pip install $(PIP_NOISE) -c constraints.txt -e '.[fuzz]'
	@OMP_NUM_THREADS=1 $(BIN)/python -m pliant.tests.fuzz $(ARGS)

sample: $(READY)  ## train the sample suite that ships in the package
	@$(BIN)/python benchmarks/suites.py --sample runtime/sample

clean:  ## remove .venv, out and every cache
	@rm -rf .venv .venv-gpu out build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip would compile what it installs by one core, which takes a minute. Some of that compiles nowhere (templates, code
# for other Pythons): as with pip nobody minds, since nobody imports it.
$(READY): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo 'pliant needs Python 3.11 or newer: install it, or say which one: make PYTHON=/path/to/python3.11' >&2; exit 1; fi
	@"$(PYTHON)" -c '$(NEWER)' || { echo '$(PYTHON) is older than Python 3.11: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || \
		{ echo '$(PYTHON) has no ensurepip: install its venv package (Debian: apt install python3-venv)' >&2; exit 1; }
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv
	@echo 'pliant: installing into .venv with the versions of constraints.txt; a few minutes the first time'
	@start=$$SECONDS; $(BIN)/python -m pip install $(PIP_NOISE) --no-compile -c constraints.txt -e '.[dev]'; \
		$(BIN)/python -W ignore -m compileall -qq -j 0 .venv/lib || true; \
		echo "pliant: .venv is ready after $$((SECONDS - start)) s"
	@touch $@
