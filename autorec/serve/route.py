"""A route that takes a message as its body: the JSON is checked while it is read, in one pass.

FastAPI itself makes Python objects of all of it first and checks them then, which takes a history twice as long.
"""

from inspect import signature
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from autorec.serve.messages import Message
from autorec.serve.problems import problem


class MessageRoute(APIRoute):
    """For the paths that are asked by POST: their one argument is the message, its class the type of the argument."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.takes_message = "POST" in (self.methods or ())
        if self.takes_message:
            (argument,) = signature(self.endpoint).parameters.values()
            self.message: type[Message] = argument.annotation

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for this path."""
        if self.takes_message and scope["method"] == "POST":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not _is_json(request.headers.get("content-type", "")):
            return problem(415, "send JSON, with Content-Type: application/json")
        try:
            asked = self.message.model_validate_json(await request.body())
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
        response: Response = await self.endpoint(asked)
        return response


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))
