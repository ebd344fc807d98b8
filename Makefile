# `make demo` and `make test` are all that a newcomer needs; each brings what it needs.
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)

.PHONY: help demo up test lint format bench lock wheel clean dev

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo:  ## start the sandbox, the polling and the app with live data, and say where to look
	@./paceline demo $(ARGS)

up:  ## run Paceline for the workspace in ./workspace (or WORKSPACE=…)
	@./paceline up $(if $(WORKSPACE),--workspace $(WORKSPACE)) $(ARGS)

test: lint  ## every check: style, types, floors, tests (a browser included)
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

dev:
	@python3 tools/prepare.py dev

lint: dev  ## style, types and the floors
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

format: dev  ## put the code into its form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: dev  ## measured speed, peers in the same run
	@python3 tools/prepare.py bench
	@$(PY) -m benchmarks $(ARGS)

wheel: dev  ## build dist/paceline-*.whl
	@.venv/bin/uv build -q --wheel --no-build-isolation -p $(PY)

lock: dev  ## resolve the dependencies anew and lock them by hash
	@sh tools/lock.sh

clean:  ## forget the environment and all demo data
	rm -rf .venv .venv-bench .paceline dist artifacts
