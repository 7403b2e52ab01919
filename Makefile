# Every target brings what it needs, from a bare clone on: Python 3.11 or newer, git and make. No Docker, no account.
# `make PYTHON=/path/to/python3.12 demo` names the Python; everything else is pinned in uv.lock.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo up console screenshots test check check-extras bench generate clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Half of what tests do is waiting, so that there is room for one process more than this machine has cores.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
STAMP := .venv/.synced
export PYTHON
# Some images forbid bytecode: each of our many processes would then compile every module again, which is two thirds of its start.
unexport PYTHONDONTWRITEBYTECODE

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## The whole promise in one run: webhook, redaction, policy, approval, kill switch, audit
	@$(BIN)/agentos demo

up: $(STAMP) $(if $(shell command -v npm),console) ## Run everything in this process, with its own broker, until interrupted
	@$(BIN)/agentos up

console: ops-console/dist/index.html ## Build the ops console, which the gateway then serves; needs Node 20.19 or newer

ops-console/dist/index.html: ops-console/node_modules/.package-lock.json ops-console/index.html $(shell find ops-console/src ops-console/public -type f)
	@cd ops-console && npm run --silent build

ops-console/node_modules/.package-lock.json: ops-console/package-lock.json
	@cd ops-console && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

screenshots: $(STAMP) console ## Every page of the console, light and dark, wide and narrow, from a running system, to docs/images/console
	@scripts/install-browser
	@mkdir -p docs/images/console
	@AGENTOS_SCREENSHOTS=$(CURDIR)/docs/images/console $(BIN)/python -m pytest -n 0 tests/console -k pages
	@mkdir -p docs/images/top
	@AGENTOS_SCREENSHOTS_TOP=$(CURDIR)/docs/images/top $(BIN)/python -m pytest -n 0 tests/cli/test_top.py -k pictures

test: $(STAMP) $(if $(shell command -v npm),console) ## All tests, on real parts. ARGS="tests/bus -k tail" narrows it, WORKERS=0 keeps them in one process
	@scripts/install-opa
	@scripts/install-browser
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(ARGS)

check: $(STAMP) ## Format, lint, types, import boundaries, generated files
	@scripts/check

check-extras: $(STAMP) ## Each service imports in an environment with only its own extra
	@scripts/check-extras

bench: $(STAMP) ## Benchmarks; each prints a ratio against a named floor or peer
	@scripts/install-opa
	@scripts/bench-peers
	@$(BIN)/python -m bench

generate: $(STAMP) ## Write again what comes from the channel table: schemas, AsyncAPI, docs, broker users
	@$(BIN)/python -m agentos.bus.generate

clean: ## Remove environments, built tools and caches; data/ stays
	@rm -rf ops-console/node_modules ops-console/dist .venv .tools .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml uv.lock scripts/bootstrap
	@scripts/bootstrap
