"""Persons who ask at the same time are answered some at a time: the vectors of all items, whose reading takes the most
time of a score, are read once for these. Nobody waits for it: together are those whose requests have arrived already.
Not all of them at once, for then the first would wait for the last."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

SOME = 4  # with more, each waits longer for the others than the items take to be read

Waiting = deque[tuple[Any, asyncio.Future[Any]]]


class Together:
    """An async function (request) → its answer, by a function of the requests of some, which gives all their answers.
    Where that fails each is answered alone and is told its own error."""

    def __init__(self, answer_all: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._answer_all = answer_all
        self._waiting: dict[asyncio.AbstractEventLoop, Waiting] = {}

    async def __call__(self, asked: Any) -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if loop not in self._waiting:
            self._waiting[loop] = deque()
            loop.call_soon(self._answer_some, loop)  # when all that have arrived are here
        self._waiting[loop].append((asked, future))
        return await future

    def _answer_some(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer the first of those who wait, then, once these answers are sent, the next."""
        waiting = self._waiting[loop]
        some = [waiting.popleft() for _ in range(min(SOME, len(waiting)))]
        try:
            for (_, future), answer in zip(some, self._answer_all([asked for asked, _ in some]), strict=True):
                _answer(future, answer)
        except Exception:  # of one of them
            for asked, future in some:
                try:
                    (answer,) = self._answer_all([asked])
                    _answer(future, answer)
                except Exception as error:
                    if not future.done():
                        future.set_exception(error)
        if waiting:
            loop.call_soon(self._answer_some, loop)
        else:
            del self._waiting[loop]


def _answer(future: "asyncio.Future[Any]", answer: Any) -> None:
    if not future.done():  # whoever asked may have gone
        future.set_result(answer)
