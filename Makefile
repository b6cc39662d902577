# The four commands: `make demo`, `make run`, `make test`, `make check`. Each does its own set-up on a bare clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVERS := tests/interoperability/servers
HISTORY ?= data/benchmark

.PHONY: demo run test lint check format bench soak

demo: $(VENV)/runtime
	$(BIN)/python app.py --demo $(ARGS)

run: $(VENV)/runtime
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/development $(VENV)/debian $(VENV)/npm
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
	for script in first_light store polling soak fan_out latency browser_soak pages; do $(BIN)/python benchmarks/$$script.py --quick || exit 1; done
	$(BIN)/python benchmarks/history.py --quick --folder $(HISTORY)

# A hundred thousand polls of gateways that misbehave; about two minutes.
soak: $(VENV)/development
	$(BIN)/python benchmarks/soak.py $(ARGS)

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

# What the tests need of Debian, as far as it is missing and we may install it.
$(VENV)/debian: Makefile | $(VENV)/bin/python
	@missing=""; \
	command -v chromium >/dev/null && command -v chromedriver >/dev/null || missing="$$missing chromium chromium-driver"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	$(BIN)/python -c 'import ctypes; ctypes.CDLL("libmodbus.so.5")' 2>/dev/null || missing="$$missing libmodbus5"; \
	command -v faketime >/dev/null || missing="$$missing faketime"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$$missing nginx"; \
	command -v node >/dev/null && command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing$$missing (once)..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	else echo "The tests need: sudo apt-get install$$missing"; exit 1; fi
	@touch $@

# Programs of other makes, for the tests of interoperability: a Modbus server, clients of the Pusher protocol.
$(VENV)/npm: $(SERVERS)/package-lock.json $(VENV)/debian
	@echo "Installing what the tests need of npm (once)..."
	@npm ci --prefix $(SERVERS) --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
