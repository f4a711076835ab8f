"""Connections for several workers that listen on one socket, each worker about as many as another.

Where the kernel deals them out, by a hash, or to whoever wakes up first, one worker may have twice as many as another:
those who ask it wait, while the other has nothing to do.
"""

import asyncio
import errno
import mmap
import socket
from collections.abc import Callable, Collection
from typing import Any

import uvicorn

_MOMENT = 0.005  # seconds that a worker leaves a connection to one with fewer, longer than that is mostly busy
_UNEVEN = 9 / 8  # as many as another, or an eighth more: else of many that come at once each would wait for a turn
_PAUSE = 1  # seconds until the next try where a connection cannot be had, as with too many open files
_GONE = (errno.EAGAIN, errno.ECONNABORTED)  # another worker has it, or nobody any more

Counts = memoryview  # [workers] open connections of each, in memory that all of them share


def share_counts(workers: int) -> Counts:
    """Zeros [workers] that processes forked from this one read and write."""
    return memoryview(mmap.mmap(-1, 4 * workers)).cast("I")


class Acceptor:
    """Accepts connections in the event loop of a worker until `close`; has what uvicorn asks of a server.

    listening: the socket of all workers, which does not block. make_protocol: for each connection. connections: those
    that are open, counted in counts[number].
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Collection[Any],
        counts: Counts,
        number: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._make_protocol, self._connections = listening, make_protocol, connections
        self._counts, self._number = counts, number
        self._making: set[asyncio.Task[Any]] = set()
        self._later: asyncio.TimerHandle | None = None
        counts[number] = 0  # a worker in whose place this one is may have had some
        self._loop.add_reader(listening, self._look)

    def close(self) -> None:
        """Accept no more."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Return when the last connection is made."""
        await asyncio.gather(*self._making, return_exceptions=True)

    def _look(self) -> None:
        """Accept what is there until another worker has fewer connections: then leave it to that one for a moment."""
        self._counts[self._number] = len(self._connections) + len(self._making)
        while self._counts[self._number] <= min(self._counts) * _UNEVEN:
            if not self._accept():
                return
        self._leave_for(_MOMENT)

    def _leave_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._accept_then_look)

    def _accept_then_look(self) -> None:
        self._later = None
        self._loop.add_reader(self._listening, self._look)
        self._accept()

    def _accept(self) -> bool:
        """Whether there was a connection."""
        try:
            connection, _ = self._listening.accept()
        except OSError as error:
            if error.errno not in _GONE:
                self._leave_for(_PAUSE)
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        making = self._loop.create_task(self._loop.connect_accepted_socket(self._make_protocol, connection))
        self._counts[self._number] += 1
        self._making.add(making)
        making.add_done_callback(self._making.discard)
        return True


class Worker(uvicorn.Server):
    """The server of one of several workers, see `Acceptor`."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, counts: Counts, number: int) -> None:
        super().__init__(config)
        self._accepting = listening, counts, number

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        listening, counts, number = self._accepting
        listening.setblocking(False)
        acceptor: Any = Acceptor(listening, self._make_protocol, self.server_state.connections, counts, number)
        self.servers = [acceptor]

    def _make_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
