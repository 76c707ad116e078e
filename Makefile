# CI and people call only these targets; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The optional packages for their tests; an environment over .venv, which keeps its own versions.
EXTRAS_VENV := .venv-extras
EXTRAS_BIN := $(EXTRAS_VENV)/bin
EXTRAS_STAMP := $(EXTRAS_VENV)/.installed

# Variables of a run: make reproduce DATASET=fer2013 DATA_DIR=data/raw EPOCHS=5 SEED=1
DATASET ?= synthetic
DATA_DIR ?=
PROTOCOL ?=
SEED ?= 0
SIZE ?=
SET ?=
NOTEBOOKS ?=
# Notebooks at the same time (JOBS=1: one after the other, for times that nothing disturbs)
JOBS ?=
# More options of pytest: make test PYTEST_OPTIONS=--durations=25
PYTEST_OPTIONS ?=
# Devices that train one model: DEVICES=all, or a number
DEVICES ?=
# Options of the dataset: OPTION="fold=3 classes=7"
OPTION ?=
# Settings of an experiment as variables: their names in capitals. A test compares both lists with `for_all` of the fields
# in fer_tf/experiments/settings.py.
SETTINGS := EPOCHS BATCH_SIZE LEARNING_RATE OPTIMIZER SCHEDULE PLATEAU PATIENCE DROPOUT WIDTH CLASS_WEIGHTS SAMPLING \
	LOSS LABEL_SMOOTHING MIXUP WEIGHT_DECAY L2 IMAGE_SIZE IMAGE_CHANNELS WEIGHTS RESOLUTION STEM \
	HEAD_LEARNING_RATE FREEZE_NORM CROPS MARGIN DEPTH FACE_NET MATCHING_RATE MATCHING_POWER \
	WARMUP CLIP_NORM EMA PRECISION SALIENCY ROTATION ZOOM SHIFT FLIP BRIGHTNESS CONTRAST COLOR PERSPECTIVE ERASE LIMIT JIT
# Settings that cannot have one value for all notebooks: some models refuse it, or it would undo their comparisons.
PARTICULAR := BACKBONE HEAD_EPOCHS UNFREEZE ATTENTION NORMALISE BIAS_WEIGHT READING MATCHING_EPOCHS FACE_NET_EPOCHS SALIENT_BY \
	PASSES FROZEN_UNTIL SHAPE PAIR_RELU POOLED SIZES TEACHER TEACHER_SHARE TEMPERATURE TEACHER_VIEWS
lower = $(shell echo $(1) | tr A-Z a-z)
# Only from make's own command line: a shell may have a COLOR or WIDTH of its own.
given = $(filter command,$(firstword $(origin $(1))))
OVERRIDES = $(foreach name,$(SETTINGS),$(if $(call given,$(name)),--set $(call lower,$(name))=$($(name)))) \
	$(foreach item,$(SET),--set $(item)) $(foreach item,$(OPTION),--option $(item))
OPTIONS = --dataset $(DATASET) --seed $(SEED) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)") \
	$(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(SIZE),--size $(SIZE)) $(OVERRIDES)

ON_DEVICES = $(if $(DEVICES),--devices $(DEVICES))

KNOWN := $(SETTINGS) DEVICES DATASET DATA_DIR PROTOCOL SEED SIZE SET OPTION NOTEBOOKS JOBS QUEUE PYTEST_OPTIONS PYTHON VENV
EMPTY :=
GIVEN := $(foreach item,$(subst \$(EMPTY) ,_,$(MAKEOVERRIDES)),$(firstword $(subst =, ,$(item))))
$(foreach name,$(filter $(PARTICULAR),$(GIVEN)),$(error $(name) does not fit all notebooks; write for one: \
	NOTEBOOKS=03_transfer_vgg16_mobilenet SET="$(call lower,$(name))=$($(name))", or fer-tf train ... --set))
$(foreach name,$(filter-out $(KNOWN) SHELL MAKE%,$(GIVEN)),$(error unknown variable $(name); allowed are $(KNOWN)))
$(foreach name,$(SETTINGS),$(if $(filter environment,$(firstword $(origin $(name)))),\
	$(warning $(name) of the environment is not used; write: make ... $(name)=$($(name)))))

.DEFAULT_GOAL := help
.PHONY: help setup extras test test-all test-extras reproduce queue lab lint format bench report clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
	@echo '  variables of reproduce: DATASET DATA_DIR PROTOCOL OPTION SEED SIZE NOTEBOOKS JOBS DEVICES SET and most settings (EPOCHS=5 BATCH_SIZE=32 …)'

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@echo "making $(VENV) and installing requirements.txt (about 1 GB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

setup: $(STAMP)  ## make .venv and install everything into it

extras: $(STAMP)  ## install the packages for export, exported models, a cluster and tests in a browser
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet -e ".[export,cluster,test]"

$(EXTRAS_STAMP): $(STAMP)
	@echo "making $(EXTRAS_VENV) over $(VENV): the optional packages (once) ..."
	@$(BIN)/python -m venv --clear --without-pip $(EXTRAS_VENV)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(EXTRAS_BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/over.pth"
	@PYTHONWARNINGS=ignore $(EXTRAS_BIN)/python -m pip install --quiet -e ".[export,test]"
	@$(EXTRAS_BIN)/python -c 'import ai_edge_litert, onnx, onnxruntime, playwright, tf2onnx' \
		2> $(EXTRAS_VENV)/imports.log || { cat $(EXTRAS_VENV)/imports.log; exit 1; }
	@touch $@

reproduce: $(STAMP)  ## execute all notebooks and build reports/index.html
	@$(BIN)/python -m fer_tf reproduce $(OPTIONS) $(if $(JOBS),--jobs $(JOBS)) $(ON_DEVICES) $(NOTEBOOKS)

QUEUE ?= queues/measured.csv
queue: $(STAMP)  ## train the runs of queues/measured.csv (QUEUE=mine.csv: another list); resumes if it was stopped
	@$(BIN)/python -m fer_tf queue $(QUEUE) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)") $(ON_DEVICES)

test: lint  ## check style; run unit and contract tests, and every notebook at smoke size
	@$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(PYTEST_OPTIONS)

test-all: lint  ## run all tests, also the slow ones; says how long it took
	@start=$$(date +%s); $(BIN)/python -m pytest -m "" $(PYTEST_OPTIONS); code=$$?; \
	echo "make test-all took $$((($$(date +%s) - start + 30) / 60)) minutes"; exit $$code

test-extras: $(EXTRAS_STAMP)  ## test export, exported models and the demo page in a browser, with their packages in .venv-extras
	@$(EXTRAS_BIN)/python -m pytest -n 2 --dist loadfile -m "extras and not slow" $(PYTEST_OPTIONS)

lint: $(STAMP)  ## check style with ruff, type hints with mypy, and the words of the prose
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet fer_tf tests benchmarks
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python .ci/words.py

format: $(STAMP)  ## fix style with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format fer_tf tests benchmarks

lab: $(STAMP)  ## open JupyterLab on the notebooks with this environment's kernel
	@$(BIN)/jupyter lab --notebook-dir=. notebooks/00_eda.ipynb

bench: $(STAMP)  ## run the benchmarks; they print ratios side by side
	@failed=; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "did not finish:$$failed (see above; some need 'make extras' or real data)"; exit 1; }

report: $(STAMP)  ## build reports/index.html from the records on disk
	@$(BIN)/python -m fer_tf report

clean:  ## remove what runs wrote (not .venv, not data)
	@find reports -mindepth 1 -maxdepth 1 ! -name results -exec rm -rf {} +
	@find models -mindepth 1 -maxdepth 1 ! -name bundled ! -name README.md -exec rm -rf {} +
	@rm -rf data/cache .pytest_cache .ruff_cache
