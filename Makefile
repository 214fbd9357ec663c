# One task table. Every target does its own set-up on a bare machine: Python 3.11 or newer with venv is all it needs.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
STAMP := .venv/.development
TESTS ?= tests/unit tests/contract tests/integration tests/e2e
.DEFAULT_GOAL := up
.PHONY: up test check lint types imports protos generated breaking gen bench chaos chaos-quick setup clean

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
	$(call install,a2a-node,.)
	@touch $@

$(STAMP): pyproject.toml constraints.txt
	$(call install,a2a-node and its development tools,.[dev])
	@touch $(RUNTIME) $@

setup: $(STAMP)

# The node, on its embedded stores, in the foreground; `exec` makes it the child of make, which hears of its end.
up: $(RUNTIME)
	@exec $(BIN)/a2a-node up $(ARGS)

# make test ARGS="-k session" picks some. Two files at a time: each process has stores of its own, and most tests wait.
test: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS) $(ARGS)

# Everything that CI checks besides the tests.
check: lint types imports protos generated breaking

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
	  if [ "$$base" = "$$(git rev-parse --quiet --verify HEAD)" ] && git diff --quiet HEAD -- protos; then \
	    base=$$(git rev-parse --quiet --verify HEAD^ || true); fi; \
	  rm -rf build/base && mkdir -p build/base; \
	  if [ -n "$$base" ] && git archive "$$base" buf.yaml protos 2>/dev/null | tar -x -C build/base; then \
	    $(BIN)/buf breaking --against build/base; else echo "no protos to compare with"; fi

PROTOC = $(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy

# Generated code is committed; `make check` generates the Python part again and compares.
gen: $(STAMP)
	@rm -rf generated/a2amesh && mkdir -p generated/a2amesh/v1
	@$(PROTOC) --python_out=generated --mypy_out=quiet:generated protos/a2amesh/v1/*.proto
	@touch generated/a2amesh/__init__.py generated/a2amesh/v1/__init__.py generated/a2amesh/py.typed
	@sh clients/generate.sh

generated: $(STAMP)
	@rm -rf build/generated && mkdir -p build/generated
	@$(PROTOC) --python_out=build/generated --mypy_out=quiet:build/generated protos/a2amesh/v1/*.proto
	@diff -r -x __pycache__ -x __init__.py -x py.typed generated build/generated \
	  || { echo "generated/ is not what protos/ say: make gen" >&2; exit 1; }

bench: $(STAMP)
	@$(BIN)/python -m tests.bench $(ARGS)

# Every fault on real processes under load: under 10 minutes, or what CHAOS_ROUNDS and CHAOS_SECONDS say.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-quick: $(STAMP)
	@$(BIN)/python -m tests.chaos --quick $(ARGS)

clean:
	@rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
