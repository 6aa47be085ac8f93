# `make run` starts everything on the simulated terminal; `make test` passes the tests. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find gateway fastpath clients -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' \
           -o -name '*.h') setup.py pyproject.toml
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Two at a time: most tests wait for processes more than they compute. A file's tests share one gateway.
PARALLEL := -n 2 --dist loadfile

.PHONY: run test test-compiled test-plain test-debug test-wine bench lint wheels fuzz simulate soak clean
.DEFAULT_GOAL := run

run: $(VENV)/installed
	$(BIN)/mt5gate run

test: test-compiled test-plain

# The installed package: compiled where a compiler is, from its own wheel.
test-compiled: $(VENV)/installed $(VENV)/tools
	$(BIN)/pytest $(PARALLEL)

# The source tree, where nothing is compiled: the same tests of everything that has a compiled twin, or uses one.
test-plain: $(VENV)/installed $(VENV)/tools
	PYTHONPATH=$(CURDIR) $(BIN)/pytest $(PARALLEL) $(addprefix tests/,wire core fastpath broker publisher clients simulation)

# Bounds checks and assertions on.
test-debug: $(VENV)/tools
	MT5GATE_BUILD=debug $(BIN)/pip install --quiet --no-deps --no-build-isolation --target build/debug --upgrade .
	PYTHONPATH=$(CURDIR)/build/debug $(BIN)/pytest tests/fastpath tests/core

# The real MetaTrader5 package, in Windows' Python under Wine, and this package's pure wheel beside it.
# Wine lives outside the tree: its drive Z: is a link to /, and setuptools, looking for sources, would follow it.
WINE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mt5gate-wine
test-wine: $(VENV)/installed $(VENV)/tools
	rm -rf build/lib* build/bdist* $(WINE)/dist
	MT5GATE_BUILD=pure $(BIN)/python -m build --wheel --no-isolation --outdir $(WINE)/dist .
	rm -rf build/lib* build/bdist*
	.ci/wine $(WINE) $(WINE)/dist/*.whl
	REAL_PACKAGE=$(WINE) $(BIN)/pytest tests/real_package

bench: $(VENV)/installed $(VENV)/tools
	$(BIN)/python -m bench $(BENCH)

# Bytes that no honest peer sends, for FUZZ_SECONDS each: the C core under sanitizers, then engine and codecs in both modes.
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 1
fuzz: $(VENV)/installed
	@mkdir -p build
	$(CC) -std=c11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -Ifastpath \
	    tests/fuzz/fuzz_msgpack.c -o build/fuzz_msgpack
	build/fuzz_msgpack $(FUZZ_SECONDS) $(FUZZ_SEED)
	$(BIN)/python -P tests/fuzz/fuzz_engine.py $(FUZZ_SECONDS) $(FUZZ_SEED)
	PYTHONPATH=$(CURDIR) $(BIN)/python -P tests/fuzz/fuzz_engine.py $(FUZZ_SECONDS) $(FUZZ_SEED)

# Seeds of the deterministic simulation; a failing one says how it is replayed.
SEEDS ?= 1000
simulate: $(VENV)/installed $(VENV)/tools
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --jobs 2

# Real processes killed in rounds, simulated ones by seeds, and memory under load; writes its record to SOAK_FOLDER.
SOAK_MINUTES ?= 60
SOAK_FOLDER ?= build/soak
soak: $(VENV)/installed $(VENV)/tools
	$(BIN)/python -m tests.crashes.soak --minutes $(SOAK_MINUTES) --folder $(SOAK_FOLDER) --installed

lint: $(VENV)/installed $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=clients/distribution $(BIN)/mypy tests/clients/trading_script.py

wheels: $(VENV)/tools
	MT5GATE_BUILD=compiled $(BIN)/python -m build --wheel --no-isolation --outdir dist .
	rm -rf build/lib* build/bdist*
	MT5GATE_BUILD=pure $(BIN)/python -m build --wheel --no-isolation --outdir dist .
	rm -rf build/lib* build/bdist* build/distribution
	mkdir -p build && cp -R clients/distribution build
	$(BIN)/python -m build --wheel --no-isolation --outdir dist build/distribution

clean:
	rm -rf build dist $(VENV) *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mt5gate needs Python 3.11 or newer (set PYTHON=…)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); .ci/debian-packages && $(PYTHON) -m venv $(VENV); } \
	    || { echo "Python's venv module is missing: on Debian, install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/build-tools: $(VENV)/bin/python
	$(BIN)/pip install --quiet 'setuptools>=77' wheel 'cython>=3.1,<4'
	@touch $@

$(VENV)/installed: $(VENV)/build-tools $(SOURCES)
	rm -rf build/lib*
	$(BIN)/pip install --quiet --no-build-isolation .
	@touch $@

$(VENV)/tools: $(VENV)/installed
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --group test --group lint --group build
	@touch $@
