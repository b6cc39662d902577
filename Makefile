# The four commands: `make demo`, `make run`, `make test`, `make check`. Each does its own set-up on a bare clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEBIAN_PACKAGES := chromium chromium-driver postgresql

.PHONY: demo run test check format bench

demo: $(VENV)/runtime
	$(BIN)/python app.py --demo $(ARGS)

run: $(VENV)/runtime
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/development $(VENV)/debian
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --headless --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

format: $(VENV)/development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/development $(VENV)/debian
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script --quick || exit 1; done

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: apt-get install python3-venv"; exit 1; }

$(VENV)/runtime: requirements.txt | $(VENV)/bin/python
	@echo "Installing what the program needs (once)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime
	@echo "Installing what the tests need (once)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# A browser, its driver and PostgreSQL, when they are missing and we may install them.
$(VENV)/debian: Makefile | $(VENV)/bin/python
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $(DEBIAN_PACKAGES) (once)..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN_PACKAGES) >/dev/null; \
	else echo "The tests need a browser and PostgreSQL: sudo apt-get install $(DEBIAN_PACKAGES)"; exit 1; fi
	@touch $@
