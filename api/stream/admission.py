"""Whether the caller of an open stream may still read: streams end with the token or session that opened them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.security import HTTPBearer

from api.authentication import TokenOrSessionGate
from api.parts import ApiParts
from api.problems import Problem
from contracts.errors import StoreUnavailable
from contracts.principal import Role

_bearer = HTTPBearer(auto_error=False)
_reader = TokenOrSessionGate(*Role)


class Admission:
    """Asked again and again while a stream is open. Fails closed when it cannot be confirmed for `lapse` seconds."""

    def __init__(self, ask: Callable[[], Awaitable[bool]], lapse: float) -> None:
        self._ask = ask
        self._lapse = lapse
        self._confirmed_at = time.monotonic()

    async def holds(self) -> bool:
        """Tell whether the stream may go on."""
        try:
            if not await self._ask():
                return False
        except StoreUnavailable:
            return time.monotonic() - self._confirmed_at < self._lapse
        self._confirmed_at = time.monotonic()
        return True


async def may_read(request: Request, parts: ApiParts) -> bool:
    """Authenticate the request once more, as `ReaderByTokenOrSession` did when it came.

    Raises:
        StoreUnavailable: nobody can tell.
    """
    try:
        await _reader(request, parts, await _bearer(request))
    except Problem:
        return False
    return True
