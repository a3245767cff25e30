# Every target makes the virtual environment first if it is missing or out of date.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS ?= results
# For example -D nb_execution_mode=off, which leaves out the examples.
SPHINXOPTS ?=

.PHONY: reproduce test test-slow lint bench docs clean

# Main job: threshold curves, theory against simulation, one page to look at.
reproduce: $(VENV)/.installed
	$(BIN)/dmft reproduce --output $(RESULTS) --force
	@echo "Look at $(RESULTS)/index.html"

# The tests of pages in a browser need Chromium and its driver, and are skipped without them.
test: $(VENV)/.installed
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || echo "No Chromium: \
	the tests in a browser are skipped. On Debian: apt-get install chromium chromium-driver"
	OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/long_times.py

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W -b html $(SPHINXOPTS) docs docs/_build/html
	$(BIN)/python docs/check_offline.py docs/_build/html
	@echo "Look at docs/_build/html/index.html"

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[plot,report,xarray,cluster,dev]"
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) $(RESULTS) build docs/_build
