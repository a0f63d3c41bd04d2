# Every target does the set-up it needs; a second call sets up nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

MODEL ?= mistral
ARGS ?=
WORKERS ?= 2
EXTRAS := web lm-eval dense docs dev
GPUS ?= 1
CHOICES = model=$(MODEL) $(if $(DATASET),dataset=$(DATASET)) $(if $(TEMPLATE),template=$(TEMPLATE)) \
  $(if $(TRAINER),trainer=$(TRAINER)) $(if $(EXPERIMENT),experiment=$(EXPERIMENT)) $(ARGS)
LAUNCH = $(if $(filter-out 1,$(GPUS)),$(BIN)/torchrun --standalone --nproc_per_node=$(GPUS) -m medft,$(BIN)/medft)

.DEFAULT_GOAL := help
.PHONY: help setup train plan prepare sweep compare runs list evaluate chat upload test test-gpu lint bench results docs screenshots lock clean

help: ## this list
	@echo "medft: fine-tune open LLMs on medical data"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  MODEL=  DATASET=  TEMPLATE=  TRAINER=  EXPERIMENT="
	@echo "  ARGS=\"key=value ...\"  GPUS=4"
	@echo
	@echo "examples"
	@echo "  make train MODEL=mistral"
	@echo "  make train MODEL=gemma DATASET=medquad ARGS=\"dataset.path=medquad.csv trainer.max_steps=200\""
	@echo "  make sweep ARGS=\"model=gemma,mistral seed=1,2,3\""
	@echo "  make upload MODEL=mistral REPO=you/mistral-medical"

setup: $(READY) ## create the virtual environment, every package pinned with hashes

$(READY): requirements.lock bootstrap.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.platform == "linux" else \
	  f"medft runs on Linux, on Windows inside WSL 2, and not on {sys.platform}: use a Linux machine or container")'
	@test ! -e /dev/kfd || echo "medft uses CUDA GPUs or the CPU: the AMD GPU of this machine will not be used"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 13) else \
	  f"medft needs Python 3.11 or 3.12, and $(PYTHON) is {v.major}.{v.minor}: make setup PYTHON=python3.11")'
	@echo "setting up $(VENV) (once: a download of some GB, 9 GB on disk)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r bootstrap.lock
	@$(BIN)/uv pip sync -q --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock bootstrap.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

train: $(READY) ## fine-tune: MODEL, DATASET, TEMPLATE, TRAINER, EXPERIMENT, ARGS, GPUS
	@$(LAUNCH) train $(CHOICES)

plan: $(READY) ## what a run would do, and whether it fits (dry run); GPUS too
	@WORLD_SIZE=$(GPUS) $(BIN)/medft plan $(CHOICES)

prepare: $(READY) ## read, clean, split and examine DATASET
	@$(BIN)/medft prepare $(if $(DATASET),dataset=$(DATASET)) $(ARGS)

sweep: $(READY) ## one run for every combination in ARGS
	@$(BIN)/medft train -m $(if $(ARGS),$(ARGS),model=gemma,llama2,mistral,llama3_1)

compare: $(READY) ## all finished runs in one figure
	@$(BIN)/medft compare $(ARGS)

runs: $(READY) ## list runs
	@$(BIN)/medft runs $(ARGS)

list: $(READY) ## the choices: WHAT=models|datasets|templates|trainers|suites|experiments
	@$(BIN)/medft list $(WHAT) $(ARGS)

evaluate: $(READY) ## base against tuned model, on the newest run
	@$(BIN)/medft evaluate $(if $(RUN),run=$(RUN)) $(ARGS)

chat: $(READY) ## talk to runs in the browser, on this machine only
	@$(BIN)/medft serve $(if $(RUN),run=$(RUN)) $(ARGS)

upload: $(READY) ## publish the newest run of MODEL to REPO=user/name
	@$(BIN)/medft upload run=$(or $(RUN),$(MODEL)/latest) repo=$(REPO) $(ARGS)

test: $(READY) ## lint, types and tests, by WORKERS=2 processes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@HF_HUB_OFFLINE=1 WANDB_MODE=offline $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-gpu: $(READY) ## every family at full size on this machine's GPU, half an hour -> artifacts/gpu/results.md
	@HF_HUB_OFFLINE=1 WANDB_MODE=offline $(BIN)/python -m pytest -p no:xdist tests/gpu $(ARGS)

lint: $(READY) ## format and fix what can be fixed
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(READY) ## measure; prints tables, asserts nothing
	@for file in tests/benchmarks/bench_*.py; do HF_HUB_OFFLINE=1 $(BIN)/python -m "$$(echo $${file%.py} | tr / .)"; done

results: $(READY) ## a study of a real model -> docs/results.md: ARGS="paths.medquad=medquad.csv ..."; takes hours, resumes when called again
	@$(BIN)/medft study study=smollm2 $(ARGS) || test $$? = 3  # 3: the verdict is not to ship
	@cp -r artifacts/studies/smollm2/figures docs/ && cp artifacts/studies/smollm2/study.md docs/results.md

docs: $(READY) ## bring docs/ up to date, and build it as a site in build/docs
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

screenshots: $(READY) ## the pictures of docs/screenshots, from a study of two tiny twins; needs chromium
	@$(BIN)/python -m tools.screenshots

lock: ## resolve pyproject.toml anew into requirements.lock
	@$(BIN)/uv pip compile -q --universal $(EXTRAS:%=--extra %) --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o requirements.lock pyproject.toml

clean: ## remove the environment and caches; runs and data stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
