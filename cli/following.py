"""Follows a proposal or a request to its rest: one line per state on standard error, a spinner where people watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import message_console, say
from cli.session import Session
from cli.text import harmless, words

if TYPE_CHECKING:
    from api.proposals.schemas import ProposalView

_FIRST_PAUSE = 0.15
_LONGEST_PAUSE = 1.0


def fetch(session: Session, proposal_id: str) -> ProposalView:
    """Return a proposal as this session's identity sees it."""
    from api.proposals.schemas import ProposalView

    return ProposalView.model_validate(session.api.get(f"/v1/proposals/{path_part(proposal_id)}"))


def path_part(given: str) -> str:
    """Return an id as one safe part of a path.

    Raises:
        CommandFailed: it cannot be an id.
    """
    if not given or not given.isascii() or not given.replace("_", "").replace("-", "").isalnum():
        raise CommandFailed(f"{harmless(given, 60)!r} is not an id", ExitCode.USAGE)
    return given


def follow(
    session: Session, proposal_id: str, *, until: Callable[[ProposalView], bool], timeout: float
) -> ProposalView:
    """Poll until `until` holds and return the last view; tell each change of state.

    Raises:
        CommandFailed: `PENDING`, the time is over. The proposal goes on.
    """
    told: tuple[str, str | None] | None = None
    for waited in _polls(timeout):
        view = fetch(session, proposal_id)
        now = (view.state.value, view.held_on)
        if now != told and not session.is_json:
            why = f" ({harmless(view.reason_code, 80)})" if view.reason_code else ""
            held = f", held on {harmless(view.held_on, 80)}" if view.held_on else ""
            say(f"  {words(view.state.value)}{why}{held}")
        told = now
        if until(view):
            return view
        waited(f"{words(view.state.value)}…")
    hint = f"it goes on: `sluice {session.identity()}proposals watch {proposal_id}`"
    raise CommandFailed(f"{proposal_id} is not done after {timeout:g} s", ExitCode.PENDING, hint)


def follow_request(session: Session, request_id: str, *, timeout: float) -> dict[str, Any]:
    """Poll a request until it has its outcome.

    Raises:
        CommandFailed: `PENDING`, the time is over.
    """
    for waited in _polls(timeout):
        found: dict[str, Any] = session.api.get(f"/v1/requests/{request_id}")
        if found["status"] not in ("received", "planning"):
            return found
        waited(f"{found['status']}…")
    hint = f"it goes on: GET /v1/requests/{request_id}"
    raise CommandFailed(f"{request_id} has no outcome after {timeout:g} s", ExitCode.PENDING, hint)


def _polls(timeout: float) -> Iterator[Callable[[str], None]]:
    """Yield once per poll what the caller calls with a line to show meanwhile; pause in between."""
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    with _spinner() as show:
        while True:
            yield show
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, _LONGEST_PAUSE)


@contextmanager
def _spinner() -> Iterator[Callable[[str], None]]:
    console = message_console()
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.text import Text

    with console.status("…") as status:
        yield lambda line: status.update(Text(line))
