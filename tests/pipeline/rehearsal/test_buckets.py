"""Names of buckets become those of folders, and come back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.errors import UserError
from pipeline.rehearsal.buckets import Buckets


def test_names_of_buckets_go_in_and_come_back(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "a b")
    there = json.dumps({"inner": json.dumps({"uri": "gs://my-bucket.x/dir", "n": "gs://other"})})
    here = buckets.local(there)
    assert "gs://" not in here
    inner = json.loads(json.loads(here)["inner"])
    assert inner["uri"] == str(tmp_path / "a b" / "my-bucket.x" / "dir")
    assert buckets.remote(here) == there
    assert buckets.remote_json(json.loads(here)) == json.loads(there)
    assert buckets.local("gs:// and gs://*") == "gs:// and gs://*"


def test_a_folder_that_json_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quote or backslash"):
        Buckets(tmp_path / 'a"b')
