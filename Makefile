# Every target ends in a line that you could type yourself. `make help` lists them.

VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
TIMES = 3
SORRY = echo "The packages could not be installed; the lines above say why. The course is tested on \
	Python 3.11, 3.12 and 3.13: with a newer one, try make PYTHON=python3.13"

.PHONY: setup help learn test quick lint live servers innocent bench notebooks clean

setup: $(VENV)/.base
	@echo 'Ready. Now type:  . $(BIN)/activate  and then:  course next'

help:
	@echo 'make             make .venv, the Python environment of the course'
	@echo 'make learn       grade the first exercise that is not solved, and say what to do next'
	@echo 'make notebooks   open the notebooks in Jupyter'
	@echo 'make clean       remove .venv and what the tools left behind'
# authors
	@echo 'make test        run the tests of the course: its own, solutions, lessons, notebooks'
	@echo 'make quick       the tests that take seconds'
	@echo 'make lint        check style and types'
	@echo 'make live        run the tests that use real time, sockets and servers'
	@echo 'make servers     get the real servers for them, as far as this machine can have them'
	@echo 'make innocent    grade every solution and right answer in isolation, TIMES times'
	@echo 'make bench       measure how fast the simulated world and grading are'
# /authors

learn: $(VENV)/.base
	@$(BIN)/course next

notebooks: $(VENV)/.notebooks
	$(BIN)/jupyter lab notebooks

# authors
test: $(VENV)/.dev
	$(BIN)/pytest -n 2 $(SOME)
	$(BIN)/pytest --nbval notebooks

quick: $(VENV)/.dev
	$(BIN)/pytest -n 2 -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

live: $(VENV)/.live
	$(BIN)/pytest --live -m live tests
	$(BIN)/pytest --live -m live exercises --submission solutions

servers: $(VENV)/.live
	@tools/get-servers
	$(BIN)/course services check

innocent: $(VENV)/.dev
	TIMES=$(TIMES) $(BIN)/pytest -n 2 tests/test_innocent.py

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks
# /authors

clean:
	rm -rf $(VENV) .venvs .pytest_cache .mypy_cache .ruff_cache build *.egg-info

# The environment: made once, and brought up to date whenever pyproject.toml changes.
$(BIN)/python:
	@python=$$(tools/find-python $(PYTHON)) && \
		echo "Making $(VENV) with $$($$python --version): once, in less than a minute." && \
		$$python -m venv --clear $(VENV)

$(VENV)/.base: pyproject.toml | $(BIN)/python
	@$(PIP) --editable . || { $(SORRY); exit 1; }
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing what the tests of the course need into $(VENV)."
	@$(PIP) --editable '.[dev]' || { $(SORRY); exit 1; }
	@touch $(VENV)/.base $@

$(VENV)/.live: pyproject.toml | $(BIN)/python
	@echo "Installing what the live tests need into $(VENV)."
	@$(PIP) --editable '.[dev,live]' || { \
		echo "Not all of it can be had on this machine: without it some live tests are skipped."; \
		$(PIP) --editable '.[dev]' || { $(SORRY); exit 1; }; }
	@touch $(VENV)/.base $(VENV)/.dev $@

$(VENV)/.notebooks: pyproject.toml | $(BIN)/python
	@echo "Installing Jupyter into $(VENV)."
	@$(PIP) --editable '.[notebooks]' || { $(SORRY); exit 1; }
	@touch $(VENV)/.base $@
