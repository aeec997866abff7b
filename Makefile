# `make demo` and `make test` work on a fresh machine; each sets up its environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PIP := $(BIN)/python $(INSTALL)
# other libraries, which benchmarks only need, stay apart
RIVALS := .venv-rivals

.PHONY: demo test federation-test lint format bench rivals clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	$(BIN)/fedqml run breast_cancer
	$(BIN)/fedqml run ablation_small
	$(BIN)/fedqml report

test: $(VENV)/.development lint
	$(BIN)/pytest

# real processes on loopback; those that need nginx (apt-get install nginx-light) skip without it
federation-test: $(VENV)/.development
	$(BIN)/pytest -m federation tests

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.development
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python benchmarks/rounds.py
	$(BIN)/python benchmarks/low_depth.py
	$(BIN)/python benchmarks/peak.py
	$(BIN)/python benchmarks/head.py
	$(BIN)/python benchmarks/circuits.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/federation.py
	$(BIN)/python benchmarks/aggregation.py
	$(BIN)/python benchmarks/large_model.py
	$(BIN)/python benchmarks/robustness.py
	$(BIN)/python benchmarks/federated_rules.py

rivals: $(RIVALS)/.installed
	$(RIVALS)/bin/python benchmarks/rivals.py
	$(RIVALS)/bin/python benchmarks/rivals_aggregation.py

clean:
	rm -rf $(VENV) $(RIVALS) results report build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fedqml needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fedqml into $(VENV) (once; some minutes, most of them PyTorch)"
	$(PIP) --editable .
	@touch $@

$(VENV)/.development: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fedqml and its checks into $(VENV) (once; some minutes, most of them PyTorch)"
	$(PIP) --editable ".[dev]"
	@touch $@ $(VENV)/.runtime

# of ByzFL only what needs no torchvision is used
$(RIVALS)/.installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv $(RIVALS)
	@echo "Installing fedqml and its rivals into $(RIVALS) (once; some minutes)"
	$(RIVALS)/bin/python $(INSTALL) --requirement benchmarks/requirements.txt --editable ".[flower]"
	$(RIVALS)/bin/python $(INSTALL) --no-deps byzfl==0.0.11
	@touch $@
