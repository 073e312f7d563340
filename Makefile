# The front door: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PY := .venv/bin/python
INSTALLED := .venv/.installed
ARGS ?=

.PHONY: help run test chromium test-cloud test-bigquery test-stack lint format bench notebook tensorboard lock
.PHONY: clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(INSTALLED) ## Set up, then run the whole pipeline here; ARGS="--help" tells the options
	@$(PY) local_runner.py $(ARGS)

test: $(INSTALLED) chromium ## Set up, then run all tests but the next three; ARGS="-k name" chooses
	$(PY) -m pytest -m "not cloud" $(ARGS)

test-cloud: $(INSTALLED) ## Prove that image, Dataflow jobs and the whole pipeline work, on this machine
	$(PY) -m pytest -m cloud $(ARGS)

# The report is opened in a browser too. Root in a Debian container gets one; elsewhere, without one,
# those tests are skipped and say so.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
		echo "Installing Chromium, in which the report is tested"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
			echo "Chromium could not be installed: tests in a browser are skipped"; \
	}

test-bigquery: $(INSTALLED) .venv-bigquery/.installed ## Prove that both ingestion engines make the same examples
	BQEMULATOR_PYTHON=.venv-bigquery/bin/python $(PY) -m pytest tests/bigquery $(ARGS)

test-stack: ## Prove that the project works on the other stack too, on this machine
	@python3 stacks/prove.py

lint: $(INSTALLED) ## Check style and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	.venv/bin/basedpyright

format: $(INSTALLED) ## Put the code in shape
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	.venv/bin/nbstripout notebooks/*.ipynb

bench: $(INSTALLED) ## Compare speed and quality with the stock way and with the physical limit
	@$(PY) -m benchmarks.compare $(ARGS)

notebook: $(INSTALLED) ## Explore the data and the last run, at http://localhost:8888
	.venv/bin/jupyter lab --ip localhost notebooks/explore.ipynb $(ARGS)

tensorboard: $(INSTALLED) ## Look at the training of all runs, at http://localhost:6006
	.venv/bin/tensorboard --logdir runs/pipeline/Trainer/model_run --host localhost $(ARGS)

lock: $(INSTALLED) ## Resolve setup.py anew, for Python 3.10 to 3.13
	.venv/bin/uv pip compile setup.py --extra dev --universal --python-version 3.10 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	.venv/bin/uv pip compile tests/bigquery/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file tests/bigquery/requirements.lock

clean: ## Remove the environments, all runs and rehearsals
	rm -rf .venv .venv-bigquery .stack runs rehearsal

# The newest Python that fits this machine, and the stack for it; says which, and why.
$(INSTALLED): requirements.lock
	@python3 stacks/install.py .venv

.venv-bigquery/.installed: tests/bigquery/requirements.lock $(INSTALLED)
	@echo "Setting up .venv-bigquery for the emulator, which needs Python 3.11 or newer"
	@.venv/bin/uv venv --quiet --clear --python '>=3.11,<3.14' .venv-bigquery
	@.venv/bin/uv pip sync --quiet --python .venv-bigquery/bin/python --compile-bytecode $<
	@touch $@
