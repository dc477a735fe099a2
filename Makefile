# What there is to do here: `make help`.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lvs-operator
UV := $(CACHE)/uv/bin/uv
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
PYTEST := $(BIN)/pytest
COMPILE := $(UV) pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-package lvs-operator --quiet
CHART_CRDS := deploy/helm/lvs-operator/files/crds

export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup lock tools kind-tools images generate generate-check lint test-unit test-kernel test-integration \
	test-demos e2e test bench \
	demo demo-cluster clean

help: ## Show this.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv with lvs-agent and lvs-operator; install system packages that are missing.

$(VENV)/.ready: requirements.lock pyproject.toml lab/packages.sh | $(UV)
	lab/packages.sh
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(UV): | lab/packages.sh
	@test -n "$(PYTHON)" || { echo "python 3.11 or newer is needed, and none is on PATH" >&2; exit 1; }
	lab/packages.sh
	$(PYTHON) -m venv $(CACHE)/uv
	$(CACHE)/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

lock: $(UV) ## Write the lock files anew from pyproject.toml.
	$(COMPILE) --all-extras -o requirements.lock
	$(COMPILE) --extra operator --constraint requirements.lock -o deploy/images/operator.lock
	$(COMPILE) --extra agent --constraint requirements.lock -o deploy/images/agent.lock

tools: setup ## Build helm, and etcd, kube-apiserver, kubectl unless KUBEBUILDER_ASSETS has them (minutes, once).
	@$(LAB) tools

kind-tools: setup tools ## Build what a kind cluster and the images are made of, or fetch images (minutes, once).
	lab/packages.sh kind
	@$(LAB) prepare-kind

images: kind-tools ## Make the operator's and the agent's image, and print their sizes.
	@$(LAB) enter -- $(BIN)/python -m lab.make_images

generate: setup tools ## Write CRDs and references from the types in api/ and the chart's schema, and the plain manifest.
	$(BIN)/python -m lvs_api.crd --write deploy/crds --docs docs/reference/api.md
	$(BIN)/python -m lvs_api.crd --write $(CHART_CRDS)
	$(BIN)/python -m deploy.helm.generate --write

generate-check: setup tools ## Fail if anything that is generated differs from what it is generated from.
	$(BIN)/python -m lvs_api.crd --check deploy/crds --docs docs/reference/api.md
	$(BIN)/python -m lvs_api.crd --check $(CHART_CRDS)
	$(BIN)/python -m deploy.helm.generate --check

lint: setup ## Check style, types and who imports whom.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy lab
	$(BIN)/mypy -p deploy.helm
	$(BIN)/lint-imports

test-unit: setup ## Test what needs nothing but Python.
	$(PYTEST) tests/unit

test-kernel: setup ## Test the agent's kernel code inside a kernel with IPVS.
	$(LAB) run -- $(PYTEST) tests/kernel

test-integration: setup tools ## Test the product: networks, real traffic, a real API server.
	$(LAB) enter -- $(PYTEST) tests/integration

test-demos: setup tools ## Test the demonstrations as a newcomer runs them.
	$(PYTEST) tests/demos

e2e: kind-tools ## Test the chart and the images on a kind cluster.
	$(LAB) enter -- $(PYTEST) tests/e2e

test: setup tools lint generate-check test-unit test-kernel test-integration test-demos e2e ## Everything above.

bench: setup tools ## Measure, and print a table with ratios.
	$(LAB) enter -- $(BIN)/python -m benchmarks

demo: setup ## Show a director, two real servers and a client at work, from files.
	@$(LAB) enter -- $(BIN)/python -m lab.demo

demo-cluster: setup tools ## Show the same, driven by kubectl through an API server.
	@$(LAB) enter -- $(BIN)/python -m lab.demo --cluster

clean: ## Remove .venv and caches of the checkout; what is kept outside it stays.
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
