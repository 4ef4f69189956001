# make install | demo | test | docs | lint | clean.  demo, test, docs and lint install first where needed.

VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

# The first interpreter here that the package supports; name another one with `make PYTHON=...`.
PYTHON ?= $(shell for candidate in python3 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
	&& { echo $$candidate; break; }; done)

# The tests are shared among JOBS processes: as many as there are cores, but not above 8, with which the longest tests
# take the time. JOBS=0 runs all of them in one process, as a debugger needs it.
JOBS ?= $(shell cores=$$(env -u OMP_NUM_THREADS nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((cores < 8 ? cores : 8)))

# FAST=1 leaves out the tests marked slow; PYTEST_ARGS goes to pytest as it is.
ifeq ($(FAST),1)
SELECTION := -m "not slow"
endif

.PHONY: install demo test docs lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { \
		echo "no Python 3.11 or 3.12 found; install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --prefer-binary -c constraints.txt -e '.[all,dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python -m hvqcgic.demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(SELECTION) $(PYTEST_ARGS)

# The manual, into build/docs; a broken link, a missing page or an unreadable docstring is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
