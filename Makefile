# make report: the whole pipeline on the embedded data set.   make test: the tests.   make lint: style and types.
# Each sets up .venv from the pinned lock by itself, once; nothing outside this folder is touched.

SHELL := /bin/bash
VENV := .venv
READY := $(VENV)/.ready
BIN := $(abspath $(VENV))/bin
CORES ?= 8
PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$python && break; done)

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: report test test-long test-slow mutants fuzz lint docs lock setup clean

report: setup
	@$(BIN)/snakemake --cores $(CORES) report

test: setup
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# Trainings in several processes, and whole chains in rarer forms; the CI runs them too.
test-long: setup
	$(BIN)/python -m pytest -n 4 --dist loadfile -m long

# What waits for time-outs: killed workers and hosts.
test-slow: setup
	$(BIN)/python -m pytest -m slow

# Mutation testing (docs/mutation_testing.md). MUTANTS="training/loss --share 0.2" chooses modules and a share of the mutants.
mutants: setup $(VENV)/mutants/.ready
	PYTHONPATH=$(VENV)/mutants nice -n 19 $(BIN)/python tests/mutants/run.py $(MUTANTS)

$(VENV)/mutants/.ready: envs/mutants.lock
	$(INSTALL) --require-hashes --upgrade --target $(VENV)/mutants -r envs/mutants.lock
	@touch $@

# Damaged files for all readers (docs/fuzzing.md). FUZZ="--runs 1000000 --readers jpeg" chooses how many, and which.
fuzz: setup
	nice -n 10 $(BIN)/python tests/fuzz/run.py --build_dir $(VENV)/fuzz $(FUZZ)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/clang-format --dry-run --Werror --style=file:native310/.clang-format \
		$$(git ls-files "native310/*.cc" "native310/*.h" "native_training/*.cc" "native_training/*.h" "tests/fuzz/*.cc")

docs: setup
	$(BIN)/python docs/make_configuration.py

setup: $(READY)

# Two halves of the packages side by side, as most of the time goes into unpacking: MindSpore and a quarter of the others,
# and the rest.
$(READY): envs/requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install one, or name it with PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@for part in 0 1; do awk -v part=$$part '/^[a-z]/ { is_here = part == (/^mindspore==/ || ++others % 4 == 0) } is_here' \
		envs/requirements.lock > $(VENV)/part$$part.lock; done
	@echo "installing the packages of envs/requirements.lock into $(VENV), which takes a minute"
	@$(INSTALL) --require-hashes -r $(VENV)/part0.lock & first=$$!; \
		$(INSTALL) --require-hashes -r $(VENV)/part1.lock; second=$$?; wait $$first && exit $$second
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

# Writes the locks anew; needs uv (pip install uv).
lock:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		envs/requirements.in --output-file envs/requirements.lock
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		envs/kubernetes.in --constraint envs/requirements.lock --output-file envs/kubernetes.lock
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		envs/mutants.in --constraint envs/requirements.lock --output-file envs/mutants.lock

clean:
	rm -rf $(VENV) results logs dataset .snakemake
