"""Who may see a page: the gates of the web UI. A page asks for one of them as a JSON endpoint asks for a role.

| gate | lets through |
|---|---|
| `SignedIn` | anybody who is signed in and holds a role |
| `SignedInRequester`, `SignedInApprover`, `SignedInOperator`, `SignedInRequesterOrOperator` | holders of that role |
| `SignedInSecondPerson` | operators and approvers: they confirm, end and review break-glass |
| `SignedInEditor` | requesters, approvers and operators |
| `Everybody` | also strangers: the sign-in pages and the assets |

Each but the last yields the `Principal`, for the services; the whole session is in `request.state.session`,
for its display name and its end.
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from api.authentication import Gate, require_role
from api.cookie import MaybeSession
from api.problems import Problem
from contracts.principal import Principal, Role

HOME = "/"
READER = "sluice-reader"
"""Header that names whom the page was shown to (module guard.js)."""
_MAX_RETURN_TO = 1_000


class PageGate(Gate):
    """Lets through whoever is signed in and holds at least one of the roles."""

    async def __call__(self, request: Request, session: MaybeSession) -> Principal:
        """Return who is signed in.

        Raises:
            HTTPException: nobody is; its headers send the browser to the sign-in page.
            Problem: 401, nobody is and it was not a page that was asked for; 403, none of the roles; 409, the page that
                asks was shown to somebody else.
        """
        if session is None:
            raise _sign_in_first(request)
        refuse_other_reader(session.principal, request.headers.get(READER, ""))
        # Taken before anything is read: what changes from here on, the page hears of from the stream.
        request.state.after = request.app.state.feed.seen
        return require_role(session.principal, self.roles)


class OpenGate(Gate):
    """Lets everybody through, and says so where the route is declared."""

    async def __call__(self) -> None:
        """Do nothing."""


SignedIn = Annotated[Principal, Depends(PageGate(*Role))]
SignedInRequester = Annotated[Principal, Depends(PageGate(Role.REQUESTER))]
SignedInApprover = Annotated[Principal, Depends(PageGate(Role.APPROVER))]
SignedInOperator = Annotated[Principal, Depends(PageGate(Role.OPERATOR))]
SignedInRequesterOrOperator = Annotated[Principal, Depends(PageGate(Role.REQUESTER, Role.OPERATOR))]
SignedInEditor = Annotated[Principal, Depends(PageGate(Role.REQUESTER, Role.APPROVER, Role.OPERATOR))]
"""Whether they may edit this proposal depends on it: `contracts/approval.py` tells."""
SignedInSecondPerson = Annotated[Principal, Depends(PageGate(Role.OPERATOR, Role.APPROVER))]
Everybody = Annotated[None, Depends(OpenGate())]


def reader_mark(reader: Principal) -> str:
    """Return what tells one reader from another, as ASCII: a page carries it and sends it with whatever it asks."""
    return hashlib.sha256(reader.key.encode()).hexdigest()[:16]


def refuse_other_reader(reader: Principal, mark: str) -> None:
    """Refuse what comes from a page that somebody else was shown: in one browser people may follow one another.

    Raises:
        Problem: 409.
    """
    if mark and mark != reader_mark(reader):
        told = "Somebody else signed in in this browser since this page was shown. Load it anew, then go on."
        raise Problem(409, "reader_changed", told)


def _sign_in_first(request: Request) -> Exception:
    """A page goes to the sign-in page. A fragment stays where it is asked for: somebody may be writing there."""
    if request.method in ("GET", "HEAD") and "hx-request" not in request.headers:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return HTTPException(303, headers={"Location": sign_in_path(here)})
    return Problem(401, "unauthenticated", "Sign in first: nobody is signed in here, or the session is over.")


def sign_in_path(return_to: str) -> str:
    """Return where to sign in and come back from."""
    wanted = safe_return_to(return_to)
    return "/login" if wanted == HOME else f"/login?return_to={quote(wanted, safe='')}"


def safe_return_to(given: str | None) -> str:
    r"""Return a path of this site to go to after signing in; home for everything else.

    Only what a browser can read in one way passes: it starts with one `/`, and holds no backslash, control
    character, space or text beyond ASCII (WHATWG URL drops tabs and line feeds and takes `\\` for `/`).
    """
    if not given or len(given) > _MAX_RETURN_TO or not given.startswith("/") or given.startswith("//"):
        return HOME
    if "\\" in given or any(not "!" <= character <= "~" for character in given):
        return HOME
    path = urlsplit(given).path
    return HOME if path.startswith(("/login", "/logout", "//")) else given.partition("#")[0]
