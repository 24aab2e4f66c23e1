# Every target sets up what it needs: Python 3.11 or newer and make are enough.
#   make run                    serve the example application
#   make test                   the test suite, with coverage
#   make PYTHON=python3.13 ...  choose the interpreter for the virtual environment

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# What the tests use beside the base install.
EXTRAS := testing,auth,cache,mysql,postgres,ratelimit

# Where no bytecode is kept, each process that a test starts compiles the package and all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run install test lint types format bench build clean

run: $(VENV)/base.stamp
	cd examples/dev && $(abspath $(BIN))/python cli.py db-upgrade && exec $(abspath $(BIN))/python run.py

install: $(VENV)/dev.stamp

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --cov --cov-report term-missing $(ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy
	$(BIN)/mypy examples/quickstart/app.py
	cd examples/dev && $(abspath $(BIN))/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks inprocess $(ARGS)

build: $(VENV)/dev.stamp
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) .ci/work build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# A new pip first: the one that comes with an older Python knows no dependency groups.
$(VENV)/base.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Patera needs Python 3.11 or newer; name one: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[auth,ratelimit]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]" --group test --group benchmarks --group typing --group lint
	touch $@
