# `make` lists what there is. Needed: Python 3.11, 3.12 or 3.13, git, make. Three variables change how it runs:
# PYTHON=/path/to/python chooses the interpreter, VENV=folder the environment, WORKERS=4 how many tests at once.

VENV ?= .venv
WORKERS ?= 2
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
BIN := $(VENV)/bin
EVERYTHING := dev,docs,hub,paper,portable,prepare,ray,s3,study,train
SITE := build/site

export PYTHON
export PYTHONSAFEPATH := 1

.PHONY: help demo readme-numbers test quick coverage lint type wheel bench bench-peers faults mutants gpu docs notebook constraints clean core everything site
.NOTPARALLEL:

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 22

demo: core ## set up, then compare all models on rendered faces
	$(BIN)/bench run --model all --report --out runs/demo

test: everything ## set up, then run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SPREAD)

quick: everything ## set up, then run the tests of single parts that need no torch, without long simulations, in a minute
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(SPREAD) tests/core tests/statistics tests/datasets/folders \
	  tests/reports/tables tests/reports/formats \
	  --deselect tests/statistics/test_comparisons.py::test_false_alarms_stay_rare \
	  --deselect tests/statistics/test_comparisons.py::test_true_ranks_are_inside_for_equal_models

coverage: everything ## set up, run the tests, and list the lines that they do not reach in process
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SPREAD) --cov

lint: site ## style, formatting, and which part may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=$(SITE) $(BIN)/lint-imports --no-cache

type: site ## types, checked on the wheel
	MYPYPATH=$(SITE) $(BIN)/mypy -p fesbench

wheel: site ## build the wheel, install it in a clean environment, import all of it
	rm -rf build/clean
	$(BIN)/python -m venv build/clean
	build/clean/bin/python -m pip install -qq --disable-pip-version-check --no-compile \
	  --constraint "$$(.ci/constraints $(BIN)/python)" "$$(echo dist/*.whl)[study]"
	build/clean/bin/python .ci/check_installed.py
	rm -rf build/clean

bench: everything ## time the parts against their peers
	$(BIN)/pytest benchmarks

bench-peers: everything ## time the metrics against their authors' programs, in an environment of their own (FACES=folder)
	@.ci/environment build/peers dev,paper
	build/peers/bin/python -m pip install -qq --disable-pip-version-check --requirement benchmarks/peers.txt
	build/peers/bin/python -m pip install -qq --disable-pip-version-check --force-reinstall --no-deps \
	  "$$(grep -o '^opencv-python-headless<[0-9]*' benchmarks/peers.txt)" # pyiqa brought another cv2
	$(if $(FACES),,rm -rf build/faces && $(BIN)/bench data export-edits rendered build/faces)
	OMP_NUM_THREADS=2 build/peers/bin/python benchmarks/metrics_against_peers.py \
	  $(or $(FACES),build/faces/inputs) --images $(or $(N),200)
	build/peers/bin/pytest benchmarks/test_frechet.py benchmarks/test_regression.py

faults: everything ## damage files of every kind and kill what writes them, N times each (default 20)
	FAULT_INPUTS=$(or $(INPUTS),300) $(BIN)/pytest -s tests/fuzz
	$(BIN)/python benchmarks/kills.py --kills $(or $(N),20)

readme-numbers: demo ## run the demo, then write its table into README.md
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/readme_numbers.py --demo runs/demo

mutants: site ## change formulas at random places, list the changes that no test notices, and write docs/mutants.md
	$(BIN)/python -m venv build/cosmic-ray
	build/cosmic-ray/bin/python -m pip install -qq --disable-pip-version-check 'cosmic-ray>=8.4'
	PYTHONPATH=benchmarks build/cosmic-ray/bin/python benchmarks/mutants.py --python $(BIN)/python --site $(SITE)

gpu: everything ## check and time this machine's GPU, and write docs/gpu.md
	$(BIN)/pytest -m gpu
	PYTHONPATH=benchmarks $(BIN)/python benchmarks/gpu.py

docs: everything ## build the documentation into build/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning docs build/docs

notebook: everything ## run docs/notebook.ipynb and store its outputs
	$(BIN)/python docs/run_notebook.py

constraints: ## move the pins of this Python to the newest versions that fit
	$(or $(PYTHON),python3.11) constraints/refresh.py

clean: ## remove what the other targets made, runs excepted
	rm -rf $(VENV) .tox build dist *.egg-info

core:
	@.ci/environment $(VENV) portable,prepare,study

everything:
	@.ci/environment $(VENV) $(EVERYTHING)

# The wheel as it will be installed, unpacked where static tools can see it.
site: everything
	rm -rf dist $(SITE)
	$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	$(BIN)/python -m pip install -qq --no-deps --target $(SITE) dist/*.whl
