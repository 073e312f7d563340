# Slower proofs, benchmarks and the notebook, all about this project's own table.
.PHONY: test-slow test-cloud test-attack test-bigquery test-stack test-tensorflow-serving bench notebook lock-bigquery soak

ON_ALL_CORES := -n auto --dist loadscope --no-loadscope-reorder
WITH_EMULATOR := BQEMULATOR_PYTHON=.venv-bigquery/bin/python

test-slow: $(INSTALLED) chromium ## Prove what takes many whole runs: edits, kills, tuning, other tables, reports of runs
	$(PY) -m pytest $(ON_ALL_CORES) -m "slow and not cloud" $(ARGS)

test-cloud: $(INSTALLED) ## Prove that image, Dataflow jobs and the whole pipeline work, on this machine
	$(PY) -m pytest $(ON_ALL_CORES) -m cloud $(ARGS)

test-attack: $(INSTALLED) ## Try a thousand bad inputs, and kill a hundred runs: nothing may be lost, all be named
	$(PY) -m pytest -n0 -rP tests/attack/inputs.py tests/models/killed_training.py \
		tests/attack/kills.py $(ARGS)

test-bigquery: $(INSTALLED) .venv-bigquery/.installed ## Prove that both ingestion engines make the same examples
	$(WITH_EMULATOR) $(PY) -m pytest $(ON_ALL_CORES) tests/bigquery $(ARGS)

.venv-bigquery/.installed: tests/bigquery/requirements.lock $(INSTALLED)
	@echo "Setting up .venv-bigquery for the emulator, which needs Python 3.11 or newer"
	@.venv/bin/uv venv --quiet --clear --python '>=3.11,<3.14' .venv-bigquery
	@.venv/bin/uv pip sync --quiet --python .venv-bigquery/bin/python --compile-bytecode $<
	@touch $@

test-stack: ## Prove that the project works on the other stack too, on this machine
	@python3 stacks/prove.py

test-tensorflow-serving: $(INSTALLED) ## Hold TensorFlow Serving itself to the tests of its REST API that our server passes; takes docker
	@PYTHONPATH=.:tests/support $(PY) tests/serving/stock_server.py $(ARGS)

soak: $(INSTALLED) ## Ask a server for ten minutes while versions come, go and are corrupt, and workers are killed
	@PYTHONPATH=.:tests/support $(PY) tests/serving/soak.py $(ARGS)

bench: $(INSTALLED) ## Compare speed and quality with the stock way and with the physical limit
	@PYTHONPATH=.:tests/support $(PY) -m benchmarks.compare $(ARGS)

notebook: $(INSTALLED) ## Explore the data and the last run, at http://localhost:8888
	.venv/bin/jupyter lab --ip localhost $(if $(filter 0,$(shell id -u)),--allow-root) \
		notebooks/explore.ipynb $(ARGS)

lock: lock-bigquery
lock-bigquery: $(INSTALLED)
	.venv/bin/uv pip compile tests/bigquery/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --output-file tests/bigquery/requirements.lock
