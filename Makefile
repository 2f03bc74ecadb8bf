# Every target does its own set-up: a virtual environment in .venv, with pinned versions.

TARGET ?= starter
PYTHON ?= python3
REPORTS ?= reports
PAUSE ?= 1
BUILD ?= build
# What the workflows and packages for other platforms take the grader from: owner/name on GitHub, and a whole commit.
GRADER ?= owner/grader
REVISION ?= 0000000000000000000000000000000000000000
# The name under which PrairieLearn finds the image of its grader.
IMAGE ?= registry.example/task-queue-grader:1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# As a path, and not as setuptools' import hook, which each start of Python in there would pay for: a grade starts 80.
AS_PATH := --config-settings editable_mode=compat --editable
USE := $(VENV)/.installed-for-use
DEV := $(VENV)/.installed-for-development
BENCH := $(VENV)/.installed-for-benchmarks
MUTANTS := $(VENV)/.installed-for-mutants

ONLY := $(if $(PART),--part $(PART)) $(if $(CHECK),--only $(CHECK))
# One folder a submission, wherever it lives: reports/starter, reports/solution, …
OUTPUT := $(REPORTS)/$(notdir $(abspath $(TARGET)))
# The least isolation that a class is graded with.
LEAST := $(if $(ISOLATION),--require-isolation $(ISOLATION))
# Ends a target that is called without a variable which it cannot do without: $(call need,NAME,what to name).
need = @[ -n "$($(1))" ] || { echo 'name $(2)' >&2; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help grade watch class replay schedules run judge checks explain checkpoints doctor starter test races check format bench bench-races zoo flaky hostile mutants workflows gradescope prairielearn clean

help: ## Show this list
	@echo 'make grade                          grade starter/, the code that you edit'
	@echo 'make grade PART=3a                  the checks of one part: 2, 3a, 3b or x'
	@echo 'make grade CHECK=3a.starts          one check'
	@echo 'make grade TARGET=path/to/folder    another submission, such as solution'
	@echo 'make grade VERBOSE=1                all that is known of every check'
	@echo 'make grade DEEP=1                   every order of steps, without a bound'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

grade: $(USE) ## Grade TARGET, as above
	@$(BIN)/python -m grader grade $(TARGET) --output $(OUTPUT) $(ONLY) $(if $(DEEP),--deep) $(if $(VERBOSE),--verbose)

watch: $(USE) ## Grade TARGET, and again at each save (PART=…)
	@$(BIN)/python -m grader watch $(TARGET) --output $(OUTPUT) $(if $(PART),--part $(PART))

class: $(USE) ## Grade all in CLASS (ISOLATION=bubblewrap), write grades.csv
	$(call need,CLASS,the folder of the submissions: make class CLASS=path/to/submissions)
	@[ -d "$(CLASS)" ] || { echo '$(CLASS): no such folder' >&2; exit 2; }
	@for each in "$(CLASS)"/*; do \
	    name=$$(basename "$$each"); echo "== $$name"; status=0; \
	    $(BIN)/python -m grader grade "$$each" --output "$(REPORTS)/class/$$name" $(LEAST) || status=$$?; \
	    [ $$status -lt 128 ] || exit $$status; done
	@$(BIN)/python -m grader gradebook "$(REPORTS)/class" --output "$(REPORTS)/grades.csv"
	@echo "$(REPORTS)/grades.csv"

judge: $(USE) ## Judge the last run of TARGET again, without running anything
	@$(BIN)/python -m grader judge $(OUTPUT) $(if $(VERBOSE),--verbose)

replay: $(USE) ## Run again what broke CHECK, step by step (PAUSE= runs on)
	$(call need,CHECK,the check that broke: make replay CHECK=3b.interleavings)
	@$(BIN)/python -m grader replay $(OUTPUT) $(CHECK) $(if $(PAUSE),--pause)

schedules: $(USE) ## Print the steps and orders of TARGET that a grade explores
	@$(BIN)/python -m grader schedules $(TARGET)

run: $(USE) ## Start PostgreSQL and the services of TARGET, with a live page
	@$(BIN)/python -m grader run $(TARGET)

checks: $(USE) ## List every check with its points
	@$(BIN)/python -m grader checks

explain: $(USE) ## What CHECK does, why it matters, typical faults, what to read
	$(call need,CHECK,a check: make explain CHECK=3a.starts (make checks lists them all))
	@$(BIN)/python -m grader explain $(CHECK)

checkpoints: $(DEV) ## Make labs/checkpoints.md from the declarations and the zoo
	@$(BIN)/python -m tests.zoo.typical
	@$(BIN)/python -m grader checks --markdown >labs/checkpoints.md

doctor: $(USE) ## Say whether a grade works here, and what to do if not
	@$(BIN)/python -m grader doctor

starter: $(USE) ## Make starter/ anew from the marked blocks of solution/
	@$(BIN)/python -m grader starter solution starter

# The modules with the longest tests first, so that the end finds both processes at work.
test: $(DEV) ## Run all tests, many of them with a real PostgreSQL
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder tests/integration tests/unit tests/zoo

# One at a time: a grade keeps two cores busy.
races: $(DEV) ## Grade the races, crash windows and moments of the zoo
	@$(BIN)/python -m pytest tests/races

check: $(DEV) workflows ## Style, types, import contracts, workflows and scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh' '*/run_autograder')
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/actionlint $(BUILD)/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --persona auditor $(BUILD)/workflows .github/actions

workflows: ## Make a course's workflows (GRADER=owner/name REVISION=commit)
	@mkdir -p $(BUILD)/workflows
	@for file in labs/ci/github/*.yml; do \
	    sed 's#GRADER/\(.*\)@REVISION#$(GRADER)/\1@$(REVISION)#' $$file >$(BUILD)/workflows/$${file##*/} || exit 1; done
	@echo '$(BUILD)/workflows: for .github/workflows of the course; the grader is $(GRADER) at $(REVISION)'

# What a grader needs elsewhere: no solution, no tests.
COPY_GRADER := tar --exclude=__pycache__ -cf - grader labs pyproject.toml constraints.txt README.md LICENSE \
    .github/actions | tar -xf - -C

gradescope: ## Make build/gradescope.zip, to be uploaded as an autograder
	@rm -rf $(BUILD)/gradescope $(BUILD)/gradescope.zip
	@mkdir -p $(BUILD)/gradescope/grader
	@cp -p labs/ci/gradescope/setup.sh labs/ci/gradescope/run_autograder $(BUILD)/gradescope/
	@$(COPY_GRADER) $(BUILD)/gradescope/grader
	@cd $(BUILD)/gradescope && $(PYTHON) -m zipfile -c ../gradescope.zip setup.sh run_autograder grader
	@echo $(BUILD)/gradescope.zip

prairielearn: ## Make image and question in build/prairielearn/ (IMAGE=…)
	@rm -rf $(BUILD)/prairielearn
	@mkdir -p $(BUILD)/prairielearn/image/grader $(BUILD)/prairielearn/question
	@cp -p $(addprefix labs/ci/prairielearn/,Dockerfile run.sh unpack.py) $(BUILD)/prairielearn/image/
	@$(COPY_GRADER) $(BUILD)/prairielearn/image/grader
	@cp -p labs/ci/prairielearn/question.html $(BUILD)/prairielearn/question/
	@sed 's#"IMAGE"#"$(IMAGE)"#' labs/ci/prairielearn/info.json >$(BUILD)/prairielearn/question/info.json
	@echo $(BUILD)/prairielearn

format: $(DEV) ## Put the code into the usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## Time whole grades, and the wire, and say where the seconds go
	@$(BIN)/python -m tests.bench.bench_grade
	@$(BIN)/python -m tests.bench.bench_wire

bench-races: $(BENCH) ## Compare three ways to find races (long; RUNS='1 2 1': less)
	@$(BIN)/python -m tests.bench.bench_races $(if $(RUNS),--runs $(RUNS)) --output $(REPORTS)/races.md

zoo: $(DEV) ## Grade the zoo (long; ENTRIES=…, FRESH=1, WHOLE=1, LEVEL=…)
	@$(BIN)/python -m tests.zoo.run $(ENTRIES) $(if $(CHECKS),--checks $(CHECKS)) $(if $(JOBS),--jobs $(JOBS)) \
	    $(if $(FRESH),--fresh) $(if $(WHOLE),--whole) $(if $(LEVEL),--isolation $(LEVEL)) \
	    $(if $(SERVICE_IMAGE),--image $(SERVICE_IMAGE)) --output $(REPORTS)/zoo

flaky: $(DEV) ## Grade again and again (long; RUNS=n, ENTRIES=…, CHECKS=…)
	@$(BIN)/python -m tests.zoo.flaky $(if $(RUNS),--runs $(RUNS)) $(if $(ENTRIES),--entries $(ENTRIES)) \
	    $(if $(CHECKS),--checks $(CHECKS)) --output $(REPORTS)/flaky

hostile: $(DEV) ## Run the attacks at every level (long; NAMES=…, LEVELS=…)
	@$(BIN)/python -m tests.zoo.run_hostile $(NAMES) $(if $(LEVELS),--levels $(LEVELS)) \
	    $(if $(SERVICE_IMAGE),--image $(SERVICE_IMAGE)) --output $(REPORTS)/hostile

mutants: $(MUTANTS) ## Make faults in the grader, which tests must notice (SAMPLE=n)
	@$(BIN)/python -m tests.mutants.run $(GROUPS) $(if $(SAMPLE),--sample $(SAMPLE)) --output $(REPORTS)/mutants

clean: ## Remove what the targets above made (not your code)
	rm -rf $(VENV) $(REPORTS) $(BUILD) *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3.11 …' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo 'python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv' >&2; exit 2; }

$(USE): $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing into $(VENV); this happens once …'
	@$(PIP) $(AS_PATH) .
	@touch $@

$(DEV): $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing the development tools into $(VENV); this happens once …'
	@$(PIP) $(AS_PATH) '.[dev]'
	@touch $@ $(USE)

$(BENCH): $(DEV)
	@echo 'Installing what the benchmarks compare with into $(VENV); this happens once …'
	@$(PIP) $(AS_PATH) '.[bench]'
	@touch $@

$(MUTANTS): $(DEV)
	@echo 'Installing what makes mutants into $(VENV); this happens once …'
	@$(PIP) $(AS_PATH) '.[mutants]'
	@touch $@
