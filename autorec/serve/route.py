"""A route that takes a message as its body: the JSON is checked while it is read, in one pass.

FastAPI itself makes Python objects of all of it first and checks them then, which takes a history twice as long.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError

from autorec.serve.problems import problem


class MessageRoute(APIRoute):
    """For the paths that are asked by POST: their one argument is the message, its class the type of the argument."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request; FastAPI asks for it once."""
        if "POST" not in (self.methods or ()):
            return super().get_route_handler()
        (argument,) = inspect.signature(self.endpoint).parameters.values()

        async def answer(request: Request) -> Response:
            if not _is_json(request.headers.get("content-type", "")):
                return problem(415, "send JSON, with Content-Type: application/json")
            try:
                asked = argument.annotation.model_validate_json(await request.body())
            except ValidationError as error:
                raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
            response: Response = await self.endpoint(asked)
            return response

        return answer


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))
