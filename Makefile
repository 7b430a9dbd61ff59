# make run    load two million lines into a real Kafka and check that every one arrived
# make test   everything that CI runs
# make bench  the benchmarks, against their rivals (takes a while)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CORE   := $(wildcard fastconnect/*.pyx fastconnect/native/*.p?? fastconnect/converters/*.pyx)

.PHONY: run test bench lint unit integration format clean

run: $(VENV)/built
	$(BIN)/python examples/bulk_load.py

test: $(VENV)/built
	CI_STEPS="$(STEPS)" PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/run_all.sh

lint: $(VENV)/built
	STEPS=lint $(MAKE) test

bench: $(VENV)/built
	$(BIN)/python -m bench.run

format: $(VENV)/built
	$(BIN)/ruff check -q --fix .
	$(BIN)/ruff format -q .

# The package, its extras and the tools of its developers, in a virtual environment of this folder.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade pip setuptools
	$(BIN)/python -m pip install -q --disable-pip-version-check --group dev
	touch $@

$(VENV)/built: $(VENV)/installed setup.py $(CORE)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --editable '.[all]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info fastconnect/*.so fastconnect/_core.c .pytest_cache .mypy_cache .ruff_cache
