# One task table. `make up` and `make test` do all their own set-up on a bare machine.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: up test check gen bench chaos setup clean lint types
.DEFAULT_GOAL := up

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(STAMP)

up: $(STAMP)
	@exec $(BIN)/a2a-node up $(ARGS)

# Generated code is committed; `make check` runs this again and compares.
gen: $(STAMP)
	@rm -rf generated/a2amesh && mkdir -p generated/a2amesh/v1
	@$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=generated --mypy_out=quiet:generated protos/a2amesh/v1/*.proto
	@touch generated/a2amesh/__init__.py generated/a2amesh/v1/__init__.py generated/a2amesh/py.typed
