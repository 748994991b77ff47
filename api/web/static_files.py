"""Scripts and styles, as `make assets` built them: named by content, so a browser may keep them for ever.

`manifest.json` maps a logical name (`app.css`) to its file (`app.3f9c1a.css`). Files are few and small: they are read
once and served from memory, compressed where the build left a `.gz` beside them.
"""

from __future__ import annotations

import json
import mimetypes
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.problems import not_found
from contracts.errors import ConfigurationInvalid

BUILT = Path(__file__).parent / "static"
PREFIX = "/assets"
_FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@cache
def manifest() -> dict[str, str]:
    """Return logical name → file name.

    Raises:
        ConfigurationInvalid: the assets were never built.
    """
    try:
        found: dict[str, str] = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid("the web pages' assets are not built: run `make assets`") from error
    return found


def asset(name: str) -> str:
    """Return the address of a built file by its logical name.

    Raises:
        ConfigurationInvalid: the build has no such file.
    """
    try:
        return f"{PREFIX}/{manifest()[name]}"
    except KeyError as error:
        raise ConfigurationInvalid(f"the web pages' assets hold no {name}: run `make assets`") from error


@cache
def _contents(name: str) -> tuple[bytes, bytes | None]:
    plain, packed = BUILT / name, BUILT / f"{name}.gz"
    return plain.read_bytes(), packed.read_bytes() if packed.exists() else None


@router.get(PREFIX + "/{name}")
async def built_file(name: str, request: Request) -> Response:
    """Serve one built file. Public: it holds code and styles, nothing about anybody."""
    if name not in manifest().values():
        raise not_found("asset")
    plain, packed = _contents(name)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(plain, media_type=media_type, headers=headers)
