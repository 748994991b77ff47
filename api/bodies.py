"""The boundary: how large a body may be, and what counts as JSON (RFC 8259, RFC 7493) and as a form (WHATWG URL).

Refused before any endpoint sees it: duplicate keys, NaN and infinities, lone surrogates, NUL characters (in the
address too), deep nesting, other media types. Paths under `/v1/` take JSON, all others the forms of our pages: no
form of a foreign page reaches the API, and no JSON a page. A body is read whole, so it is bounded first.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, respond

MAX_BODY = 64 * 1024
"""Bytes of an ordinary body."""
MAX_EVENT_BODY = 1024 * 1024
"""Bytes of a body under `/v1/events/`: one notification may carry many alerts."""
EVENT_PATHS = "/v1/events/"
JSON_PATHS = "/v1/"
MAX_FIELDS = 500
"""Fields of a form."""
READ_WITHIN = 20.0
"""Seconds that a client gets to send its body: whoever drips holds a connection that others need."""
MAX_DISCARDED = 16 * 1024 * 1024
"""Bytes of a body too large that are read and forgotten before it is refused."""
DISCARD_WITHIN = 5.0
"""Seconds that this may take."""
REPEATED = "[]"
"""A field whose name ends so may come more than once; any other may not."""
MAX_DEPTH = 32
"""Levels of nesting."""
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class InvalidJson(ValueError):
    """The body is not strict JSON. The message names no content of the body."""


class InvalidForm(ValueError):
    """The body is not a strict form. The message names no content of the body."""


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of an `application/x-www-form-urlencoded` body, in order.

    Raises:
        InvalidForm: it is none in UTF-8, or one that two readers could understand differently.
    """
    try:
        text = body.decode("ascii")
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise InvalidForm("the body is not a form in UTF-8") from error
    if _BROKEN_ESCAPE.search(text):
        raise InvalidForm("a percent sign is not followed by two hexadecimal digits")
    if any("\x00" in part for field in fields for part in field):
        raise InvalidForm("a field holds a NUL character")
    single = [name for name, _ in fields if not name.endswith(REPEATED)]
    if len(set(single)) != len(single):
        raise InvalidForm(f"a field came twice whose name does not end in {REPEATED}")
    return fields


def parse_strict(body: bytes) -> Any:
    """Return the parsed body.

    Raises:
        InvalidJson: it is not JSON, or JSON that two readers could understand differently.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except InvalidJson:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidJson("the body is not JSON in UTF-8") from error
    _check(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJson("an object names one key twice")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise InvalidJson("NaN and infinities are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson("a number is too large")
    return number


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise InvalidJson(f"the body is nested deeper than {MAX_DEPTH} levels")


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key in value:
            _check_text(key)
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidJson("a text holds a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidJson("a text holds half a surrogate pair")


class StrictBodies:
    """Pure ASGI middleware: reads, bounds and checks each body, then hands it on unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            # PostgreSQL has no such text, so whatever it names is not there.
            problem = Problem(400, "address_invalid", "An address has no NUL character.")
            await respond(scope, problem)(scope, receive, send)
            return
        if scope["method"] not in _WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(scope, receive)
        except Problem as problem:
            await respond(scope, problem, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


async def _read(scope: Scope, receive: Receive) -> bytes:
    headers = Headers(scope=scope)
    limit = MAX_EVENT_BODY if scope["path"].startswith(EVENT_PATHS) else MAX_BODY
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        if (
            int(announced) <= MAX_DISCARDED and "expect" not in headers
        ):  # A client that asks first has sent nothing.
            await _discard(receive)
        raise _too_large(limit)
    try:
        async with asyncio.timeout(READ_WITHIN):
            body = await _receive_all(receive, limit)
    except TimeoutError as error:
        told = f"The body was not here within {READ_WITHIN:.0f} seconds."
        raise Problem(408, "body_too_slow", told) from error
    if body:
        _check_content(scope["path"], headers, body)
    return body


async def _receive_all(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "body_incomplete", "The connection closed before the body ended.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            if more:
                await _discard(receive)
            raise _too_large(limit)
    return bytes(body)


async def _discard(receive: Receive) -> None:
    """Forget what is still coming: closing on bytes that nobody read resets the connection, and the answer is lost."""
    seen, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_WITHIN):
            while more and seen <= MAX_DISCARDED:
                message = await receive()
                seen += len(message.get("body", b""))
                more = message.get("more_body", False)


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"A body here has at most {limit} bytes.")


def _check_content(path: str, headers: Headers, body: bytes) -> None:
    try:
        if path.startswith(JSON_PATHS):
            _check_media_type(headers, "application/json")
            parse_strict(body)
        else:
            _check_media_type(headers, "application/x-www-form-urlencoded")
            parse_form(body)
    except InvalidJson as error:
        raise Problem(400, "json_invalid", f"The body was refused: {error}.") from error
    except InvalidForm as error:
        raise Problem(400, "form_invalid", f"The form was refused: {error}.") from error


def _check_media_type(headers: Headers, wanted: str) -> None:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    plain = headers.get("content-encoding", "identity").lower() == "identity"
    if media_type.strip().lower() != wanted or charset not in ("", "utf-8") or not plain:
        raise Problem(415, "media_type_not_supported", f"Send {wanted} in UTF-8, not compressed.")


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again
