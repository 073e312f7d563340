"""A run on a laptop loads no client of Vertex AI or Kubeflow; what is used loads all the same."""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.imports import without_garbage_collection

PROJECT = Path(__file__).parents[2]

PROGRAM = """
import json, sys
from common.imports import load_less

load_less()
from pipeline.local import engines, runner
from pipeline import pipeline
import report.component
from tfx import v1 as tfx

names = "google.cloud.aiplatform", "kubernetes", "rfc3987_syntax", "altair"
for module in list(sys.modules.values()):  # As Beam looks, to see what memory a value takes.
    vars(module), getattr(module, "__file__", None)
loaded = [[name for name in names if name in sys.modules]]
trainer = tfx.extensions.google_cloud_ai_platform.Trainer
compiler = tfx.orchestration.experimental.KubeflowV2DagRunner
loaded.append([name for name in names if name in sys.modules])
print(json.dumps([*loaded, trainer.__module__, compiler.__module__]))
"""


def test_what_no_run_calls_is_not_loaded_until_it_is_used():
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, trainer, compiler = json.loads(ended.stdout.splitlines()[-1])
    assert before == ["altair"]
    assert after == ["google.cloud.aiplatform", "kubernetes", "altair"]
    assert trainer.startswith("tfx.extensions.google_cloud_ai_platform.trainer")
    assert compiler == "tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner"


def test_nothing_is_collected_while_modules_load_and_all_is_after():
    with pytest.raises(ModuleNotFoundError), without_garbage_collection():
        assert not gc.isenabled()
        importlib.import_module("there_is_no_such_module")
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
