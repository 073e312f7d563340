# The front door: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
PY := .venv/bin/python
INSTALLED := .venv/.installed
ARGS ?=

.PHONY: help run test chromium test-cloud test-bigquery lint format bench notebook tensorboard lock
.PHONY: clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(INSTALLED) ## Set up, then run the whole pipeline here; ARGS="--help" tells the options
	@$(PY) local_runner.py $(ARGS)

test: $(INSTALLED) chromium ## Set up, then run all tests but the next two; ARGS="-k name" chooses
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

lint: $(INSTALLED) ## Check style and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	.venv/bin/basedpyright

format: $(INSTALLED) ## Put the code in shape
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	.venv/bin/nbstripout notebooks/*.ipynb

bench: $(INSTALLED) ## Compare speed and quality with the stock way and with the physical limit
	@$(PY) -m benchmarks.run $(ARGS)

notebook: $(INSTALLED) ## Explore the births and the last run, at http://localhost:8888
	.venv/bin/jupyter lab --ip localhost notebooks/explore.ipynb $(ARGS)

tensorboard: $(INSTALLED) ## Look at the training of all runs, at http://localhost:6006
	.venv/bin/tensorboard --logdir runs/pipeline/Trainer/model_run --host localhost $(ARGS)

lock: $(INSTALLED) ## Resolve setup.py anew, for Python 3.10 to 3.13
	.venv/bin/uv pip compile setup.py --extra dev --universal --python-version 3.10 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	.venv/bin/uv pip compile tests/bigquery/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file tests/bigquery/requirements.lock

clean: ## Remove the environments, all runs and rehearsals
	rm -rf .venv .venv-bigquery runs rehearsal

# The tfx 1.16 stack needs Python 3.10. uv comes from the lock too; a first one is fetched to read it.
$(INSTALLED): requirements.lock
	@for python in python3.10 "$$(uv python find 3.10 2>/dev/null)"; do \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.10 is missing: the tfx 1.16 stack runs on no other. Install it, for example with" >&2; \
		echo "'pyenv install 3.10', 'uv python install 3.10' or 'apt install python3.10-venv', and try again." >&2; \
		exit 1; \
	fi; \
	set -e; \
	echo "Setting up .venv with $$python (about a minute, 3.5 GB)"; \
	rm -rf .venv; \
	"$$python" -m venv .venv; \
	$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	.venv/bin/uv pip sync --quiet --python $(PY) --compile-bytecode requirements.lock; \
	touch $@

.venv-bigquery/.installed: tests/bigquery/requirements.lock $(INSTALLED)
	@echo "Setting up .venv-bigquery for the emulator, which needs Python 3.11 or newer"
	@.venv/bin/uv venv --quiet --clear --python '>=3.11,<3.14' .venv-bigquery
	@.venv/bin/uv pip sync --quiet --python .venv-bigquery/bin/python --compile-bytecode $<
	@touch $@
