# Two commands: `make demo` and `make test`. Both make the virtual environment first, once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TOOLS  := .venv-tools
RIGHT_PYTHON := import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "diag needs Python 3.11, 3.12 or 3.13: run make clean, then make PYTHON=python3.12")

.PHONY: demo test lint fuzz models zoo dashboard lock audit sbom notebooks screenshots clean

demo: $(VENV)/.diag
	$(BIN)/diag demo

test: $(VENV)/.diag-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.diag-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Gives changed files to every reader: make fuzz RUNS=20000, TARGET="hdf5 data", SECONDS=600 (for all targets together).
# With atheris where there is a wheel of it (Linux, Python 3.11 to 3.13), by chance alone elsewhere.
RUNS    ?= 2000
SECONDS ?= 0
fuzz: $(VENV)/.diag-fuzz
	$(BIN)/python -m tests.fuzz --runs $(RUNS) --seconds $(SECONDS) $(if $(TARGET),--target "$(TARGET)")

dashboard: $(VENV)/.diag
	$(BIN)/streamlit run dashboard/app.py

# Trains shipped models again: make models (digits, minutes), make models DATA=mnist ONLY=sd (all of MNIST: a good hour on
# two cores). DATA is digits, mnist (from Keras's cache or a network) or a file like Keras's mnist.npz; ONLY a notebook or a model.
# What is not shipped for these data goes to build/models/.
DATA ?= digits
models: $(VENV)/.diag-dev
	$(BIN)/python -m saved_models.recipes --data $(DATA) $(if $(ONLY),--only $(ONLY))

# Prints the accuracies of all models beside those that the notebooks wrote down: make zoo DATA=mnist
zoo: $(VENV)/.diag
	$(BIN)/python -m saved_models.recipes.table --data $(DATA)

# Executes docs/notebooks/*.ipynb in place (wants MNIST, from Keras's cache or a network).
notebooks: $(VENV)/.diag-dev
	$(BIN)/python docs/notebooks/run.py

# Makes the README's pictures again from the shipped models (needs Chromium).
screenshots: $(VENV)/.diag-dev
	$(BIN)/python docs/screenshots.py

# Resolves the versions anew, with the hashes of all their files, for Linux and macOS.
lock: $(TOOLS)/.installed
	for extra in "" dev; do \
	    $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	        --no-emit-index-url --no-strip-extras $${extra:+--extra $$extra} --output-file requirements$${extra:+-$$extra}.lock pyproject.toml || exit; \
	    sed -i.bak -E "s/ ; python_full_version < '3.14' and \(\(platform_machine == 'arm64' and sys_platform == 'darwin'\) or sys_platform == 'linux'\)//" \
	        requirements$${extra:+-$$extra}.lock && rm requirements$${extra:+-$$extra}.lock.bak; \
	done

# Asks the public list of known holes about every locked version (needs a network).
audit: $(TOOLS)/.installed
	$(TOOLS)/bin/pip-audit --require-hashes --disable-pip --requirement requirements-dev.lock

# Writes what diag is made of as a CycloneDX bill of materials.
sbom: $(TOOLS)/.installed
	$(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json requirements.lock

$(TOOLS)/.installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet 'uv>=0.9' 'pip-audit>=2.9' 'cyclonedx-bom>=7'
	touch $@

$(VENV)/.diag: pyproject.toml requirements.lock
	@$(PYTHON) -c '$(RIGHT_PYTHON)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.diag-dev: pyproject.toml requirements-dev.lock
	@$(PYTHON) -c '$(RIGHT_PYTHON)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.diag

$(VENV)/.diag-fuzz: $(VENV)/.diag-dev tests/fuzz/requirements.txt
	-$(BIN)/python -m pip install --quiet --require-hashes --requirement tests/fuzz/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) $(TOOLS) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
