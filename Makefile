# kindlab: start, test, check, bench. Everything lives in .venv; nothing outside this folder is touched but the
# cluster's state (kindlab down removes it).

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.8
INSTALLED := .venv/.installed

.PHONY: install start test soak flake mutate check format bench verify lock notebooks docs clean

start: $(INSTALLED)  ## Set up, start a cluster (CLUSTER=pocket, kind or current; default: the best there is), take the tour
	@$(BIN)/kindlab up --cluster $(or $(CLUSTER),auto)
	@$(BIN)/kindlab tour

install: $(INSTALLED)  ## Set up, and nothing else

test: $(INSTALLED)  ## Everything CI tests
	$(BIN)/pytest -n auto --dist loadgroup

flake: $(INSTALLED)  ## Every answer of the labs (LABS="02 03") graded TIMES=100 times: hours; no verdict may change; RESUME=1 goes on
	$(BIN)/kindlab flake $(LABS) --times $(or $(TIMES),100) $(if $(RESUME),--resume)

mutate: $(INSTALLED)  ## Graders against wrong answers that nobody wrote (LABS="02 03", SAMPLE=20): hours
	@for lab in $(or $(LABS),$(notdir $(wildcard labs/[0-9]*))); do \
		$(BIN)/kindlab mutate $$lab $(if $(SAMPLE),--sample $(SAMPLE)) || failed=1; done; exit $${failed:-0}

soak: $(INSTALLED)  ## Two minutes of Pods that come, crash and go at random
	$(BIN)/pytest tests/durability/test_soak.py --soak-seconds 120 --soak-pods 300

check: $(INSTALLED)  ## Style, types, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m kindlab.docs --check

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED)  ## The numbers of the design, measured here
	$(BIN)/python -m bench

notebooks: $(INSTALLED)  ## Render notebooks/ from labs/*/lab.md
	$(BIN)/python -m kindlab.render

docs: $(INSTALLED)  ## Write the generated parts of docs/
	$(BIN)/python -m kindlab.docs

verify: $(INSTALLED)  ## Every answer of the labs (LABS="02 03") on a real cluster (CLUSTER=kind or current); RESUME=1 goes on
	$(BIN)/kindlab verify $(LABS) --cluster $(or $(CLUSTER),current) --out $(or $(OUT),docs/parity.md) \
		$(if $(RESUME),--resume) $(if $(YES),--yes)

lock: $(INSTALLED)  ## Resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --group dev --no-emit-index-url \
		--no-header --upgrade --quiet pyproject.toml --output-file requirements.lock

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "kindlab needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
		echo "Install one and name it: make start PYTHON=python3.12"; exit 1; }
	@echo "Installing into .venv (a minute, once)"
	@$(PYTHON) -m venv .venv || { \
		echo "Python's venv module is missing or broken. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@# Compiled now, whatever PYTHONDONTWRITEBYTECODE says: else every start compiles again and takes twice as long
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		--requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

clean:  ## Remove what make made here
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache bench/results
