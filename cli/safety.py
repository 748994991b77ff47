"""What stops effects: `sluice halt|halts|resume`, `sluice breakers`, `sluice budgets`; and the fleet they guard."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from cli.exceptions import scope_words
from cli.exit_codes import CommandFailed, ExitCode
from cli.following import path_part
from cli.output import say, table, write_json
from cli.session import AsName, Given, Output, Session, Url, command
from cli.text import money, words

_POLL = 0.5
_BREAKER_ID = "Id of a breaker: target:…, kind:…, provider:…, agent:… or model:…"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(halt)
    app.command()(halts)
    app.command()(resume)
    app.command()(budgets)
    app.command()(fleet)
    group = typer.Typer(help="Circuit breakers.", no_args_is_help=False, rich_markup_mode=None)
    group.callback(invoke_without_command=True)(_list_by_default)
    group.command("list")(list_breakers)
    group.command("open")(open_breaker)
    group.command("reset")(reset)
    app.add_typer(group, name="breakers")


@command
def halt(
    session: Session,
    reason: Annotated[str | None, typer.Option(help="Why. Needed, but for --preview.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Stop every effect.")] = False,
    environment: Annotated[str | None, typer.Option(help="Stop effects in this environment.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Stop effects on this target; a trailing * is a prefix.")
    ] = None,
    action_kind: Annotated[str | None, typer.Option(help="Stop effects of this kind.")] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="Stop effects that this agent had a hand in: issuer/subject, or subject."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only tell what it would stop and what would finish.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until nothing is in flight.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait.")] = 120,
) -> None:
    """Stop effects. Draining until none that it covers can still begin, then effective."""
    named = {"environment": environment, "target": target, "action_kind": action_kind, "agent": agent}
    scope: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if everything:
        scope["everything"] = True
    if preview:
        _preview(session, scope)
        return
    if reason is None:
        raise CommandFailed("say why: --reason", ExitCode.USAGE)
    made = session.api.post("/v1/halts", {"scope": scope, "reason": reason}).body
    if not session.is_json:
        say(f"{made['id']} is {made['status']}; end it: sluice {session.identity()}resume {made['id']}")
    deadline = time.monotonic() + timeout
    while wait and made["status"] == "draining":
        if time.monotonic() > deadline:
            raise CommandFailed(f"{made['id']} still drains after {timeout:g} s", ExitCode.PENDING)
        time.sleep(_POLL)
        made = _find(session, made)
    if session.is_json:
        write_json(made)
        return
    if wait:
        say(f"{made['id']} is {made['status']}")
    _tell_reach(session, made["id"])


def _tell_reach(session: Session, halt_id: str) -> None:
    """Say what drains and what is stopped, where the halt has not ended meanwhile."""
    reach = session.api.get(f"/v1/halts/{path_part(halt_id)}")["reach"]
    if reach is None:
        return
    say(f"{reach['stops_count']} proposals are held or will be denied, {reach['finishes_count']} finish")
    if reach["calls_in_flight"]:
        say(f"{reach['calls_in_flight']} calls drain, the last until {reach['last_deadline']}")


def _preview(session: Session, scope: dict[str, Any]) -> None:
    met = session.api.post("/v1/halts/preview", {"scope": scope}).body
    if session.is_json:
        write_json(met)
        return
    rows = [
        (one["id"], words(one["state"]).upper(), words(one["fate"]), one["until"] or "-", one["summary"])
        for one in (*met["stops"], *met["finishes"])
    ]
    table(("ID", "STATE", "WOULD BE", "UNTIL", "CHANGE"), rows, "it would meet no proposal")
    say(f"{met['stops_count']} would be stopped, {met['finishes_count']} would finish; nothing was changed")


def _find(session: Session, made: dict[str, Any]) -> dict[str, Any]:
    for one in session.api.get("/v1/halts")["items"]:
        if one["id"] == made["id"]:
            return {"id": one["id"], "status": one["status"]}
    return {"id": made["id"], "status": "ended"}


@command
def halts(session: Session) -> None:
    """List halts that have not ended."""
    found = session.api.get("/v1/halts")
    if session.is_json:
        write_json(found)
        return
    rows = [
        (one["id"], one["status"].upper(), scope_words(one["scope"]), one["created_by"], one["reason"])
        for one in found["items"]
    ]
    table(("ID", "STATUS", "COVERS", "BY", "REASON"), rows, "nothing is halted")


@command
def resume(
    session: Session, halt_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a halt, hlt_…")]
) -> None:
    """End a halt; what it held goes on."""
    reach = session.api.get(f"/v1/halts/{path_part(halt_id)}")["reach"]
    ended = session.api.delete(f"/v1/halts/{path_part(halt_id)}")
    if session.is_json:
        write_json(ended)
        return
    say(f"{ended['id']} is {ended['status']}")
    if reach is not None:
        say(f"{reach['resumes_count']} proposals that it held go on")


def _breakers(session: Session) -> None:
    found = session.api.get("/v1/breakers")
    if session.is_json:
        write_json(found)
        return
    rows = [
        (
            one["id"],
            words(one["state"]).upper(),
            str(one["consecutive_failures"]),
            one["open_until"] or "-",
            one["last_reason_code"] or "-",
        )
        for one in found["items"]
    ]
    table(("ID", "STATE", "FAILURES", "OPEN UNTIL", "LAST REASON"), rows, "no breaker ever counted a failure")


@command
def _list_when_bare(session: Session) -> None:
    _breakers(session)


def _list_by_default(
    ctx: typer.Context, as_name: AsName = None, url: Url = None, output: Output = None
) -> None:
    """List circuit breakers; open or reset one."""
    if ctx.invoked_subcommand is None:
        _list_when_bare(ctx=ctx, as_name=as_name, url=url, output=output)
        return
    root = ctx.find_root()
    before = root.obj or Given()
    root.obj = Given(as_name or before.as_name, url or before.url, output or before.output)


@command
def list_breakers(session: Session) -> None:
    """List circuit breakers."""
    _breakers(session)


@command
def reset(
    session: Session,
    breaker_id: Annotated[str, typer.Argument(metavar="ID", help=_BREAKER_ID)],
    reason: Annotated[str, typer.Option(help="Why. Needed.")],
) -> None:
    """Close a breaker before its time; what it held goes on."""
    from urllib.parse import quote

    reply = session.api.post(f"/v1/breakers/{quote(breaker_id, safe=':/')}/reset", {"reason": reason})
    write_json(reply.body) if session.is_json else say(f"{reply.body['id']} is {reply.body['state']}")


@command
def open_breaker(
    session: Session,
    breaker_id: Annotated[str, typer.Argument(metavar="ID", help=_BREAKER_ID)],
    reason: Annotated[str, typer.Option(help="Why. Needed.")],
    duration: Annotated[
        str | None, typer.Option("--for", help="How long, such as 30m or 4h; without it until it is reset.")
    ] = None,
) -> None:
    """Open a breaker by hand: it lets nothing through until its time is over or it is reset."""
    from urllib.parse import quote

    body = {"reason": reason} | ({"duration": duration} if duration is not None else {})
    opened = session.api.post(f"/v1/breakers/{quote(breaker_id, safe=':/')}/open", body).body
    if session.is_json:
        write_json(opened)
        return
    until = opened["open_until"]
    say(f"{opened['id']} is {opened['state']} {f'until {until}' if until else 'until it is reset'}")


@command
def budgets(session: Session) -> None:
    """List budgets in the present window: limit, reserved, committed, spent, forecast at its end, left."""
    found = session.api.get("/v1/budgets")
    if session.is_json:
        write_json(found)
        return
    from decimal import Decimal

    rows = [
        (
            one["scope"],
            one["window"],
            *(money(Decimal(one[name])) for name in ("limit", "reserved", "committed", "spent", "forecast")),
            money(Decimal(one["left"]), one["currency"]),
        )
        for one in found["items"]
    ]
    columns = ("SCOPE", "WINDOW", "LIMIT", "RESERVED", "COMMITTED", "SPENT", "FORECAST", "LEFT")
    table(columns, rows, "no budgets are configured")


@command
def fleet(session: Session) -> None:
    """List the registered node pools as they were last seen, and what is about to change."""
    found = session.api.get("/v1/fleet")
    if session.is_json:
        write_json(found)
        return
    rows = [_pool_row(pool) for pool in found["items"]]
    table(
        ("POOL", "ENVIRONMENT", "MACHINE", "RUNNING", "BOUNDS PER ZONE", "STATUS", "PENDING"),
        rows,
        "nothing was looked at yet: a look is made every minute",
    )


def _pool_row(pool: dict[str, Any]) -> tuple[str, ...]:
    target, seen = pool["target"], pool["seen"]
    name = "/".join(target[part] for part in ("project", "location", "cluster", "node_pool"))
    status = pool["reason_code"] or (seen["status"] if seen else "-")
    pending = ", ".join(f"{one['id']} {words(one['state'])}" for one in pool["pending"])
    if seen is None:
        return (name, pool["environment"], "-", "-", "-", status, pending or "-")
    running = f"{seen['running']}/{seen['target_size']}"
    return (name, pool["environment"], seen["machine_type"], running, _bounds(pool), status, pending or "-")


def _bounds(pool: dict[str, Any]) -> str:
    bounds = pool["seen"]["autoscaling"]
    if bounds is None:
        most = pool["max_nodes_per_zone"]
        return "-" if most is None else f"up to {most}"
    if bounds["total_max_node_count"]:
        return f"{bounds['total_min_node_count']}-{bounds['total_max_node_count']} in all"
    return f"{bounds['min_node_count']}-{bounds['max_node_count']}"
