"""`sluice policy shadow`: where a candidate that runs beside the live policies would have decided otherwise."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import say, table, write_json
from cli.session import Session, command
from cli.text import harmless, words


@command
def shadow(
    session: Session,
    hours: Annotated[int, typer.Option(min=1, max=8_760, help="How far to look back.")] = 168,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Disagreements to list, the newest.")] = 20,
) -> None:
    """Compare the live policies with the candidate in shadow: agreement, disagreements, money."""
    found = session.api.get("/v1/policy/shadow", hours=hours, limit=limit)
    if session.is_json:
        write_json(found)
        return
    rows = [
        (words(one["live"]), words(one["candidate"]), f"{one['count']:,}", _money(one))
        for one in found["pairs"]
    ]
    table(
        ("LIVE", "CANDIDATE", "COUNT", "MONTHLY DELTA"), rows, "the candidate answered nothing in this time"
    )
    listed = [
        (
            one["proposal_id"],
            words(one["live"]),
            words(one["candidate"]),
            ", ".join(one["rules"]),
            one["summary"],
        )
        for one in found["disagreements"]
    ]
    if listed:
        say("")
        table(("PROPOSAL", "LIVE", "CANDIDATE", "RULES", "CHANGE"), listed, "")
    if found["answered"]:
        say(f"{found['agreed']:,} of {found['answered']:,} passes agree")
    for code, count in sorted(found["unanswered"].items()):
        say(f"{count:,} passes have no answer of the candidate: {harmless(code, 80)}")
    for revision in found["revisions"]:
        say(f"candidate {harmless(revision, 100)}")


def _money(one: dict[str, Any]) -> str:
    known = ", ".join(
        f"{float(amount):+,.2f} {currency}" for currency, amount in one["monthly_delta"].items()
    )
    unknown = f"{one['unpriced']} not priced" if one["unpriced"] else ""
    return "; ".join(filter(None, (known, unknown))) or "-"
