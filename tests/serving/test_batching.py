"""Requests that come together are answered together, each with its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from serving.refusals import InputError, UnavailableError
from serving.versions.batching import Batcher


class Doubler:
    """A signature that doubles, refuses negative values, and waits where it is told to."""

    inputs = ("x",)

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.calls.append(len(columns["x"]))
        self.gate.wait()
        if (columns["x"] < 0).any():
            raise InputError("It is negative.", "Send it without the sign.")
        if (columns["x"] == 1313).any():
            raise ZeroDivisionError
        return {"y": columns["x"] * 2}


def batched(test: Callable[[Batcher, Any], Any], **options: Any) -> Any:
    """Runs a test with a batcher, in an event loop."""

    async def run() -> Any:
        limits: dict[str, Any] = {"window": 0, "max_rows": 8, "max_waiting": 100}
        batcher = Batcher(**limits | options)
        try:
            return await test(batcher, Doubler())
        finally:
            batcher.close()

    return asyncio.run(run())


async def ask(batcher: Batcher, signature: Any, *values: float) -> list[float]:
    answer = await batcher.answer(signature, {"x": np.array(values)})
    return answer["y"].tolist()


def test_requests_of_one_turn_are_one_call():
    async def test(batcher, doubler):
        answers = await asyncio.gather(*(ask(batcher, doubler, i, i + 0.5) for i in range(4)))
        assert answers == [[2 * i, 2 * i + 1] for i in range(4)]
        assert doubler.calls == [8]

    batched(test)


def test_what_gathers_while_the_model_is_busy_is_the_next_batch():
    async def test(batcher, doubler):
        doubler.gate.clear()
        first = asyncio.create_task(ask(batcher, doubler, 1))
        while not doubler.calls:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(ask(batcher, doubler, i)) for i in range(2, 7)]
        await asyncio.sleep(0)
        assert batcher.waiting == 5
        doubler.gate.set()
        assert await asyncio.gather(first, *rest) == [[2 * i] for i in range(1, 7)]
        assert doubler.calls == [1, 5]

    batched(test)


def test_a_window_waits_for_company():
    async def test(batcher, doubler):
        first = asyncio.create_task(ask(batcher, doubler, 1))
        for _ in range(5):  # Turns of the loop in which, without a window, it would be called.
            await asyncio.sleep(0)
        assert doubler.calls == []
        second = asyncio.create_task(ask(batcher, doubler, 2))
        assert await asyncio.gather(first, second) == [[2], [4]]
        assert doubler.calls == [2]

    batched(test, window=0.2)


def test_a_batch_has_a_limit_and_a_larger_request_is_answered_whole():
    async def test(batcher, doubler):
        answers = await asyncio.gather(*(ask(batcher, doubler, *range(n)) for n in (5, 5, 30, 2)))
        assert [len(answer) for answer in answers] == [5, 5, 30, 2]
        # The first and the last fit together; the second would have been too much.
        assert sorted(doubler.calls) == [2, 5, 5, 30]

    batched(test)


def test_signatures_are_not_mixed():
    async def test(batcher, doubler):
        other = Doubler()
        answers = await asyncio.gather(
            *(ask(batcher, one, i) for i, one in enumerate((doubler, other, doubler, other)))
        )
        assert answers == [[0], [2], [4], [6]]
        assert (doubler.calls, other.calls) == ([2], [2])

    batched(test)


def test_a_request_that_can_t_be_read_spoils_no_other():
    async def test(batcher, doubler):
        results = await asyncio.gather(
            *(ask(batcher, doubler, value) for value in (1, -2, 3)), return_exceptions=True
        )
        assert results[0] == [2] and results[2] == [6]
        assert isinstance(results[1], InputError)

    batched(test)


def test_what_fails_otherwise_fails_for_all_and_the_next_is_answered():
    async def test(batcher, doubler):
        results = await asyncio.gather(
            ask(batcher, doubler, 1), ask(batcher, doubler, 1313), return_exceptions=True
        )
        assert [type(result) for result in results] == [ZeroDivisionError] * 2
        assert await ask(batcher, doubler, 5) == [10]

    batched(test)


def test_one_whose_client_has_gone_is_not_asked_for():
    async def test(batcher, doubler):
        gone = asyncio.create_task(ask(batcher, doubler, 1))
        stays = asyncio.create_task(ask(batcher, doubler, 2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == [4]
        assert doubler.calls == [1]

    batched(test)


def test_more_than_may_wait_are_told_to_come_again():
    async def test(batcher, doubler):
        tasks = [asyncio.create_task(ask(batcher, doubler, i)) for i in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="3 requests wait"):
            await ask(batcher, doubler, 4)
        assert await asyncio.gather(*tasks) == [[0], [2], [4]]

    batched(test, max_waiting=3)
