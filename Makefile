# The verbs of the repository; people, CI and GitHub Actions call the same ones. `make` alone prints help.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PROVIDER ?= local
CACHE := $(or $(MOORAGE_CACHE),$(HOME)/.cache/moorage)
key = $(shell sha256sum $(1) | cut -c1-12)
DEV := $(CACHE)/venv/dev-$(call key,requirements/dev.txt)
AGENT := $(CACHE)/venv/agent-$(call key,requirements/agent-dev.txt)
OPERATOR := $(CACHE)/venv/operator-$(call key,requirements/operator.txt)
PYTHON := $(DEV)/bin/python
LOCAL := PYTHONPATH=tools python3 -m localcluster
MAINJOB := PYTHONPATH=tools python3 -m mainjob
export MOORAGE_CACHE := $(CACHE)
export PATH := $(DEV)/bin:$(PATH)

.PHONY: help
help: ## Print this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# A virtual environment is built beside its final place and renamed, so an interrupted build leaves none.
$(CACHE)/venv/%/ready:
	@lock=requirements/$(if $(findstring agent-,$*),agent-dev,$(if $(findstring operator-,$*),operator,dev)).txt; \
	echo "installing $$lock (about 2 minutes, once per lock file)"; \
	rm -rf $(CACHE)/venv/$* && mkdir -p $(CACHE)/venv && python3 -m venv $(CACHE)/venv/$*; \
	$(CACHE)/venv/$*/bin/pip install --quiet --disable-pip-version-check --no-input --require-hashes -r $$lock; \
	touch $@

.PHONY: env
env: $(DEV)/ready $(AGENT)/ready

.PHONY: doctor
doctor: ## Say within 2 seconds what is missing or in the way
	@$(LOCAL) doctor

.PHONY: up
up: ## Start a local cluster, install Moorage, apply the examples and check them
	@$(MAINJOB) up --provider $(PROVIDER)

.PHONY: down
down: ## Stop the local cluster and leave nothing behind
	@$(MAINJOB) down --provider $(PROVIDER)

.PHONY: images
images: ## Build the container images into the cache
	@PYTHONPATH=tools python3 -m localcluster.images

.PHONY: test
test: lint types unit integration e2e ## Run every test

.PHONY: unit
unit: env ## Run the unit tests
	$(PYTHON) -m pytest tests/unit --ignore tests/unit/moorage_agent -q --numprocesses 2
	$(AGENT)/bin/python -m pytest tests/unit/moorage_agent -q

.PHONY: integration
integration: env ## Run the tests against a real API server, etcd, Triton and Weaviate
	@$(LOCAL) tools
	# The agent's environment lacks what the other tests share; its folder says which of its files run where.
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(AGENT)/bin/python -m pytest tests/integration/agent --confcutdir=tests/integration/agent -q >"$$log" 2>&1 & agent=$$!; \
	status=0; $(PYTHON) -m pytest tests/integration -q --numprocesses 2 --dist loadfile || status=$$?; \
	wait $$agent || status=$$?; cat "$$log"; exit $$status

.PHONY: e2e
e2e: env ## Run the tests against a whole cluster of their own; TOPIC=models runs one file of them
	@$(MAINJOB) up --cluster moorage-test --provider $(PROVIDER)
	status=0; $(PYTHON) -m pytest tests/e2e$(if $(TOPIC),/test_$(TOPIC).py) -q || status=$$?; \
	if [ -z "$${KEEP:-}" ]; then $(MAINJOB) down --cluster moorage-test --provider $(PROVIDER); fi; exit $$status

# The operator runs in an environment of its image's requirements alone: Kopf imports more where there is more.
N ?= 1000
M ?= 3
N_NAIVE ?= $(shell echo $$(( $(N) < 200 ? $(N) : 200 )))
REST ?= 600
SAMPLES ?= 20
.PHONY: bench-operator
bench-operator: env $(OPERATOR)/ready ## Measure the operator at N tenants with M models each, beside a naive one
	@$(LOCAL) tools
	PYTHONPATH=.:operator:crds:templates:tools $(PYTHON) -m bench.operators --tenants $(N) --models $(M) \
	  --naive $(N_NAIVE) --rest $(REST) --samples $(SAMPLES) --python $(OPERATOR)/bin/python --out $(CACHE)/bench

.PHONY: lint
lint: env ## Check style, imports and layout
	ruff check .
	ruff format --check .
	PYTHONPATH=operator:agent:api:crds:templates lint-imports --no-cache

.PHONY: types
types: env ## Check types
	mypy

.PHONY: generate
generate: env ## Write all generated files anew
	$(PYTHON) tools/generate.py

.PHONY: verify
verify: generate ## Prove that the generated files are current
	@git diff --exit-code || (echo "generated files were not current; commit the change above" >&2; exit 1)
	@test -z "$$(git status --porcelain)" || (git status --short >&2; exit 1)

.PHONY: locks
locks: env ## Resolve the locked requirements anew
	for name in operator agent api client dev agent-dev; do \
	  uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    requirements/$$name.in --output-file requirements/$$name.txt; done
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-deps --python-version 3.11 \
	  requirements/triton.in --output-file requirements/triton.txt
