# Everything a person or CI does here has a target. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python >= 3.11 that really runs; override with `make PYTHON=... setup`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## virtual environment, dependencies, the sluice command, Temporal and OPA
	@test -n "$(PYTHON)" || { echo "setup: no Python 3.11 or newer found; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m tools.setup

.PHONY: run
run: setup ## set up, then start everything on this machine with demo data
	@exec $(BIN)/sluice up
