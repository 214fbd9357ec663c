# One task table. Every target does its own set-up on a bare machine: Python 3.11 or newer with venv is all it needs.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
STAMP := .venv/.development
RIVALS := .venv/.rivals
AUDIT := .venv/.audit
AT_ONCE ?= 3
TESTS ?= tests/e2e tests/integration tests/contract tests/unit
COVERED ?= tests/unit tests/contract tests/integration
.DEFAULT_GOAL := up
# Images of containers often say that Python shall not keep what it has compiled; then each process compiles it all again.
export PYTHONDONTWRITEBYTECODE :=
.PHONY: up test slow check lint types imports protos contract generated breaking monitoring manifests gen coverage security sbom dist version docs bench chaos chaos-quick setup clean

# What a node needs is installed first and alone, so that the first `make up` is quick.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "a2a-node needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv \
	  || { echo "python cannot make .venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "installing $(1) into .venv, once" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '$(2)'
endef

$(RUNTIME): pyproject.toml constraints.txt
	$(call install,a2a-node,.[ops])
	@touch $@

$(STAMP): pyproject.toml constraints.txt
	$(call install,a2a-node and its development tools,.[dev])
	@touch $(RUNTIME) $@

# What `make bench` is measured beside, which nothing else needs.
$(RIVALS): $(STAMP)
	$(call install,what a2a-node is measured beside,.[bench])
	@touch $@

# What looks at the whole of it now and then: advisories, secrets in all commits, the bill of materials.
$(AUDIT): $(STAMP)
	$(call install,what audits a2a-node,.[audit])
	@touch $@

setup: $(STAMP)

# The node, on its embedded stores, in the foreground; `exec` makes it the child of make, which hears of its end.
up: $(RUNTIME)
	@exec $(BIN)/a2a-node up $(ARGS)

# make test ARGS="-k session" picks some. Several files at a time: each process has stores of its own, and most tests
# wait. In this order, the longest first, so that none is left to run alone when all else has ended.
test: $(STAMP)
	@$(BIN)/python -m pytest -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(TESTS) $(ARGS)

# What takes minutes to build where it has not been built: an OpenTelemetry collector, to try its configuration with.
slow: $(STAMP)
	@$(BIN)/python -m pytest tests/slow $(ARGS)

# Everything that CI checks besides the tests.
check: lint types imports protos generated breaking monitoring manifests docs

lint: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(STAMP)
	@$(BIN)/mypy

imports: $(STAMP)
	@$(BIN)/lint-imports

protos: $(STAMP)
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code

# Nothing that a client of main relies on may go; main itself is compared with the commit before it.
breaking: $(STAMP)
	@base=$$(git rev-parse --quiet --verify origin/main || git rev-parse --quiet --verify main || true); \
	  if [ "$$base" = "$$(git rev-parse --quiet --verify HEAD)" ] && git diff --quiet HEAD -- protos docs/openapi.yaml; then \
	    base=$$(git rev-parse --quiet --verify HEAD^ || true); fi; \
	  rm -rf build/base && mkdir -p build/base; \
	  if [ -n "$$base" ] && git archive "$$base" buf.yaml protos 2>/dev/null | tar -x -C build/base; then \
	    $(BIN)/buf breaking --against build/base || exit 1; else echo "no protos to compare with"; fi; \
	  if [ -n "$$base" ] && git show "$$base:docs/openapi.yaml" >build/base/openapi.yaml 2>/dev/null; then \
	    $(BIN)/python -m a2a_node.web.api.document.breaking build/base/openapi.yaml docs/openapi.yaml; \
	  else echo "no document of the API to compare with"; fi

# The rules of Prometheus with their tests, and Alertmanager, by their own tools, which are fetched once.
monitoring:
	@sh monitoring/check.sh

# What deploys the node and what checks it on every change, by their own tools and schemas.
manifests: $(STAMP)
	@sh deploy/check.sh

PROTOC = $(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy

# The document of the API over HTTP.
OPENAPI = $(BIN)/python -m a2a_node.web.api.document build/contract.binpb

# The contract with its comments, which the document of the API and the site are made of.
contract: $(STAMP)
	@mkdir -p build && $(BIN)/python -m grpc_tools.protoc -I protos --include_source_info --include_imports \
	  --descriptor_set_out=build/contract.binpb protos/a2amesh/v1/*.proto

# Generated code is committed; `make check` generates the Python part again and compares.
gen: $(STAMP) contract
	@rm -rf generated/a2amesh && mkdir -p generated/a2amesh/v1
	@$(PROTOC) --python_out=generated --mypy_out=quiet:generated protos/a2amesh/v1/*.proto
	@touch generated/a2amesh/__init__.py generated/a2amesh/v1/__init__.py generated/a2amesh/py.typed
	@$(OPENAPI) generated/a2amesh/openapi.json docs/openapi.yaml
	@$(BIN)/a2a-node workflow schema >docs/workflow.schema.json
	@sh clients/generate.sh

generated: $(STAMP) contract
	@rm -rf build/generated && mkdir -p build/generated
	@$(PROTOC) --python_out=build/generated --mypy_out=quiet:build/generated protos/a2amesh/v1/*.proto
	@$(OPENAPI) build/generated/a2amesh/openapi.json build/openapi.yaml
	@diff -q build/openapi.yaml docs/openapi.yaml || { echo "docs/openapi.yaml is not what protos/ say: make gen" >&2; exit 1; }
	@diff -r -x __pycache__ -x __init__.py -x py.typed generated build/generated \
	  || { echo "generated/ is not what protos/ say: make gen" >&2; exit 1; }

# The documentation as a site, with links checked: not quietly, for then its warnings are no failures.
docs: $(STAMP) contract
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

bench: $(RIVALS)
	@$(BIN)/python -m tests.bench $(ARGS)

# Every fault on real processes under load: under 10 minutes, or what CHAOS_ROUNDS and CHAOS_SECONDS say.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-quick: $(STAMP)
	@$(BIN)/python -m tests.chaos --quick $(ARGS)

# How much of the product the tests in this process reach; what runs in processes of their own is not counted.
coverage: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(COVERED) \
	  --cov a2a_node --cov-report term:skip-covered --cov-report xml:build/coverage.xml $(ARGS)

# Weak code, dependencies with known weaknesses, and secrets in any commit. In CI a dependency that the index knows no
# advisories of fails the audit, as it has not been looked at; behind a mirror of the index that holds for all of them.
security: $(AUDIT)
	@$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive a2a_node
	@$(BIN)/pip-audit --progress-spinner off --disable-pip --no-deps $(if $(CI),--strict) --requirement constraints.txt
	@gitleaks=$$(sh .ci/tool.sh gitleaks github.com/zricethezav/gitleaks/v8 v8.30.1) \
	  && $$gitleaks git --no-banner --redact --log-level warn .

sbom: $(AUDIT)
	@mkdir -p build && rm -rf build/sbom && $(PYTHON) -m venv build/sbom
	@build/sbom/bin/python -m pip install --quiet --no-input -c constraints.txt '.[ops,vault]'
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-file build/sbom.json build/sbom

# The package, and that it installs and runs where nothing else is.
dist: $(STAMP)
	@rm -rf dist build/dist && $(BIN)/python -m build --outdir dist .
	@$(PYTHON) -m venv build/dist && build/dist/bin/python -m pip install --quiet --no-input -c constraints.txt dist/*.whl
	@build/dist/bin/a2a-node --version

version: $(STAMP)
	@$(BIN)/a2a-node --version | cut -d' ' -f2

clean:
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
