"""What Beam is spared in the process changes no result, no error, and nothing afterwards."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders import coders
from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.worker import statesampler
from apache_beam.transforms import core
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec

from common.lean_beam import lean_beam
from pipeline.beam import in_process
from pipeline.settings import ROOT

Way = Callable[[], AbstractContextManager[None]]


COUNT: Any = beam.DoFn.StateParam(ReadModifyWriteStateSpec("count", beam.coders.VarIntCoder()))


class Numbered(beam.DoFn):
    """Numbers the values of a key by a state of it, in the order in which they come."""

    def process(
        self, element: tuple[str, int], count: Any = COUNT
    ) -> Iterator[tuple[str, int, int]]:
        number = (count.read() or 0) + 1
        count.write(number)
        yield (*element, number)


class Times(beam.DoFn):
    """Multiplies; two steps of one class, and so of one method, that differ in what they hold."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def process(self, element: int, plus: int = 0) -> Iterator[int]:
        yield element * self.factor + plus


class Kept(beam.DoFn):
    """Keeps what comes; the worker is a thread of this process."""

    found: list = []  # noqa: RUF012

    def process(self, element: object) -> Iterator[None]:
        Kept.found.append(element)
        yield from ()


def results(way: Way) -> list:
    """What a pipeline with side inputs, combiners and state finds, in an order of its own."""
    Kept.found = []
    with way(), beam.Pipeline(argv=in_process(ROOT / "setup.py")) as pipeline:
        numbers = pipeline | beam.Create(range(100))
        total = numbers | beam.CombineGlobally(sum)
        doubled = numbers | "Double" >> beam.ParDo(Times(2))
        tripled = numbers | "Triple" >> beam.ParDo(Times(3), plus=1)
        whole, some = beam.pvalue.AsSingleton(total), beam.pvalue.AsIter(doubled)
        shares = doubled | beam.Map(lambda n, whole: ("share", n / whole), whole)
        seen = tripled | beam.Map(lambda n, some: ("seen", n in some), some)
        numbered = (
            numbers
            | beam.Map(lambda n: ("even" if n % 2 == 0 else "odd", 1))
            | beam.ParDo(Numbered())
        )
        counts = (
            numbers
            | beam.Map(lambda n: (n % 7, n))
            | beam.CombinePerKey(beam.combiners.MeanCombineFn())
        )
        _ = (shares, seen, numbered, counts) | beam.Flatten() | beam.ParDo(Kept())
    return sorted(Kept.found, key=str)


def test_results_are_the_same():
    lean = results(lean_beam)
    assert lean == results(contextlib.nullcontext)
    assert ("even", 1, 50) in lean
    assert len(lean) == 100 + 100 + 100 + 7


def failing(value: int) -> int:
    raise ArithmeticError(f"No {value} here.")


def test_an_error_names_the_step_as_before():
    def told(way: Way) -> str:
        with (
            pytest.raises(ArithmeticError) as raised,
            way(),
            beam.Pipeline(argv=in_process(ROOT / "setup.py")) as pipeline,
        ):
            _ = pipeline | beam.Create([7]) | "Divide" >> beam.Map(failing)
        return str(raised.value)

    assert told(lean_beam) == told(contextlib.nullcontext)
    assert "No 7 here." in told(lean_beam)
    assert "Divide" in told(lean_beam)


def test_a_state_that_is_declared_wrong_is_refused_as_before():
    class Twice(beam.DoFn):
        def process(self, element: object, a: Any = COUNT, b: Any = COUNT) -> Iterator[object]:
            yield element

    def told(way: Way) -> str:
        with (
            pytest.raises(ValueError, match="duplicate") as raised,
            way(),
            beam.Pipeline(argv=in_process(ROOT / "setup.py")) as pipeline,
        ):
            _ = pipeline | beam.Create([("a", 1)]) | beam.ParDo(Twice())
        return type(raised.value).__name__

    assert told(lean_beam) == told(contextlib.nullcontext)


def test_views_of_options_share_their_values_and_no_others():
    with lean_beam():
        options, others = PipelineOptions(["--job_name=a"]), PipelineOptions(["--job_name=b"])
        options.view_as(GoogleCloudOptions).labels = ["team=x"]
        options.view_as(StandardOptions).streaming = True
        assert options.view_as(GoogleCloudOptions).labels == ["team=x"]
        assert options.view_as(StandardOptions).view_as(GoogleCloudOptions).job_name == "a"
        assert options.get_all_options()["streaming"] is True
        assert others.view_as(GoogleCloudOptions).job_name == "b"
        assert others.view_as(GoogleCloudOptions).labels is None
        assert not others.view_as(StandardOptions).streaming
        changed = options.view_as(GoogleCloudOptions)
        changed.job_name = "c"
        assert pickle.loads(pickle.dumps(options)).view_as(GoogleCloudOptions).job_name == "c"


def test_beam_is_as_it_was_afterwards():
    def stock() -> list[object]:
        return [
            cloudpickle_pickler.bz2,
            statesampler.StateSampler,
            core.get_function_args_defaults,
            coders.deserialize_coder,
            PipelineOptions.view_as,
        ]

    before = stock()
    with pytest.raises(KeyError), lean_beam():
        assert not any(a is b for a, b in zip(stock(), before, strict=True))
        raise KeyError
    assert stock() == before
