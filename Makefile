# Needs make and Python 3.11 or newer, nothing else: the rest comes from requirements/dev.txt into .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
IMAGE ?= readstate
DOCS_VENV := .venv-docs
DOCS_STAMP := $(DOCS_VENV)/.installed

# Which Python makes .venv; `make PYTHON=/path/to/python3 run` names another.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11

# Else every process compiles again all that it imports: 2.2 s of CPU for each start of a server, instead of 0.6.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test lint proto bench chaos docs image
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# `exec` everywhere: a signal sent to make reaches the command itself, and no shell in between dies of it first.

run: $(STAMP) ## PostgreSQL, demo data and the server, from nothing; Ctrl-C stops all of it
	@exec $(BIN)/readstate dev $(ARGS)

test: $(STAMP) ## every test; ARGS="tests/unit -k token" for some of them
	@exec $(BIN)/python -m $(if $(ARGS),pytest $(ARGS),tests)

lint: $(STAMP) ## ruff, mypy and buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint

proto: $(STAMP) ## what is generated from protos/: src/readstate/v1 and the descriptor set in deploy/transcoding
	$(BIN)/python protos/generate.py .

bench: $(STAMP) ## the benchmark; QUICK=1 for the short one
	@exec $(BIN)/python -m bench $(if $(QUICK),--quick) $(ARGS)

# Rows that are red do not keep the page from being written: it says so.
chaos: $(STAMP) ## faults, floods and greedy tenants; SHORT=1 for the short version, ARGS="-k killed" for some of them
	@READSTATE_CHAOS=$(if $(SHORT),short,full) $(BIN)/python -m pytest tests/chaos --timeout 600 $(ARGS); \
	status=$$?; $(BIN)/python -m tests.chaos.page; exit $$status

docs: $(DOCS_STAMP) ## this documentation as a site in website/build/site; needs npm
	@exec $(DOCS_VENV)/bin/python -m website

# HEALTHCHECK is no part of the OCI format, hence `--format docker` for the tools whose default that is.
image: ## the container image; CA=/path/to/ca.pem where pip needs one more CA certificate
	@if docker info >/dev/null 2>&1; then build="docker build"; \
	elif command -v podman >/dev/null; then build="podman build --format docker"; \
	elif command -v buildah >/dev/null; then build="buildah build --format docker"; \
	else echo "make image needs docker, podman or buildah" >&2; exit 1; fi; \
	set -x; exec $$build $(if $(CA),--secret "id=ca,src=$(CA)") --tag $(IMAGE) .

$(STAMP): requirements/dev.txt requirements/protoc.txt pyproject.toml
	@without_venv=; \
	for python in $(PYTHON); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	        exec "$$python" requirements/make_venv.py $(VENV) $(STAMP); \
	    fi; \
	    without_venv=$$python; \
	done; \
	if [ -n "$$without_venv" ]; then \
	    echo "$$without_venv has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; \
	else \
	    echo "Python 3.11 or newer is needed; looked for: $(PYTHON)" >&2; \
	fi; exit 1

# An environment of its own: nobody who runs or tests the service installs what builds the site.
$(DOCS_STAMP): requirements/docs.txt | $(STAMP)
	@echo "making $(DOCS_VENV) from requirements/docs.txt: once"
	@$(BIN)/python -m venv --clear $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@
