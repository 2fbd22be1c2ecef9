# `make` alone lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_READY := $(VENV)/.demo-ready
LEFT_OUT := $(CURDIR)/$(VENV)/.left-out
ENGINE := $(wildcard engine/src/*.rs engine/src/*/*.rs) engine/Cargo.toml
SEEDS ?= 20000
BAD ?= 1000000
N ?= 1000000
RUNS ?= 3
PEERS ?=
PEERS_ON_JVM := benchmarks/peers/rule/target/.ready
RLLIB := tests/rllib/.venv/.ready
PEER_BYTEWAX := benchmarks/peers/bytewax/.venv/.ready
# A peer that is not asked for needs nothing: $(call needed,its names,what it needs).
needed = $(if $(PEERS),$(if $(filter $(1),$(PEERS)),$(2)),$(2))
NEEDED := $(call needed,flink-% kafka-streams%,$(PEERS_ON_JVM)) $(call needed,bytewax,$(PEER_BYTEWAX))
PYTEST := $(BIN)/python -m pytest
# Bytecode is kept: without it each process of the tests rewrites every assertion anew, which takes longer than many tests.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := sh requirements/install.sh $(VENV)
# Results name commits, whose hashes look like secrets.
FILES := $(filter-out benchmarks/results/%,$(wildcard $(shell git ls-files --cached --others --exclude-standard 2>/dev/null)))

.PHONY: help setup demo test check check-static check-rllib secrets audit format simulate fuzz chaos learn bench bench-long bench-peers bench-backtest bench-bigquery bigquery-up bigquery-down test-engine wheels soak clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything that the other targets need

# What the demo needs and no more. The machine is looked at first: what is missing is said before anything is installed.
# The compiled engine is a part of the package. Without it the worker is slower, and does the same.
$(DEMO_READY): pyproject.toml requirements/constraints.txt $(ENGINE)
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3"; exit 2; }
	@extras=$$($(PYTHON) requirements/machine.py) && set -x && \
	$(PYTHON) -m venv $(VENV) && \
	$(INSTALL) --editable ".[$$extras]"
	$(INSTALL) --no-deps retentioneering
	@$(BIN)/python -c 'import journeys.engine' 2>/dev/null || \
	echo "the compiled engine was not built (is there a Rust toolchain, cargo?): the worker runs without it"
	@touch $@

$(READY): $(DEMO_READY)
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps lifetimes
	@touch $@

demo: $(DEMO_READY) ## a clickstream through a real Kafka and a worker, and the proof by replay
	$(BIN)/journeys demo $(if $(DEMO),$(DEMO))

test: export JOURNEYS_TEST_LEFT_OUT := $(LEFT_OUT)
test: setup check-static test-engine ## everything, with a real Kafka; with CI set, a missing Redis or browser fails
	@rm -f $(LEFT_OUT)
	$(PYTEST) -m 'not broker' -n auto
# They wait more than they compute. A file's tests stay together: they share a broker.
	$(PYTEST) -m broker -n 2 --dist loadfile
	@$(BIN)/python -m tests.fixtures.left_out $(LEFT_OUT)

check-static: setup secrets
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

check: setup check-static ## format, lint, types, import rules, secret scan, the quick tests that need no broker
	JOURNEYS_TEST_EXAMPLES=500 $(PYTEST) -m 'not broker and not slow' -n auto

# Only what has changed since the last scan that found nothing: the whole takes some seconds.
secrets: $(VENV)/.scanned ## look for secrets in the files of the repository; needs no network

$(VENV)/.scanned: $(FILES) | setup
	@$(BIN)/detect-secrets-hook --no-verify --baseline .secrets.baseline $?
	@touch $@

# Clippy and rustfmt are parts of a toolchain that may be left out.
test-engine: ## the compiled engine's own tests, where a Rust toolchain is
	@if command -v cargo >/dev/null; then cd engine && cargo test --quiet --release --no-default-features; \
	else echo "no Rust toolchain (cargo): the engine's own tests are left out"; fi
	@if command -v rustfmt >/dev/null; then cd engine && cargo fmt --check; fi
	@if command -v cargo-clippy >/dev/null; then cd engine && cargo clippy --quiet --release --all-targets -- -D warnings; fi

wheels: setup ## build sdist and wheel into dist/, and check them as they would be published (docs/releasing.md)
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	JOURNEYS_TEST_DIST=dist $(PYTEST) tests/packaging/test_wheel.py

audit: setup ## known vulnerabilities of the pinned packages; needs an advisory service in the network
	$(INSTALL) --editable '.[audit]'
	$(BIN)/pip-audit --strict --disable-pip --no-deps --requirement requirements/constraints.txt

format: setup ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

learn: setup ## the learning example: ten seeds, three agents, table and plot of docs/learning.md; two minutes
	$(BIN)/python examples/learning_example.py --plot docs/learning.svg

check-rllib: setup $(RLLIB) ## RLlib trains on an exported dataset, in an environment of its own (some gigabytes)
	$(BIN)/python -m tests.rllib $(dir $(RLLIB))bin/python

$(RLLIB): tests/rllib/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

simulate: setup ## crash simulation: SEEDS=n; SEED=s repeats one; FAULT=name (or all) breaks one thing
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),$(SEEDS) --results benchmarks/results) $(if $(FAULT),--fault $(FAULT))

fuzz: setup ## bad input: BAD=n inputs that must all be accounted for; figures go to benchmarks/results
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(BAD)

chaos: setup ## kills, freezes, crashes, outages, a cluster, wrong clocks, under load, most of an hour: SEED=s, CHAOS="outage cluster" for a part
	$(BIN)/python -m tests.chaos $(CHAOS) $(if $(SEED),--seed $(SEED))

bench: setup ## throughput next to a naive Faust agent, and a guard against a slower hot path; figures go to benchmarks/results
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.guard

bench-long: setup ## growth and memory, detection delay, restore, 1 to 4 workers: half an hour
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.worker_growth
	$(BIN)/python -m benchmarks.detection_delay
	$(BIN)/python -m benchmarks.restore
	$(BIN)/python -m benchmarks.scale_out

bench-peers: $(NEEDED) setup ## side by side with Flink and others: N=touchpoints, RUNS=n, PEERS="flink-heap journeys"
	$(BIN)/python -m benchmarks.peers --touchpoints $(N) --runs $(RUNS) --peers '$(PEERS)'

$(PEERS_ON_JVM): benchmarks/peers/pom.xml $(wildcard benchmarks/peers/*/pom.xml benchmarks/peers/*/src/main/java/*/*/*/*.java)
	@missing=; command -v mvn >/dev/null || { echo "Maven 3.8 or newer (mvn) is needed to build the peers: none is on PATH"; missing=1; }; \
	command -v javac >/dev/null || { echo "a JDK, 17 or newer (javac), is needed to build the peers: none is on PATH"; missing=1; }; \
	[ -z "$$missing" ] || exit 2
	mvn --quiet --batch-mode --strict-checksums --file $< package
	@touch $@

$(PEER_BYTEWAX): benchmarks/peers/bytewax/requirements.txt requirements/constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt --requirement $<
	@touch $@

bigquery-up: setup ## Kafka, schema registry, BigQuery emulator and Kafka Connect on this machine, each waited for
	$(BIN)/journeys stack up

bigquery-down: ## stop what bigquery-up started; its data is kept
	$(BIN)/journeys stack down

bench-bigquery: setup ## both ways into the emulator, and reports over a million abandonments; figures go to docs/bigquery.md
	$(BIN)/python -m benchmarks.bigquery_sinks
	$(BIN)/python -m benchmarks.bigquery_reports

bench-backtest: setup ## ways to backtest side by side, polars among them; HISTORY=folder keeps what is generated
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python -m benchmarks.backtest $(if $(HISTORY),--folder $(HISTORY))

soak: setup ## the long form of all: simulate, its faults, fuzz, chaos, every test; three hours on two cores
	$(MAKE) simulate
	$(MAKE) simulate FAULT=all
	$(MAKE) fuzz
	$(MAKE) chaos
	JOURNEYS_TEST_LONG=1 $(PYTEST) -m 'not broker' -n auto
	JOURNEYS_TEST_LONG=1 $(PYTEST) -m broker

clean: ## remove the environment and local data
	rm -rf $(VENV) .journeys dist build benchmarks/peers/bytewax/.venv tests/rllib/.venv benchmarks/peers/*/target
