# Needs python3 (3.11 or newer, with venv) and make, nothing else.
# `make PYTHON=python3.13 test` takes another one; `make test ARGS="-k lease"` runs some tests.
# `pytest` itself runs all in one process; `make test ARGS="-n 0"` too.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
LOCK := $(VENV)/uv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
  --custom-compile-command 'make lock'
LOCK_OF := --extra embedded --extra test --extra examples --extra dev
DOCS_READY := $(VENV)/docs/.ready
BENCH_READY := $(VENV)/.bench-ready

.DEFAULT_GOAL := help

DURATION ?= 10m
DEATHS ?= 5000
RELOADS ?= 500

.PHONY: run test lint types format bench soak soak-supervisor docs reference lock clean help

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY)  ## start the service of config.example.toml, with its own Redis
	@exec $(VENV)/bin/horus-supervisor -c config.example.toml

test: $(READY)  ## the whole test suite
	$(PY) -m pytest -n auto --dist worksteal $(ARGS)

lint: $(READY)  ## style, and that the code is formatted
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)  ## mypy, strict
	$(PY) -m mypy

format: $(READY)  ## put the code into its format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(BENCH_READY)  ## the table of figures; exits 1 where one falls short
	$(PY) -m bench $(ARGS)

soak: $(READY)  ## all faults let loose on a service for DURATION=10m; SEED=N chooses the same ones
	$(PY) -m tests.soak $(if $(SEED),--seed $(SEED)) service --duration $(DURATION)

soak-supervisor: $(READY)  ## DEATHS=5000 and RELOADS=500 under load, and nothing is left of them
	$(PY) -m tests.soak $(if $(SEED),--seed $(SEED)) supervisor --deaths $(DEATHS) --reloads $(RELOADS)

docs: $(DOCS_READY)  ## the documentation as a site, in build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict
	@echo "build/site/index.html"

reference: $(READY)  ## write the pages of docs/reference anew from the code
	$(PY) -m reference

lock: $(READY)  ## choose the newest versions for all that is installed (uses uv, in a folder of its own)
	$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install -q uv
	$(LOCK) $(LOCK_OF) pyproject.toml -o requirements.txt
	$(LOCK) --group deploy -c requirements.txt pyproject.toml -o deploy/requirements.txt
	$(LOCK) --group docs -o docs/requirements.txt
	$(LOCK) --group bench -o bench/requirements.txt

clean:  ## remove what make and the tests made; var/ with its jobs stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools is in the lock, so that nothing is built with what no hash vouches for
$(READY): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Horus needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	  ": try make PYTHON=python3.13")'
	@echo "Installing Horus and what it needs into $(VENV), once: about a minute"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH_READY): $(READY) bench/requirements.txt
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r bench/requirements.txt
	@touch $@

# a venv of its own: whoever runs or tests Horus needs none of it
$(DOCS_READY): docs/requirements.txt
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@
