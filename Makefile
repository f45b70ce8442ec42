# Everything runs in .venv and build/. Another Python: make PYTHON=python3.12 demo
PYTHON ?= python3
# How long `make chaos` goes on.
MINUTES ?= 10
BIN := .venv/bin
BACKEND := {{cookiecutter.project_slug}}
BASELINE := $(BACKEND)/choices/history/baseline/alembic/versions
PYTEST := $(BIN)/pytest --numprocesses=logical --maxprocesses=8 --dist=worksteal

# What `make lab` measures: how many documents, and which scenarios where it is not ten of them. `make
# mutants` takes scenarios too, and otherwise all.
ROWS ?= 100000
SCENARIO ?=

# The template is copied as it stands: no caches in it.
export PYTHONDONTWRITEBYTECODE = 1
export RUFF_CACHE_DIR = $(CURDIR)/build/ruff
export MYPY_CACHE_DIR = $(CURDIR)/build/mypy

.PHONY: help install demo traffic test test-all chaos promise lint index baseline judges mutants lab backfill speed atlas tour tour-svg lock

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

install: .venv/installed  ## make .venv, with everything needed to work on the template

.venv/installed: requirements.txt $(BACKEND)/requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

demo: install  ## generate the default backend into build/demo, migrate it, and say what to try
	@$(BIN)/python lab/demo.py

traffic: install  ## run each revision, up and down, while an application works on its tables
	$(BIN)/python -m lab.backend lab.traffic.chain $(OPTIONS)

test: install  ## what most often breaks, in minutes: the template, what runs a migration, a backend
	$(PYTEST) -m "not slow"

test-all: install  ## every test
	$(PYTEST)

chaos: install  ## signals, crashes, full disks at random moments of a deploy, for MINUTES=10
	CHAOS_MINUTES=$(MINUTES) $(BIN)/pytest tests/machinery/test_chaos.py --capture=no --quiet

promise: install  ## try what autogenerate promises on models drawn at random: make promise DRAWS=2000 SEED=1
	$(BIN)/python -W ignore -m tests.machinery.promise --draws $(or $(DRAWS),1000) $(if $(SEED),--seed $(SEED))

lint: install  ## check style, format and types, of the template and of the backend
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd '$(BACKEND)' && ../$(BIN)/mypy --exclude ^choices/ .

index: install  ## list the scenarios in the backend's versions/README.md
	cd '$(BACKEND)' && ../$(BIN)/python -m migrate index

baseline: install  ## refresh the revision of history=baseline, what the chain builds in one
	rm -rf build/baseline
	$(BIN)/cookiecutter . --no-input --default-config --output-dir build/baseline > build/baseline.log
	cd build/baseline/ocr_backend && python='$(CURDIR)/$(BIN)/python' && folder='$(CURDIR)/$(BASELINE)' && \
		PYTHONPATH=. "$$python" '$(CURDIR)/lab/make_baseline.py' > baseline.py && rm alembic/versions/* && \
		mv baseline.py alembic/versions/20250113_0915_baseline.py && cp "$$folder/README.md" alembic/versions/ && \
		"$$python" -m migrate ledger && cp alembic/versions/* "$$folder/"; \
		code=$$?; "$$python" -m migrate stop --remove; exit $$code

judges: install  ## score squawk, zdm and the ledger on the naive ways and on the chain: lab/results/judges.md
	rm -rf build/judges
	$(BIN)/cookiecutter . --no-input --default-config --output-dir build/judges > /dev/null
	cd build/judges/ocr_backend && python='$(CURDIR)/$(BIN)/python' && \
		PYTHONPATH='$(CURDIR)' "$$python" -m lab.trials > ../trials.json; \
		code=$$?; "$$python" -m migrate stop --remove; exit $$code
	$(BIN)/python -m lab.judges build/judges/ocr_backend build/judges/trials.json

mutants: install  ## leave out or weaken each thing of each revision, and see which test notices (hours; SAMPLE=50: some)
	$(BIN)/python -m lab.backend lab.mutants $(SCENARIO) $(if $(SAMPLE),--sample '$(SAMPLE)')

# README.md has the table of all ten, at 100,000 rows.
lab: install  ## each scenario the naive way and the right one, under traffic: lab/results/ROWS.md and .svg
	$(BIN)/python -m lab.backend lab.measure 'lab/results/$(ROWS).json' $(SCENARIO) --rows '$(ROWS)'
	$(BIN)/python -m lab.figures 'lab/results/$(ROWS).json' $(if $(SCENARIO)$(filter-out 100000,$(ROWS)),,--readme)
	$(BIN)/python -m lab.curve lab/results

backfill: install  ## the batches of a backfill beside one UPDATE, speed and growth: lab/results/backfill.md
	$(BIN)/python -m lab.backend lab.backfill lab/results/backfill.md $(OPTIONS)

speed: install  ## start-up and generation, against plain Alembic and an empty template
	$(BIN)/python -m lab.backend lab.startup
	$(BIN)/python -m lab.generation

atlas: install  ## write the atlas, a site of all scenarios, into build/atlas/site
	$(BIN)/python -m lab.atlas

# A tour of fewer rows: make tour ROWS=100000. Of one chapter: make tour SCENARIO=index_document_tags.
tour tour-svg: ROWS = 1000000

tour: install  ## both ways of six scenarios, live in a terminal, with your hand on the brake
	@$(BIN)/python -m lab.backend lab.tour $(SCENARIO) --rows '$(ROWS)'

tour-svg: install  ## a chapter of the tour as a picture: lab/results/tour.svg
	$(BIN)/python -m lab.backend lab.tour $(or $(SCENARIO),add_user_phone) --rows '$(ROWS)' \
		--picture lab/results/tour.svg

lock: install  ## refresh the locked requirements of both layers
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	rm -rf build/lock
	$(BIN)/cookiecutter . --no-input --default-config --output-dir build/lock
	$(BIN)/cookiecutter . --no-input --default-config --output-dir build/lock/async sessions=async
	$(MAKE) -C build/lock/ocr_backend lock
	$(MAKE) -C build/lock/async/ocr_backend lock
	cp build/lock/ocr_backend/requirements*.txt '$(BACKEND)/'
	cp build/lock/async/ocr_backend/requirements*.txt '$(BACKEND)/choices/sessions/async/'
	$(BIN)/uv pip compile pyproject.toml build/lock/ocr_backend/requirements-dev.txt --group=dev \
		--universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
		--custom-compile-command "make lock" --upgrade --output-file=requirements.txt
