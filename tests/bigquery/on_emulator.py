"""Runs a module whose BigQuery is the emulator: URL PROJECT MODULE ARGUMENTS."""

from __future__ import annotations

import runpy
import sys

import emulated
import pytest

if __name__ == "__main__":
    _, url, project, module, *arguments = sys.argv
    emulated.connect(pytest.MonkeyPatch(), url, project)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
