"""What answers a form that was taken: another page to go to, or a short message beside the part that comes anew."""

from __future__ import annotations

import json

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from api.web.rendering import is_fragment_wanted


def go_to(request: Request, path: str) -> Response:
    """Send the reader to a page of ours: htmx by its header, a browser without scripts by a redirect (303)."""
    if is_fragment_wanted(request):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


def toast(text: str) -> dict[str, str]:
    """Return the header by which module toast.js tells that something was done."""
    return {"HX-Trigger": json.dumps({"sluice:toast": {"text": text, "tone": "ok"}})}
