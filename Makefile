# `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ENGINE := $(VENV)/.engine
SEEDS ?= 20000
BAD ?= 1000000
PYTEST := $(BIN)/python -m pytest
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt
# Results name commits, whose hashes look like secrets.
FILES := $(filter-out benchmarks/results/%,$(wildcard $(shell git ls-files --cached --others --exclude-standard 2>/dev/null)))

.PHONY: help setup demo test check check-static secrets audit format simulate fuzz chaos bench bench-backtest soak clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) $(ENGINE) ## make .venv with everything that the other targets need

$(READY): pyproject.toml requirements/constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps retentioneering
	@touch $@

# Without it the worker is slower, and does the same.
$(ENGINE): $(READY) $(wildcard engine/src/*.rs engine/src/*/*.rs) engine/Cargo.toml engine/pyproject.toml engine/journeys_engine.pyi
	@if ! command -v cargo >/dev/null; then echo "no Rust toolchain (cargo): the worker runs without the compiled engine"; \
	elif ! $(INSTALL) ./engine >$(VENV)/engine.log 2>&1; then \
	echo "the compiled engine was not built ($(VENV)/engine.log says why): the worker runs without it"; fi
	@touch $@

demo: setup ## a clickstream through a real Kafka and a worker, and the proof by replay
	$(BIN)/journeys demo $(if $(DEMO),$(DEMO))

test: setup check-static ## everything, with a real Kafka
	$(PYTEST) -m 'not broker' -n auto
	$(PYTEST) -m broker

check-static: setup secrets
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

check: setup check-static ## format, lint, types, import rules, secret scan, all tests that need no broker
	$(PYTEST) -m 'not broker and not slow' -n auto

# Only what has changed since the last scan that found nothing: the whole takes some seconds.
secrets: $(VENV)/.scanned ## look for secrets in the files of the repository; needs no network

$(VENV)/.scanned: $(FILES) | setup
	@$(BIN)/detect-secrets-hook --no-verify --baseline .secrets.baseline $?
	@touch $@

audit: setup ## known vulnerabilities of the pinned packages; needs an advisory service in the network
	$(INSTALL) --editable '.[audit]'
	$(BIN)/pip-audit --strict --disable-pip --no-deps --requirement requirements/constraints.txt

format: setup ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

simulate: setup ## crash simulation: SEEDS=n; SEED=s repeats one; FAULT=name (or all) breaks one thing
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),$(SEEDS)) $(if $(FAULT),--fault $(FAULT))

fuzz: setup ## bad input: BAD=n inputs that must all be accounted for; figures go to benchmarks/results
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(BAD)

chaos: setup ## kills, freezes, crashes and outages under load, 20 minutes: SEED=s, CHAOS="outage shutdown" for a part
	$(BIN)/python -m tests.chaos $(CHAOS) $(if $(SEED),--seed $(SEED))

bench: setup ## throughput next to a naive Faust agent; figures go to benchmarks/results
	$(BIN)/python -m benchmarks

bench-backtest: setup ## ways to backtest side by side, polars among them; HISTORY=folder keeps what is generated
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python -m benchmarks.backtest $(if $(HISTORY),--folder $(HISTORY))

soak: setup ## the long form of the tests
	$(BIN)/python -m tests.simulation $(SEEDS)
	$(MAKE) fuzz
	JOURNEYS_TEST_LONG=1 $(PYTEST)

clean: ## remove the environment and local data
	rm -rf $(VENV) .journeys
