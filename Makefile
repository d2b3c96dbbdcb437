# The commands of this project. They need git, make and Python 3.11 or newer; everything else goes into this folder:
# .uv (the installer, at one version) and .venv (what uv.lock names).

.DEFAULT_GOAL := help
.PHONY: help install demo up test test-system chaos laws lint bench clean

UV_VERSION := 0.13.9
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c '$(FITS)' 2>/dev/null && command -v "$$python" && break; done)

# At 60 an hour of flights comes in a minute; 0 replays nothing.
SPEED ?= 60
BIN := .venv/bin
UV := .uv/bin/uv
INSTALLED := .venv/.installed
# Bytecode halves the time in which Dagster starts; no other Python than the one found here is fetched or used.
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
# Of this folder too: without it every process that a command or a test starts compiles all of it again, 0.4 s each.
unexport PYTHONDONTWRITEBYTECODE
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV
# Behind a company's proxy the system's certificates are the ones that count; where there are none, uv has its own.
CERTIFICATES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem
export UV_SYSTEM_CERTS ?= $(if $(wildcard $(CERTIFICATES)),true,false)

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install what uv.lock names into .venv

demo: $(INSTALLED) ## a year of real flights, from events to features served
	@$(BIN)/tilefold demo

up: $(INSTALLED) ## the Dagster UI with everything behind it, and a replay of departures at SPEED, until Ctrl-C
	@$(BIN)/tilefold demo --import-only
	@exec $(BIN)/tilefold up --speed $(SPEED)

test: $(INSTALLED) ## the tests that need nothing installed
	$(BIN)/pytest -n auto --dist worksteal -m "not system"

test-system: $(INSTALLED) ## the tests that need chromium and a foreign Redis (.ci/run installs them), or start the whole of Dagster
	$(BIN)/pytest -m system

chaos: $(INSTALLED) ## 200 random kills under load, and what they lost; 10,000 simulated schedules
	$(BIN)/python -m tests.simulation --schedules 10000
	$(BIN)/python -m tests.chaos --kills 200

laws: $(INSTALLED) ## the property tests, ten times as hard
	TILEFOLD_EFFORT=10 $(BIN)/pytest -n auto --dist worksteal -m "hypothesis and not system" --timeout 3600

lint: $(INSTALLED) ## linters, import rules, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(INSTALLED) ## the benchmarks, each beside its yardstick
	@for each in tiles compaction sync read read_kinds backfill writer visible hot_key read_beside_sync training serve; do $(BIN)/python -m benchmarks.$$each || exit 1; done

clean: ## remove what was installed; data stays
	rm -rf .uv .venv build

$(INSTALLED): pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --python "$(PYTHON)"
	@touch $@

$(UV):
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer is needed (up to 3.14); found: $$(python3 --version 2>&1 || true)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		version=$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "This Python lacks venv. Install it, on Debian and Ubuntu: apt install python$$version-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
