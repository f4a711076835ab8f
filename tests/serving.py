"""What the tests of the service share: models, their folders, and an app that is asked without a network."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

import autorec
from autorec.serve.app import build
from autorec.serve.served import Live

COMMAND = [sys.executable, "-m", "autorec", "serve"]
SAMPLE = autorec.load_sample()


def rating_model(seed: int = 0) -> Any:
    """A small AutoRec of the sample."""
    return autorec.AutoRec(hidden=8, epochs=2, validation=0, penalty="l2:10", random_state=seed).fit(SAMPLE)


class Asked:
    """The app of a model folder; a call is a request, its result the httpx response."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.live = Live(folder)
        self.live.load()
        self.app = build(self.live, **limits)

    def __call__(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)  # an error of the app is raised here
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.request(method, path, **content)

        return asyncio.run(ask())

    def post(self, path: str, body: Any) -> Any:
        """The answer to a body that is to be answered."""
        response = self("POST", path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, method: str, path: str, **content: Any) -> tuple[int, str]:
        """Status and sentence of a request that is to be refused."""
        response = self(method, path, **content)
        assert response.headers["content-type"] == "application/problem+json", response.text
        told = response.json()
        assert set(told) == {"type", "title", "status", "detail"} and told["status"] == response.status_code
        return response.status_code, told["detail"]


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The process and a client of it; it is killed where it has not ended."""
    words = [*COMMAND, str(folder), "--port", "0", "--json", *map(str, options)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        told = ""
        while "}" not in told:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            told += line
        with httpx.Client(base_url=json.loads(told)["url"], timeout=60) as client:
            yield process, client
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers hold the pipes too
        process.communicate()
