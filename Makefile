.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test check bench
help:  ## Lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: $(VENV)/installed  ## Sets up and starts a demo: server, a collector of this host, starter rules
	$(BIN)/lumetry demo $(ARGS)

test: $(VENV)/installed  ## Passes everything that must be green
	$(BIN)/poe check

check: test  ## The same

bench: $(VENV)/installed  ## Measures the figures of docs/performance.md
	$(BIN)/lumetry bench $(ARGS)
