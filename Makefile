# Every target brings what it needs, from a bare clone on: Python 3.11 or newer, git and make. No Docker, no account.
# `make PYTHON=/path/to/python3.12 demo` names the Python; everything else is pinned in uv.lock.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo up test check check-extras bench generate clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Half of what tests do is waiting, so that there is room for one process more than this machine has cores.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
STAMP := .venv/.synced
export PYTHON

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## The whole promise in one run: webhook, redaction, policy, approval, kill switch, audit
	@$(BIN)/agentos demo

up: $(STAMP) ## Run everything in this process, with its own broker, until interrupted
	@$(BIN)/agentos up

test: $(STAMP) ## All tests, on real parts. ARGS="tests/bus -k tail" narrows it, WORKERS=0 keeps them in one process
	@scripts/install-opa
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) $(ARGS)

check: $(STAMP) ## Format, lint, types, import boundaries, generated files
	@scripts/check

check-extras: $(STAMP) ## Each service imports in an environment with only its own extra
	@scripts/check-extras

bench: $(STAMP) ## Benchmarks; each prints a ratio against a named floor or peer
	@scripts/install-opa
	@$(BIN)/python -m bench

generate: $(STAMP) ## Write again what comes from the channel table: schemas, AsyncAPI, docs, broker users
	@$(BIN)/python -m agentos.bus.generate

clean: ## Remove environments, built tools and caches; data/ stays
	@rm -rf .venv .tools .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml uv.lock scripts/bootstrap
	@scripts/bootstrap
