"""Spares Transform two of the seven times that it traces the `preprocessing_fn`.

Three are to find out which columns it reads, all alike, before a row is seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

from tensorflow_transform import impl_helper

_TRACE = impl_helper.trace_preprocessing_function

Preprocess = Callable[..., Any]


@contextlib.contextmanager
def one_trace() -> Iterator[None]:
    """Traces it once for all who only look at the graph, in this process."""
    traced: dict[Any, Any] = {}

    def trace(
        preprocessing_fn: Preprocess, input_specs: Mapping[str, Any], *options: Any, **more: Any
    ) -> Any:
        if options or more != {"use_tf_compat_v1": False}:  # One that is to run, say.
            return _TRACE(preprocessing_fn, input_specs, *options, **more)
        key = preprocessing_fn, frozenset(input_specs.items())
        if key not in traced:
            traced.clear()
            traced[key] = _TRACE(preprocessing_fn, input_specs, **more)
        return traced[key]

    with mock.patch.object(impl_helper, "trace_preprocessing_function", trace):
        yield
