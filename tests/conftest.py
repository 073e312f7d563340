"""Before any test loads TensorFlow or starts a process."""

import signal
from collections.abc import Generator
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from common.environment import set_environment
from common.imports import without_garbage_collection

set_environment()
# A suite started in the background may inherit that Ctrl-C is ignored, and would hand it on.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


LONGEST_FIRST = (
    *("tests/end_to_end/test_rehearsal.py", "tests/end_to_end/test_another_table.py"),
    *("tests/cloud", "tests/models", "tests/end_to_end/test_local_run.py"),
    *("tests/end_to_end/test_killed_run.py", "tests/pipeline", "tests/report", "tests/serving"),
    *("tests/declared", "tests/end_to_end/test_bad_input.py"),
)
"""Groups of tests that take minutes; all others begin after them."""


def group(nodeid: str) -> str:
    """Tests that share fixtures, and so run in one process: of a room, or of a file."""
    path = PurePosixPath(nodeid.partition("::")[0])
    by_file = path.parent.name in ("end_to_end", "bigquery")
    return str(path) if by_file else "/".join(path.parts[:2])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Else a process would be alone with minutes of work when all others have ended."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(group(item.nodeid), len(places)))


class ByGroup(LoadScopeScheduling):
    """Hands out whole groups. Those of xdist would do, but since pytest 9 it does not see them."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup:
    return ByGroup(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Test modules load all of TFX."""
    with without_garbage_collection():
        return (yield)
