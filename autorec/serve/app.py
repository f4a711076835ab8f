"""The app: which path is answered by what.

A request is computed where it arrives, in the event loop: it takes about a millisecond, less than handing it to a
thread and back would save. Explanations and interviews may take a second: they are made in threads beside it, one at a
time. What a request may ask for is bounded by `serve.messages`.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Response
from pydantic_core import to_json
from starlette.routing import Route

from autorec import __version__, threads
from autorec.serve import answers
from autorec.serve.guard import MOST_BYTES, SECONDS, Guard
from autorec.serve.messages import (
    MOST_LISTED,
    ExplainRequest,
    InterviewRequest,
    PredictRequest,
    RecommendRequest,
    SimilarRequest,
    WhatIfRequest,
)
from autorec.serve.metrics import CONTENT_TYPE, Metrics
from autorec.serve.problems import answer_errors
from autorec.serve.route import MessageRoute
from autorec.serve.served import Live, Served
from autorec.serve.together import Together

InTurn = Callable[[Callable[[Served, Any], answers.Answer], Any], Awaitable[answers.Answer]]

KEY = "AUTOREC_API_KEY"  # environment variable

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build(live: Live, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> FastAPI:
    """The ASGI app that answers by the model of `live`, which is loaded when the app starts, unless it is."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.load()
        live.refresh()  # a worker that takes the place of another is forked from a process with the first model
        threads.use_one_thread()  # a request is too small for several, and other workers have the other cores
        live.follow()
        yield
        live.close()

    app = FastAPI(title="AutoRec", version=__version__, lifespan=lifespan, redoc_url=None)
    app.router.route_class = MessageRoute
    metrics = Metrics(live)
    key = os.environ.get(KEY) or None
    app.add_middleware(Guard, metrics=metrics, key=key, most_bytes=most_bytes, seconds=seconds)
    answer_errors(app)
    _add_answers(app, live, metrics, _in_turn(live, seconds))
    _add_health(app, live, metrics)
    metrics.paths = {route.path for route in app.routes if isinstance(route, Route)}
    return app


def _in_turn(live: Live, seconds: float) -> InTurn:
    """An async function (answer, asked) → answer of the current model, made in a thread when those before are done; 503
    where they take longer than so many seconds."""
    turn = threading.Lock()

    async def answer_in_turn(answer: Callable[[Served, Any], answers.Answer], asked: Any) -> answers.Answer:
        def work() -> answers.Answer:
            if not turn.acquire(timeout=seconds):
                raise HTTPException(503, "others are being answered at length; ask again later", {"Retry-After": "10"})
            try:
                return answer(_current(live), asked)
            finally:
                turn.release()

        return await asyncio.to_thread(work)

    return answer_in_turn


def _add_answers(app: FastAPI, live: Live, metrics: Metrics, in_turn: InTurn) -> None:
    together = Together(answers.recommend_all)

    @app.post("/recommend")
    async def recommend(asked: RecommendRequest) -> Response:
        """The n best items of a known user, of a posted history, or of both."""
        if asked.reasons:
            answer = await in_turn(answers.recommend, asked)
        else:
            answer = await together(answers.prepare(_current(live), asked))
        if answer["source"] != "model":
            metrics.observe_fallback()
        return _json(answer)

    @app.post("/predict")
    async def predict(asked: PredictRequest) -> Response:
        """The ratings that a person would give to items."""
        return _json(answers.predict(_current(live), asked))

    @app.post("/explain")
    async def explain(asked: ExplainRequest) -> Response:
        """What each rating of a person contributes to the score of an item."""
        return _json(await in_turn(answers.explain, asked))

    @app.post("/what-if")
    async def what_if(asked: WhatIfRequest) -> Response:
        """The list of a person with other ratings, and the rank of each item before."""
        if asked.reasons:
            return _json(await in_turn(answers.what_if, asked))
        return _json(answers.what_if(_current(live), asked))

    @app.post("/interview")
    async def interview(asked: InterviewRequest) -> Response:
        """The items to ask a person about next."""
        return _json(await in_turn(answers.interview, asked))

    @app.post("/similar")
    async def similar(asked: SimilarRequest) -> Response:
        """The nearest items of items."""
        return _json(answers.similar(_current(live), asked))

    @app.get("/items")
    async def items(
        search: Annotated[str, Query(max_length=200)] = "", n: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20
    ) -> Response:
        """The items whose title holds the text, the most rated first."""
        return _json(answers.search(_current(live), search, n))


def _add_health(app: FastAPI, live: Live, metrics: Metrics) -> None:
    page = files("autorec.exports").joinpath("page", "index.html").read_bytes()

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(page, media_type="text/html", headers=_PAGE_HEADERS)

    @app.get("/health/live")
    async def alive() -> Response:
        """Whether the process answers."""
        return _json({"status": "alive"})

    @app.get("/health/ready")
    async def ready() -> Response:
        """Whether a model is loaded, and which."""
        return _json({"status": "ready", "model": _current(live).facts})

    @app.get("/metrics")
    async def measured() -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.to_text(), media_type=CONTENT_TYPE)


def _current(live: Live) -> Served:
    if live.current is None:
        raise HTTPException(503, "the model is being loaded; ask again in a moment", {"Retry-After": "1"})
    return live.current


def _json(answer: Any) -> Response:
    return Response(to_json(answer), media_type="application/json")


def build_from(path: str | Path) -> FastAPI:
    """The app of the model in the folder `path`; what a worker process calls."""
    return build(Live(path))
