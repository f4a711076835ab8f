"""Persons who ask at the same time are scored together: the vectors of all items, whose reading takes the most time of
a score, are read once for all of them. Nobody waits for it: together are those whose requests have arrived already."""

import asyncio
from typing import Any

from scipy import sparse

from autorec.array_types import FloatArray
from autorec.models.recommending import score_people, score_person

Scored = tuple[FloatArray, bool]  # see `score_person`
Key = tuple[asyncio.AbstractEventLoop, Any]  # a loop, and a model, of which two are there in a swap


class Together:
    """An async function (model, history, row) → what `score_person` makes of them, to the same bits."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[tuple[sparse.csr_array, int, asyncio.Future[Scored]]]] = {}

    async def __call__(self, model: Any, history: sparse.csr_array, row: int) -> Scored:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Scored] = loop.create_future()
        if (loop, model) not in self._waiting:
            self._waiting[loop, model] = []
            loop.call_soon(self._score, (loop, model))  # when all that have arrived are here
        self._waiting[loop, model].append((history, row, future))
        return await future

    def _score(self, key: Key) -> None:
        people, model = self._waiting.pop(key), key[1]
        try:
            all_scored = score_people(model, [person[:2] for person in people])
            for (*_, future), scored in zip(people, all_scored, strict=True):
                _answer(future, scored)
        except Exception:  # of one of them: each is told its own
            for history, row, future in people:
                try:
                    _answer(future, score_person(model, history, row))
                except Exception as error:
                    if not future.done():
                        future.set_exception(error)


def _answer(future: "asyncio.Future[Scored]", scored: Scored) -> None:
    if not future.done():  # whoever asked may have gone
        future.set_result(scored)
