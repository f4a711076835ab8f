"""What stands before the app: key, size of the body, time to send it; and what is measured of every request."""

import asyncio
import hmac
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autorec.serve.metrics import Metrics
from autorec.serve.problems import problem

MOST_BYTES = 2**20  # of a body; 10,000 ratings take about 400,000
SECONDS = 10.0  # to send a body

_OPEN = ("/", "/health/live", "/health/ready")  # without a key: the page asks for it


class Guard:
    """An ASGI app in front of another. key: that requests have to bring as `X-API-Key`; None: any may come."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, key: str | None, most_bytes: int = MOST_BYTES, seconds: float = SECONDS
    ) -> None:
        self.app, self.metrics, self.most_bytes, self.seconds = app, metrics, most_bytes, seconds
        self.key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        def count(status: int) -> None:
            self.metrics.observe(scope["path"], status, time.perf_counter() - start)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])  # first: whoever has an answer finds it counted
            try:
                await send(message)
            except RuntimeError as error:  # of uvloop, where the client has gone and uvicorn does not know it yet
                if "closed" not in str(error):
                    raise

        try:
            await self._let_in(scope, receive, send_counted)
        except Exception:
            count(500)  # the answer to it is sent outside
            raise

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if self.key is not None and scope["path"] not in _OPEN:
            given = headers.get(b"x-api-key", b"")
            if not hmac.compare_digest(given, self.key):
                refusal = problem(401, "the API key is missing or wrong; send it as the header X-API-Key")
                await refusal(scope, receive, send)
                return
        try:
            body = await self._read(headers.get(b"content-length"), receive)
        except _Refused as refused:
            answer = problem(refused.status, refused.sentence, {"Connection": "close"})
            await answer(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)

    async def _read(self, length: bytes | None, receive: Receive) -> bytes:
        """The whole body."""
        too_large = _Refused(413, f"the body is larger than {self.most_bytes:,} bytes; send fewer ratings or ids")
        if length is not None and length.isdigit() and int(length) > self.most_bytes:
            raise too_large
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(self.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refused(400, "the body ended early")
                    parts.append(message.get("body", b""))
                    size, more = size + len(parts[-1]), message.get("more_body", False)
                    if size > self.most_bytes:
                        raise too_large
        except TimeoutError:
            raise _Refused(408, f"the body took longer than {self.seconds:g} seconds; send it at once") from None
        return b"".join(parts)


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        self.status, self.sentence = status, sentence


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body as one message, then what comes."""
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
