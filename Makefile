# Needs python3 (3.11 or newer, with venv) and make, nothing else.
# `make PYTHON=python3.13 test` takes another one; `make test ARGS="-k lease"` runs some tests.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
LOCK_OF := --universal --python-version 3.11 --generate-hashes --extra embedded --extra test \
  --extra examples --extra dev --no-emit-index-url --no-emit-find-links --no-annotate

.DEFAULT_GOAL := help
.PHONY: run test lint types format bench lock clean help

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/'

run: $(READY)  ## start the service of config.example.toml, with its own Redis
	@exec $(VENV)/bin/horus-supervisor -c config.example.toml

test: $(READY)  ## the whole test suite
	$(PY) -m pytest $(ARGS)

lint: $(READY)  ## style, and that the code is formatted
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)  ## mypy, strict
	$(PY) -m mypy

format: $(READY)  ## put the code into its format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(READY)  ## the table of figures; exits 1 where one falls short
	$(PY) -m bench $(ARGS)

lock: $(READY)  ## choose the newest versions for requirements.txt (uses uv, in a folder of its own)
	$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install -q uv
	$(VENV)/uv/bin/uv pip compile -q --upgrade --custom-compile-command 'make lock' $(LOCK_OF) \
	  pyproject.toml -o requirements.txt

clean:  ## remove what make and the tests made; var/ with its jobs stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools is in the lock, so that nothing is built with what no hash vouches for
$(READY): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Horus needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	  ": try make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
