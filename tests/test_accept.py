"""Connections are dealt out evenly among workers on one socket; requests that have arrived are answered some
at a time."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from autorec.serve.accept import Acceptor, share_counts
from autorec.serve.together import SOME, Together


class Counted(asyncio.Protocol):
    """A protocol that adds itself to `connections` while it is connected."""

    def __init__(self, connections: set[Any]) -> None:
        self.connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.connections.discard(self)


async def until(reached: Any) -> None:
    while not reached():
        await asyncio.sleep(0)


def test_workers_have_about_as_many_connections_each() -> None:
    """Three workers of one loop; one of them begins late, as in the place of one that was killed, and catches up."""

    async def run() -> list[int]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            sockets = [listening.dup() for _ in range(3)]  # as forked processes have them
            counts, sides = share_counts(3), [set[Any]() for _ in range(3)]
            counts[2] = 7  # of the one before

            def begin(number: int) -> Acceptor:
                own = sides[number]
                return Acceptor(sockets[number], lambda: Counted(own), own, counts, number)

            for one in sockets:
                one.setblocking(False)
            acceptors = [begin(0), begin(1)]
            writers: list[asyncio.StreamWriter] = []
            for total in range(1, 31):
                if total == 13:
                    acceptors.append(begin(2))
                _, writer = await asyncio.open_connection(*listening.getsockname())
                writers.append(writer)
                await until(lambda total=total: sum(map(len, sides)) == total)
            for acceptor in acceptors:
                acceptor.close()
                await acceptor.wait_closed()
            sizes = list(map(len, sides))
            for one in [*writers, *sockets]:
                one.close()
            await until(lambda: not any(sides))
            return sizes

    found = asyncio.run(run())
    assert sum(found) == 30 and max(found) - min(found) <= 6


def test_a_connection_that_cannot_be_had_is_left_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised in the loop, neither where another worker was first nor where files are too many."""
    monkeypatch.setattr("autorec.serve.accept._PAUSE", 0)

    class Broken:
        def __init__(self, listening: socket.socket) -> None:
            self.listening, self.errors = listening, [errno.EAGAIN, errno.EMFILE, errno.EMFILE]

        def fileno(self) -> int:
            return self.listening.fileno()

        def accept(self) -> Any:
            if self.errors:
                raise OSError(self.errors.pop(), "no")
            return self.listening.accept()

    async def run() -> None:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            connections: set[Any] = set()
            broken: Any = Broken(listening)
            acceptor = Acceptor(broken, lambda: Counted(connections), connections, share_counts(1), 0)
            _, writer = await asyncio.open_connection(*listening.getsockname())
            await until(lambda: connections)
            acceptor.close()
            writer.close()
            await until(lambda: not connections)
        assert not broken.errors and not failures

    asyncio.run(run())


def test_the_first_are_answered_before_the_last_are_begun() -> None:
    events: list[str] = []

    def answer_all(asked: Sequence[int]) -> list[int]:
        events.extend(f"begun {one}" for one in asked)
        if -1 in asked:
            raise ValueError("of one")
        return [2 * one for one in asked]

    async def run() -> list[Any]:
        together = Together(answer_all)

        async def ask(one: int) -> Any:
            answer = await together(one)
            events.append(f"answered {one}")
            return answer

        return await asyncio.gather(*map(ask, [*range(2 * SOME), -1, 99]), return_exceptions=True)

    answers = asyncio.run(run())
    assert answers[:-2] == [2 * one for one in range(2 * SOME)] and answers[-1] == 198
    assert isinstance(answers[-2], ValueError)
    assert events.index(f"answered {SOME - 1}") < events.index(f"begun {SOME}")
