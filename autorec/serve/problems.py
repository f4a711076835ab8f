"""Errors as problem+json (RFC 9457): a status and one sentence that says what was got, what is allowed, what to do."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from autorec.errors import AutoRecError

log = logging.getLogger("autorec.serve")


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The answer with this status."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(to_json(body), status, headers, "application/problem+json")


def answer_errors(app: FastAPI) -> None:
    """Have all errors of the app answered by a problem; what is no error of the request is logged and is a 500."""

    async def refused(request: Request, error: Any) -> Response:
        return problem(422, " ".join(str(error).split()))

    async def invalid(request: Request, error: Any) -> Response:
        return problem(*_first_of(error.errors()))

    async def http(request: Request, error: Any) -> Response:
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"there is no {request.url.path}; /docs lists what there is"
        if error.status_code == 405:
            detail = f"{request.method} is not allowed here; allowed: {(error.headers or {}).get('Allow', 'see /docs')}"
        return problem(error.status_code, detail, error.headers)

    async def failed(request: Request, error: Any) -> Response:
        return problem(500, "the service failed at this request; its log says why")

    app.add_exception_handler(AutoRecError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, failed)


def _first_of(errors: Any) -> tuple[int, str]:
    """Status and sentence of what is wrong first, with the place; the value itself may be personal and is not told."""
    error = errors[0]
    if error["type"] == "json_invalid":
        return 400, f"the body is not JSON: {error.get('ctx', {}).get('error', error['msg'])}"
    place = ".".join(str(part) for part in error["loc"] if part != "body")
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return 422, f"{place or 'the body'}: {error['msg']}{more}; /docs says what is allowed"
