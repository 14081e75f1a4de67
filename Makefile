# Two commands matter: `make run` and `make test`. Both prepare what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# uv where it is at hand, else the pip that comes with Python: the same locked files.
INSTALL := $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --compile-bytecode --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

# Sources are compiled once, whatever the environment says: a start takes twice as long without.
export PYTHONDONTWRITEBYTECODE :=


.PHONY: help wheel run test test-random check lock audit sbom clients bench screenshot clean

help:
	@echo "make run         start the demo (proxy, web and worker)"
	@echo "make test        run every test that this machine can run"
	@echo "make test-random the same in random order, with another seed each time"
	@echo "make check       lint, format, types, import directions"
	@echo "make wheel       build the wheel into build/wheel"
	@echo "make lock        newest dependencies into the lock files (needs uv)"
	@echo "make audit sbom  known vulnerabilities; bill of materials"
	@echo "make bench       requests per second beside nginx with the same bytes"
	@echo "make screenshot  the picture in the README"
	@echo "make clean       remove everything that was made"

run: $(VENV)/.run
	@$(BIN)/python -m statuspage

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 3 --dist worksteal

test-random: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 3 --dist worksteal -p randomly

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

# Needs uv. The lock file of uv names its package index, so it is not kept.
lock:
	uv export --quiet --no-header --no-emit-project --no-dev --upgrade -o requirements.txt
	uv export --quiet --no-header --no-emit-project -o requirements-dev.txt
	rm -f uv.lock

# Known vulnerabilities, and the software bill of materials (CycloneDX), of what a server installs.
audit: .venv-audit/.made
	@.venv-audit/bin/python .ci/audit.py

sbom: .venv-audit/.made
	@mkdir -p build
	@.venv-audit/bin/python -W ignore -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
	    --mc-type application --output-reproducible --output-format JSON --output-file build/sbom.cdx.json
	@echo "build/sbom.cdx.json lists what a server installs."

.venv-audit/.made: .ci/audit.txt
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Published clients of other people, each in a place of its own: see tests/clients.
clients: .venv-clients/.made tests/clients/node_modules/.made

.venv-clients/.made: tests/clients/requirements.txt
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

tests/clients/node_modules/.made: tests/clients/package-lock.json
	@cd tests/clients && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

wheel: $(VENV)/.dev
	@rm -rf build/wheel
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w build/wheel .

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks

screenshot: $(VENV)/.dev
	@$(BIN)/python docs/make_screenshot.py

clean:
	rm -rf $(VENV) .venv-audit .venv-clients build tests/clients/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=…")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is needed (Debian: apt-get install python3-venv)." >&2; exit 1; }

$(VENV)/.run: requirements.txt | $(BIN)/python
	@echo "Installing the locked dependencies…"
	@$(INSTALL) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(BIN)/python
	@echo "Installing the locked dependencies and the test tools…"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $(VENV)/.run $@
