# chaosp7: `make run` shows it, `make test` proves it. Both work alone on a fresh machine.

# A pipe fails when its first command does.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# What the platform runs on; the S3 gateway is only for the cold tier, and takes minutes to build.
PLATFORM := --only kafka --only toxiproxy

.PHONY: help run baseline test soak check docs mutation provision install lock clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: install  ## restart the broker under load: recovery per tier, loss message by message
	@$(BIN)/chaosp7 provision $(PLATFORM)
	@$(BIN)/chaos --no-version-check --no-log-file run experiments/redpanda-restart.json

baseline: install  ## the same platform and load without a fault
	@$(BIN)/chaosp7 provision $(PLATFORM)
	@$(BIN)/chaos --no-version-check --no-log-file run experiments/baseline.json

test: check  ## style, types, and the tests against the real parts, but for the long ones
	@$(BIN)/chaosp7 provision
	@$(BIN)/pytest -m "not alone and not soak" --numprocesses 3 --dist loadfile --durations 20
	@$(BIN)/pytest -m "alone and not soak" --durations 20

soak: install  ## the long tests: each planted bug, runs that go wrong on purpose, in containers, of the cold tier, Prefect
	@$(BIN)/chaosp7 provision
	@$(BIN)/pytest -m "soak and not alone" --numprocesses 3 --dist loadfile --durations 20
	@$(BIN)/pytest -m "soak and alone" --durations 20

check: install  ## style and types only
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

docs: install  ## the docs as a site: build/docs/html/index.html
	@$(BIN)/python -m docs.site

mutation: install  ## mistakes made on purpose in the account's and the verdict's code: the tests must see each
	@nice -n 15 $(BIN)/python -m tests.mutation

provision: install  ## broker, Toxiproxy and S3 gateway into the per-user cache
	@$(BIN)/chaosp7 provision

install: $(STAMP)  ## the virtual environment with the locked dependencies

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "chaosp7 needs Python 3.11 or later: $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing the Python dependencies into $(VENV) (about a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -r requirements.lock \
	  | awk -v all="$$(wc -l < requirements.lock)" '/^Collecting/ { if (++n % 10 == 0) { print "  " n " of " all; fflush() } }'
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: install  ## write requirements.lock anew from what pyproject.toml allows
	@$(BIN)/pip install --quiet --upgrade -e '.[embedded,postgres,otel,dev,docs]'
	@$(BIN)/pip freeze --exclude-editable > requirements.lock

clean:  ## the virtual environment and everything that tools left here
	rm -rf $(VENV) .mutation .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
