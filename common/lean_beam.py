"""Spares Beam, where it runs in the process, what it does for machines that are far away.

A first run on few rows spends more time on Beam's graph than on examples, and much of that on the
things below. None of them changes what a pipeline makes.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from types import MethodType, SimpleNamespace
from typing import Any
from unittest import mock

from apache_beam.coders import coders
from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import statesampler
from apache_beam.transforms import core
from apache_beam.typehints import decorators

Arguments = tuple[list[str], list[Any]]
"""Names of a function's arguments, and the defaults of the last ones."""


@contextlib.contextmanager
def lean_beam() -> Iterator[None]:
    """Spares it in this process: for Beam's runner in memory, and no other."""
    instead = [
        # Every function is pickled several times; bzip2 is for messages with a limit.
        (cloudpickle_pickler, "bz2", SimpleNamespace(compress=_as_it_is, decompress=_as_it_is)),
        # Each bundle would wait for a thread to start and to end that times its steps.
        (statesampler, "StateSampler", _UntimedSampler),
        # To weigh a side input for its cache, all modules of the process are looked through.
        (worker_handlers, "STATE_CACHE_SIZE_MB", 0),
        # The same few methods are inspected six times for each step.
        (core, "get_function_args_defaults", _inspected_once(core.get_function_args_defaults)),
        # Each step asks, by parsing all options anew.
        (PipelineOptions, "view_as", _viewed_once(PipelineOptions.view_as)),
        # The same few coders are unpickled for each bundle and each of its steps.
        (coders, "deserialize_coder", functools.cache(coders.deserialize_coder)),
        # For warnings: where each type hint stands, and the source of each function.
        (decorators.IOTypeHints, "_make_origin", lambda *_, **__: []),
        (core, "_check_fn_use_yield_and_return", lambda _: False),
    ]
    with contextlib.ExitStack() as spared:
        for owner, name, replacement in instead:
            spared.enter_context(mock.patch.object(owner, name, replacement))
        yield


def _as_it_is(pickled: bytes, compresslevel: int = 0) -> bytes:
    return pickled


class _UntimedSampler(statesampler.StateSampler):
    """Knows the step at work, not how long it has been: nobody here reads that."""

    def start(self) -> None:
        self.tracked_thread = threading.current_thread()
        statesampler.set_current_tracker(self)
        self.started = True

    def stop(self) -> None:
        statesampler.set_current_tracker(None)
        self.finished = True


def _inspected_once(inspect: Callable[[Any], Arguments]) -> Callable[[Any], Arguments]:
    """`inspect`, which remembers methods: what one is bound to does not change its arguments."""
    of_method = functools.cache(lambda function: inspect(MethodType(function, object())))

    def arguments(function: Any) -> Arguments:
        if not isinstance(function, MethodType):
            return inspect(function)
        names, defaults = of_method(function.__func__)
        return [*names], [*defaults]

    return arguments


def _viewed_once(view_as: Callable[[Any, type], Any]) -> Callable[[Any, type], Any]:
    """`view_as`, which remembers views: all of some options share one store of values."""
    views: dict[tuple[int, type], Any] = {}

    def view(options: Any, cls: type) -> Any:
        key = id(options._all_options), cls  # A view that is remembered keeps its store alive.
        if key not in views:
            views[key] = view_as(options, cls)
        return views[key]

    return view
