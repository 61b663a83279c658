PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE := 1

.PHONY: demo check test clean table bench

demo: $(VENV)/ready
	$(BIN)/python -m motion_core.starter.demo --out demo

PYTEST := $(BIN)/python -m pytest -c tests/pytest.ini
check test: export OMP_NUM_THREADS := 1

# Lint, types and the quick tests: for every save.
check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -n 2 tests/quick

# Everything. A worker starts a live host for itself and waits for its browser much of the time, so there are three.
test: check
	$(PYTEST) -n 3 --dist loadfile tests/slow tests/install tests/host tests/ui

table: $(VENV)/ready
	$(BIN)/python -m motion_core evaluate starter

bench: $(VENV)/ready
	for suite in starter ablations recipes shortcuts; do $(BIN)/python -m motion_core evaluate $$suite || exit 1; done

$(VENV)/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) demo
