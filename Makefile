# Everything a person or CI does here has a target. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python >= 3.11 that really runs; override with `make PYTHON=... setup`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Test files that run side by side. Each gets a PostgreSQL and a Temporal of its own; most of their time is waiting.
WORKERS ?= 3
# Tests and proofs start hundreds of processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## virtual environment, dependencies, the sluice command, Temporal, OPA, the web UI
	@test -n "$(PYTHON)" || { echo "setup: no Python 3.11 or newer found; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m tools.setup

.PHONY: assets
assets: ## the web UI's style sheet and scripts, from api/web/assets into api/web/static
	@test -n "$(PYTHON)" || { echo "assets: no Python 3.11 or newer found; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m tools.assets

.PHONY: run
run: setup ## set up, then start everything on this machine with demo data
	@exec $(BIN)/sluice up

.PHONY: demo
demo: setup ## the whole path without a person watching; fails unless the emulator's own log agrees
	@exec $(BIN)/python -m local.demo

.PHONY: browser
browser: setup ## Chromium for the browser tests, where there is none (apt, as root)
	@$(BIN)/python -m tools.browser

.PHONY: screens
screens: setup browser ## the pictures of docs/screens, taken anew
	@exec $(BIN)/pytest -q tests/web/screens/pictures.py

.PHONY: test
test: setup browser ## every test, on real parts; a few that fail beside others are run again alone
	@exec $(BIN)/python -m tools.tests -n $(WORKERS) --dist loadfile

.PHONY: lint
lint: setup ## style, import direction, compose file, no host names or machine paths
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.compose_check
	@$(BIN)/python -m tools.tracked_text

.PHONY: types
types: setup ## mypy, strict, over everything
	@$(BIN)/mypy .

.PHONY: policies
policies: setup ## format, strict check and tests of the Rego policies
	@$(BIN)/python -m tools.policies

.PHONY: format
format: ## let ruff and opa put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: setup ## every benchmark, one after the other; the figures go to docs/performance.md
	@exec $(BIN)/python -m benchmarks --figures docs/figures/benchmarks.json

.PHONY: bench-quick
bench-quick: setup ## the short form of every benchmark: that it runs, not how fast
	@exec $(BIN)/python -m benchmarks --quick

.PHONY: bench-waiting
bench-waiting: setup ## the one that `make bench` leaves out: as long as all others; its figures go to the same page
	@exec $(BIN)/python -m benchmarks waiting --figures docs/figures/benchmarks.json

bench-%: setup ## one benchmark alone, by the name that `make bench` gives it, for example bench-guard
	@exec $(BIN)/python -m benchmarks $*

.PHONY: proof
proof: setup ## every proof but that of the tests, three side by side; the figures go to docs/figures/proofs.json
	@exec $(BIN)/python -m proofs --figures docs/figures/proofs.json

.PHONY: proof-quick
proof-quick: setup ## the short form of every proof that has one
	@exec $(BIN)/python -m proofs --quick

.PHONY: proof-mutants
proof-mutants: setup ## the one that `make proof` leaves out: every guard broken once; its figures go to the same page
	@exec $(BIN)/python -m proofs mutants --figures docs/figures/proofs.json

.PHONY: proof-long
proof-long: setup ## the longest form of those proofs that have one: some hours
	@exec $(BIN)/python -m proofs --long --lanes 1 --figures docs/figures/proofs.json

proof-%: setup ## one proof alone, by the name that `make proof` gives it, for example proof-budget
	@exec $(BIN)/python -m proofs $*
