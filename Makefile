# Two commands: `make demo` and `make test`. Both make the virtual environment first, once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint models dashboard lock screenshots clean

demo: $(VENV)/.diag
	$(BIN)/diag demo

test: $(VENV)/.diag-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.diag-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dashboard: $(VENV)/.diag
	$(BIN)/streamlit run dashboard/app.py

# Trains the shipped models again (a few minutes on two cores).
models: $(VENV)/.diag
	$(BIN)/python saved_models/recipes/train.py

# Makes the README's pictures again from the shipped models (needs Chromium).
screenshots: $(VENV)/.diag-dev
	$(BIN)/python docs/screenshots.py

# Writes the versions that are installed now into constraints.txt.
lock: $(VENV)/.diag-dev
	$(BIN)/python -m pip freeze --exclude-editable | grep -v -E '^(pip|setuptools|wheel)==' > constraints.txt

$(VENV)/.diag: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("diag needs Python 3.11 or newer: make PYTHON=python3.12 demo" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.diag-dev: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("diag needs Python 3.11 or newer: make PYTHON=python3.12 test" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.diag

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
