# The newcomer's commands. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DBT_SEND_ANONYMOUS_USAGE_STATS = False
export GX_ANALYTICS_ENABLED = False
export DO_NOT_TRACK = 1
# Airflow and dbt are 3,500 modules and a demo two hundred processes: each module is compiled once, and kept.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint docs bench prove-superset lock clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/ready ## virtual environment with the locked dependencies

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing the locked dependencies into $(VENV)"
	@test -x $(BIN)/uv || { $(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv; } || \
		{ $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# What only building and testing need; the newcomer's demo does without.
$(VENV)/ready-to-build: $(VENV)/ready requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-dev.txt
	@touch $@

demo: setup ## the sample county, from its files to a published scorecard, through Airflow
	@$(BIN)/anchorspend demo

up: setup ## leave Airflow and PostgreSQL running
	@$(BIN)/anchorspend up

down: ## stop what `make up` started
	@test ! -x $(BIN)/anchorspend || $(BIN)/anchorspend down

test: $(VENV)/ready-to-build ## every test
	@$(BIN)/python -m pytest

lint: $(VENV)/ready-to-build ## style, types, SQL and layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project/models plugins/anchorspend/schema.sql
	$(BIN)/python -m pytest -q tests/test_layering.py

# The site needs nothing; dbt's page shows the columns as built where the database runs.
docs: $(VENV)/ready-to-build ## the documentation as a site, and dbt's own of every model
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir "$${ANCHORSPEND_STATE:-.state}/docs"
	@echo "$${ANCHORSPEND_STATE:-.state}/docs/index.html"
	@$(BIN)/anchorspend dbt-docs

bench: $(VENV)/ready-to-build ## loading rate; questions and a release on three million lines
	@$(BIN)/python tests/bench.py
	@$(BIN)/python tests/bench_questions.py

prove-superset: $(VENV)/ready-to-build ## Superset from PyPI and its dashboards, on the warehouse that `make demo` made
	@$(BIN)/python tests/prove_superset.py

lock: $(VENV)/ready-to-build ## compile requirements*.in, for Python 3.11 to 3.13
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes superset/requirements.in -o superset/requirements.txt

clean: down ## remove what was made
	rm -rf $(VENV) .state dbt_project/target dbt_project/logs *.egg-info plugins/*.egg-info
	find . -name __pycache__ -o -name .pytest_cache -o -name .ruff_cache -o -name .mypy_cache -o -name .hypothesis | xargs rm -rf
