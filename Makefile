# The front door: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PY := .venv/bin/python
INSTALLED := .venv/.installed
RUNS ?= runs
ARGS ?=

.PHONY: help run test chromium lint format tensorboard lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(INSTALLED) ## Set up, then run the whole pipeline here; ARGS="--help" tells the options
	@$(PY) local_runner.py $(ARGS)

test: $(INSTALLED) chromium ## Set up, then run the tests; ARGS="-k name" chooses
	$(PY) -m pytest -n auto --dist loadscope --no-loadscope-reorder -m "not slow and not cloud" $(ARGS)

# The report is opened in a browser too. Root in a Debian container gets one; elsewhere, without one,
# those tests are skipped and say so.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
		echo "Installing Chromium, in which the report is tested"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
			echo "Chromium could not be installed: tests in a browser are skipped"; \
	}

lint: $(INSTALLED) ## Check style and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	.venv/bin/basedpyright

format: $(INSTALLED) ## Put the code in shape
	$(PY) -m ruff check --fix
	$(PY) -m ruff format
	[ ! -d notebooks ] || .venv/bin/nbstripout notebooks/*.ipynb

tensorboard: $(INSTALLED) ## Look at the training of all runs, at http://localhost:6006; RUNS=folder of others
	.venv/bin/tensorboard --logdir $(RUNS)/pipeline/Trainer/model_run --host localhost $(ARGS)

lock: $(INSTALLED) ## Resolve setup.py anew, for Python 3.10 to 3.13
	.venv/bin/uv pip compile setup.py --extra dev --universal --python-version 3.10 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock
	.venv/bin/uv pip compile serving/requirements.in --constraint requirements.lock \
		--override serving/left-out.txt --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --output-file serving/requirements.lock

clean: ## Remove the environments, all runs and rehearsals
	rm -rf .venv .venv-bigquery .stack runs rehearsal

# The newest Python that fits this machine, and the stack for it; says which, and why.
$(INSTALLED): requirements.lock
	@python3 stacks/install.py .venv

# Slower proofs and benchmarks, which a project that `init` drafts does not have.
-include tests/proofs.mk
