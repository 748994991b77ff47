from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi.routing import APIRoute

from api.app import ROUTERS
from tests.docs.pages import rows


def operations() -> Iterator[tuple[str, str]]:
    """Method and path of every operation under `/v1/`."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path.startswith("/v1/"):
                yield from ((method, route.path) for method in route.methods or ())


def is_told(method: str, path: str, calls: list[str]) -> bool:
    """Tell whether a call names the method and how the path ends; the page leaves out what repeats."""
    last = [part for part in path.split("/") if not part.startswith("{")][-1]
    ending = rf"(/{last}|…)/\{{id\}}" if path.endswith("}") else rf"/{last}\b(?!/)"
    return any(re.search(rf"\b{method}\b", call) and re.search(ending, call) for call in calls)


def test_the_page_has_every_operation() -> None:
    calls = [row[0] for row in rows("api.md")]
    assert [f"{method} {path}" for method, path in operations() if not is_told(method, path, calls)] == []
