# What a contributor does, one word each. `make` alone lists the words.
# A fresh machine needs Python 3.11 or newer and make: the rest is set up by the first word that needs it.

VENV ?= .venv
python := $(VENV)/bin/python
ready := $(VENV)/.ready

# Without bytecode kept, each of the many processes that tests start compiles its libraries anew: two seconds, not a half.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test long check bench setup lock clean

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

demo: $(ready) ## predict late flights on real data: train, serve, and live through half a year of them
	@$(python) examples/flights/demo.py

test: $(ready) ## run the whole suite
	@$(python) -m pytest -n 2 --dist worksteal

long: $(ready) ## run the tests that take too long for every change
	@$(python) -m pytest -n 2 --dist worksteal -m slow --timeout 1800

check: $(ready) ## lint, format, types, the walls between stages, and every example in the pages
	@sh scripts/check $(VENV)

bench: $(ready) ## measure the promises, ours and a peer's side by side: minutes, on a quiet machine
	@$(python) scripts/bench.py

setup: $(ready) ## make the environment in .venv; the other words do this by themselves

lock: $(ready) ## resolve the dependencies of pyproject.toml again and write requirements.lock
	@sh scripts/lock $(VENV)

clean: ## remove caches and build results, keep the environment
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests scripts examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp is younger than the lock exactly when the environment was made from it.
$(ready): requirements.lock pyproject.toml scripts/setup
	@sh scripts/setup $(VENV)
