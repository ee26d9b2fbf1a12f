# make demo   set everything up and run the main job on the example
# make test   set everything up and run all tests
# make check  format, lint, types, layers, size bars, fast tests
# make bench  benchmarks against public data and peers (see benchmarks/README.md)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test check bench clean

$(VENV)/core: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tilth needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(VENV)/core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(VENV)/core
	$(BIN)/tilth example demo
	cd demo && ../$(BIN)/tilth improve tickets.csv --eval tickets_eval.csv --label queue --id ticket

test: $(VENV)/dev
	$(BIN)/python -m pytest

check: $(VENV)/dev
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/bars.py
	$(BIN)/python -m pytest tests/unit -m "not slow"

bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'cleanlab[datalab]==2.9.0' psutil
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
