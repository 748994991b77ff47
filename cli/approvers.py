"""Who decides: `sluice delegate`, `sluice delegations`, `sluice approvers`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli.following import path_part
from cli.output import say, table, write_json
from cli.session import Session, command

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%z"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(delegate)
    app.command()(delegations)
    app.command("end-delegation")(end_delegation)
    app.command()(approvers)


@command
def delegate(
    session: Session,
    to: Annotated[str, typer.Argument(metavar="PERSON", help="issuer/subject, or the name of a local one.")],
    until: Annotated[
        datetime,
        typer.Option(formats=_FORMATS, help="When it ends; UTC without an offset."),
    ],
    reason: Annotated[str, typer.Option(help="Why. Needed.")],
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=_FORMATS, help="When it begins. Default: now."),
    ] = None,
    environment: Annotated[str | None, typer.Option(help="Only in this environment.")] = None,
    team: Annotated[str | None, typer.Option(help="Only for this team.")] = None,
    delegator: Annotated[
        str | None,
        typer.Option("--for", metavar="PERSON", help="For somebody who is away. Needs the role admin."),
    ] = None,
) -> None:
    """Let another person decide in your place. Without --environment and --team you are out of office."""
    scope = {name: value for name, value in (("environment", environment), ("team", team)) if value}
    body: dict[str, Any] = {"to": to, "until": _aware(until), "reason": reason, "scope": scope}
    body |= {"starts_at": _aware(start)} if start else {}
    body |= {"delegator": delegator} if delegator else {}
    made = session.api.post("/v1/delegations", body).body
    if session.is_json:
        write_json(made)
        return
    say(f"{made['id']}: {made['delegate']} decides for {made['delegator']} until {made['until']}")


def _aware(moment: datetime) -> str:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


@command
def delegations(session: Session) -> None:
    """List delegations in force or to come: yours, or all for operators and admins."""
    found = session.api.get("/v1/delegations")
    if session.is_json:
        write_json(found)
        return
    rows = [
        (
            one["id"],
            one["delegator"],
            one["delegate"],
            ", ".join(f"{name} {value}" for name, value in one["scope"].items() if value) or "everything",
            one["starts_at"],
            one["until"],
            one["reason"],
        )
        for one in found["items"]
    ]
    table(("ID", "FOR", "DECIDES", "OVER", "FROM", "UNTIL", "REASON"), rows, "nobody decides for another")


@command
def end_delegation(
    session: Session, delegation_id: Annotated[str, typer.Argument(metavar="ID", help="dlg_…")]
) -> None:
    """End a delegation at once."""
    ended = session.api.delete(f"/v1/delegations/{path_part(delegation_id)}")
    write_json(ended) if session.is_json else say(f"{ended['id']} is over")


@command
def approvers(
    session: Session,
    days: Annotated[int, typer.Option(min=1, max=366, help="Of how many days until now.")] = 30,
) -> None:
    """Tell how people decide: rates, times, what came of it. Yours, or everybody's for operators and admins."""
    until = datetime.now(UTC)
    span = {"since": (until - timedelta(days=days)).isoformat(), "until": until.isoformat()}
    found = session.api.get("/v1/approvers", **span)
    if session.is_json:
        write_json(found)
        return
    columns = (
        "WHO",
        "APPROVED",
        "REJECTED",
        "CHANGES",
        "RATE",
        "MEDIAN",
        "P90",
        "UNDER 10 S",
        "UNDONE",
        "OVERRIDDEN",
    )
    table(columns, [_row(one) for one in found["items"]], f"nobody decided in {days} days")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    counted = (str(one[name]) for name in ("approvals", "rejections", "change_requests"))
    after = (str(one[name]) for name in ("later_undone", "overridden"))
    times = (_seconds(one[name]) for name in ("median_seconds", "p90_seconds"))
    return (
        one["reviewer"],
        *counted,
        _share(one["approval_rate"]),
        *times,
        _share(one["under_ten_seconds"]),
        *after,
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else str(timedelta(seconds=round(value)))
