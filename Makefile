# Every target does its own set-up: a virtual environment in .venv, with pinned versions.

TARGET ?= starter
PYTHON ?= python3
REPORTS ?= reports
PAUSE ?= 1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
USE := $(VENV)/.installed-for-use
DEV := $(VENV)/.installed-for-development
BENCH := $(VENV)/.installed-for-benchmarks

ONLY := $(if $(PART),--part $(PART)) $(if $(CHECK),--only $(CHECK))
# One folder a submission, wherever it lives: reports/starter, reports/solution, …
OUTPUT := $(REPORTS)/$(notdir $(abspath $(TARGET)))

.DEFAULT_GOAL := help
.PHONY: help grade replay schedules run judge checks starter test check format bench bench-races zoo flaky hostile clean

help: ## Show this list
	@echo 'make grade                          grade starter/, the code that you edit'
	@echo 'make grade PART=3a                  the checks of one part: 2, 3a, 3b or x'
	@echo 'make grade CHECK=3a.starts          one check'
	@echo 'make grade TARGET=path/to/folder    another submission, such as solution'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

grade: $(USE) ## Grade TARGET (PART=…, CHECK=… for less; DEEP=1 explores all)
	@$(BIN)/python -m grader grade $(TARGET) --output $(OUTPUT) $(ONLY) $(if $(DEEP),--deep)

judge: $(USE) ## Judge the last run of TARGET again, without running anything
	@$(BIN)/python -m grader judge $(OUTPUT)

replay: $(USE) ## Run the schedule that broke CHECK again, a step at each Enter (PAUSE= runs on)
	@$(BIN)/python -m grader replay $(OUTPUT) $(CHECK) $(if $(PAUSE),--pause)

schedules: $(USE) ## Print the steps and the schedules of TARGET that a grade explores
	@$(BIN)/python -m grader schedules $(TARGET)

run: $(USE) ## Start PostgreSQL, the api-service and one worker of TARGET
	@$(BIN)/python -m grader run $(TARGET)

checks: $(USE) ## List every check with its points
	@$(BIN)/python -m grader checks

starter: $(USE) ## Make starter/ anew from the marked blocks of solution/
	@$(BIN)/python -m grader starter solution starter

test: $(DEV) ## Run all tests (unit, then with a real PostgreSQL)
	@$(BIN)/python -m pytest -n 2 --dist loadscope tests/unit tests/integration tests/zoo

check: $(DEV) ## Style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Put the code into the usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## Time whole grades, and the wire, and say where the seconds go
	@$(BIN)/python -m tests.bench.bench_grade
	@$(BIN)/python -m tests.bench.bench_wire

bench-races: $(BENCH) ## Compare three ways of finding races (long; RUNS='1 2 1' for less)
	@$(BIN)/python -m tests.bench.bench_races $(if $(RUNS),--runs $(RUNS)) --output $(REPORTS)/races.md

zoo: $(DEV) ## Grade the zoo, write the detection matrix (long; ENTRIES='a b', FRESH=1, JOBS=n)
	@$(BIN)/python -m tests.zoo.run $(ENTRIES) $(if $(CHECKS),--checks $(CHECKS)) $(if $(JOBS),--jobs $(JOBS)) \
	    $(if $(FRESH),--fresh) --output $(REPORTS)/zoo

flaky: $(DEV) ## Grade again and again on busy cores (long; RUNS=n, ENTRIES='a b', CHECKS='…')
	@$(BIN)/python -m tests.zoo.flaky $(if $(RUNS),--runs $(RUNS)) $(if $(ENTRIES),--entries $(ENTRIES)) \
	    $(if $(CHECKS),--checks $(CHECKS)) --output $(REPORTS)/flaky

hostile: $(DEV) ## Run the attacks at every level offered here, write the table (long; NAMES='a b', LEVELS=…)
	@$(BIN)/python -m tests.zoo.run_hostile $(NAMES) $(if $(LEVELS),--levels $(LEVELS)) \
	    $(if $(IMAGE),--image $(IMAGE)) --output $(REPORTS)/hostile

clean: ## Remove what the targets above made (not your code)
	rm -rf $(VENV) $(REPORTS) *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3.11 …' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo 'python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv' >&2; exit 2; }

$(USE): $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing into $(VENV); this happens once …'
	@$(PIP) --editable .
	@touch $@

$(DEV): $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing the development tools into $(VENV); this happens once …'
	@$(PIP) --editable '.[dev]'
	@touch $@ $(USE)

$(BENCH): $(DEV)
	@echo 'Installing what the benchmarks compare with into $(VENV); this happens once …'
	@$(PIP) --editable '.[bench]'
	@touch $@
