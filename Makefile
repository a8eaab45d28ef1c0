.DEFAULT_GOAL := help
.PHONY: help setup demo format check types layers test coverage chaos fleet bench bench-async bench-inference bench-verse docs lock licences audit ci clean

PYTHON ?= python3
BIN := .venv/bin
# One process more than processors, because tests wait as well; four at most. A file's tests share
# servers and clusters, so a file stays with one process. Files go in the order of `testpaths`, where
# the longest come first: xdist's own order, by the number of tests, ends with them.
PROCESSES := $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
PYTEST := $(BIN)/pytest -n $(PROCESSES) --dist=loadfile --no-loadscope-reorder
MEMBERS := $(wildcard apps/*/pyproject.toml packages/*/pyproject.toml)

help: ## Print this message
	@awk -F '[:] .*## ' '/^[a-z][a-z-]*: .*## /{printf "  %-8s %s\n", $$1, substr($$0, index($$0, "## ") + 3)}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Install every member and the tools, as locked, into .venv

.venv/.ready: requirements.lock $(MEMBERS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hive needs Python 3.11 or later; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "This Python cannot make virtual environments. On Debian: apt install python3-venv"; rm -rf .venv; exit 1; }
	@echo "Installing what requirements.lock pins ..."
	@$(BIN)/python tools/pinned.py uv < requirements.lock > .venv/uv.lock.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(foreach m,$(MEMBERS),-e $(dir $(m)))
	@touch $@

demo: setup ## See Hive do its main job on real input, with a worker killed half-way
	@$(BIN)/hive demo

format: setup ## Rewrite the code in house format
	$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

check: setup ## Lint, without rewriting
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## Type-check, strictly
	$(BIN)/basedpyright

layers: setup ## Hold imports against their contracts
	$(BIN)/lint-imports

test: setup ## Run the tests
	$(PYTEST)

coverage: setup ## Run the tests (of MEMBER=apps/hive alone), show what they reach of each member; less than 90 % fails
	$(PYTEST) $(addsuffix /tests,$(MEMBER)) --cov --cov-report=
	@for member in $(or $(MEMBER),apps/* packages/*); do test $$member = packages/testkit && continue; \
	  printf '%-20s ' $$member; $(BIN)/coverage report --include="$$member/src/*" --fail-under=90 | tail -n 1 || exit 1; done

chaos: setup ## Break a whole Hive for SECONDS (1200) by SEED (1), or until TASKS are done, and say what it kept
	@PYTHONPATH=tests/chaos exec $(BIN)/python -m hive_chaos --seconds $(or $(SECONDS),1200) --seed $(or $(SEED),1) $(addprefix --tasks ,$(TASKS))

fleet: setup ## Run TASKS (500) agents on two machines through quota storms, hangs and kills, and hold Hive to its claims
	@PYTHONPATH=tests/fleet:tests/chaos exec $(BIN)/python -m hive_fleet --tasks $(or $(TASKS),500) --seed $(or $(SEED),1) $(FAULT)

bench: setup ## Measure Hive beside its peers and limits, in 20 minutes; ROWS="drain-arq cpu" for some rows
	@PYTHONPATH=tests/bench exec $(BIN)/python -m hive_bench $(ROWS)

bench-inference: setup ## Measure the inference beside torch and the machine's limits; ROWS="lag memory" for some rows
	@PYTHONPATH=tests/bench exec $(BIN)/python -m inference_bench $(ROWS)

bench-verse: setup ## Measure what verse costs beside its model, and what it says; ROWS="lag memory" for some rows
	@$(BIN)/python tools/measure_verse.py $(ROWS)

bench-async: setup ## Measure one task at a time against 1 to 32 at once: for waiting, real work, and arithmetic
	@PYTHONPATH=tests/bench exec $(BIN)/python -m hive_bench async

docs: setup ## Redraw what docs/ derives from code
	$(BIN)/python tools/draw_lifecycle.py
	$(BIN)/python tools/draw_configuration.py
	$(BIN)/python tools/draw_metrics.py
	$(BIN)/python tools/draw_commands.py
	$(BIN)/python tools/draw_architecture.py

lock: setup ## Compile requirements.lock anew from what the members ask for
	$(BIN)/python tools/requirements.py | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock -

licences: setup ## Write licences.txt anew from what is locked and installed
	$(BIN)/python tools/licences.py

audit: setup ## Look for known vulnerabilities in what is locked; needs the network
	$(BIN)/uv tool run pip-audit --require-hashes --disable-pip -r requirements.lock

ci: check types layers test ## Everything that must hold before a merge

clean: ## Remove .venv and every cache
	rm -rf .venv .bench .pytest_cache .ruff_cache .import_linter_cache .hypothesis
