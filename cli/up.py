"""`sluice up`: the whole stack on this machine, and the first minute of somebody who has never seen it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import message_console, say, write_json
from cli.session import API_FILE, Session, command
from cli.text import words

if TYPE_CHECKING:
    from local.events import StackEvent
    from local.run import Ready

_REST_WITHIN = 30.0
_POLL = 0.4
_WHO = {
    "requester": "asks and proposes",
    "approver": "approves and rejects",
    "approver2": "is the second approver",
    "operator": "halts, resets, resolves",
}
_SIGNS_IN = "approver"
"""For whom the first minute prints a link."""


class SeedName(StrEnum):
    """What arrives in a fresh practice fleet."""

    DEMO = "demo"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


@command
def up(
    session: Session,
    seed: Annotated[
        SeedName, typer.Option(help="Let four proposals arrive at the first start.")
    ] = SeedName.DEMO,
) -> None:
    """Start everything on this machine and supervise it until Ctrl-C. For trying out, not for production."""
    import httpx

    from local.events import StackError
    from local.run import run_stack

    async def on_ready(ready: Ready) -> None:
        await _greet(session, ready)

    running = run_stack(
        session.settings, seed=seed.value, on_ready=on_ready, progress=_progress(quiet=session.is_json)
    )
    try:
        code = asyncio.run(running)
    except BrokenPipeError:
        raise
    except (StackError, OSError, httpx.HTTPError) as error:
        told = str(error) or type(error).__name__
        raise CommandFailed(told, ExitCode.ERROR, "look closer: `sluice doctor`") from error
    if code:
        raise typer.Exit(code)


def _progress(*, quiet: bool) -> Callable[[StackEvent], None]:
    from local.events import StackEventKind

    shown_always = (StackEventKind.DIED, StackEventKind.RESTARTING)

    def tell(event: StackEvent) -> None:
        if quiet and event.kind not in shown_always:
            return
        part = f"{event.part or 'stack':<10}"
        # Whoever read this may be gone, as `tee` is after Ctrl-C: parts are kept and stopped in order all the same.
        with suppress(OSError):
            say(f"  {part} {event.kind.value:<10} {event.message}".rstrip())

    return tell


async def _greet(session: Session, ready: Ready) -> None:
    from local.directories import write_private
    from local.seed import seed_demo

    write_private(ready.state_dir / API_FILE, json.dumps({"url": ready.url}).encode())
    tokens: Mapping[str, str] = json.loads(ready.tokens.read_text())
    seeded = await seed_demo(ready.url, tokens["requester"]) if ready.wants_seed else {}
    if session.is_json:
        write_json({"url": ready.url, "state_dir": str(ready.state_dir), "pids": dict(ready.pids)})
        return
    _first_minute(ready, await _link_of(ready, tokens[_SIGNS_IN]))
    if seeded:
        await _tell_seeded(ready, tokens["viewer"], seeded)


async def _link_of(ready: Ready, token: str) -> str | None:
    """A one-time link for the pages; None where this stack has none, for example behind another address, or is busy."""
    import httpx

    from local.probes import PLAIN

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=ready.url, headers=headers, timeout=10, trust_env=False, verify=PLAIN
    ) as http:
        try:
            made = await http.post("/v1/login-links")
        except httpx.HTTPError:
            return None
        return str(made.json()["url"]) if made.is_success else None


def _first_minute(ready: Ready, link: str | None) -> None:
    from urllib.parse import urlsplit

    from rich.panel import Panel
    from rich.text import Text

    from api.access import is_loopback

    host = urlsplit(ready.url).hostname
    reach = (
        "Listens on this machine only."
        if is_loopback(host)
        else f"Listens on {host}: other machines may reach it."
    )
    console = message_console()
    warning = Text("LOCAL, NOT FOR PRODUCTION\n", style="bold yellow")
    warning.append(f"{reach} Identities are files in {ready.state_dir}.", style="not bold")
    console.print(Panel(warning, expand=False, border_style="yellow"))
    for name, address in ready.addresses.items():
        say(f"  {name:<12} {address}")
    say("\nWho is who here:")
    for name, does in _WHO.items():
        say(f"  sluice --as {name:<10} {does}")
    if link is not None:
        say(f"\nOpen the pages as {_SIGNS_IN} (works once, within five minutes):")
        say(f"  {link}")
        say("  as somebody else, or later: sluice --as operator login")
    say("\nNext:")
    say("  sluice --as viewer proposals list")
    say("  sluice --as approver proposals list --state awaiting_approval   # then: approve ID")
    say("  sluice --as requester ask 'scale acme-prod/serving/inference to 3 nodes per zone'")
    say("\nStop with Ctrl-C.")


async def _tell_seeded(ready: Ready, token: str, seeded: Mapping[str, str]) -> None:
    """Show the four proposals of the first minute as they come to rest; say so when one takes longer."""
    import httpx

    from local.probes import PLAIN
    from local.seed import SCENES

    say("\nFour proposals arrive:")
    open_scenes = {scene.name: scene for scene in SCENES if scene.name in seeded}
    headers = {"Authorization": f"Bearer {token}"}
    deadline = asyncio.get_running_loop().time() + _REST_WITHIN
    async with httpx.AsyncClient(
        base_url=ready.url, headers=headers, timeout=10, trust_env=False, verify=PLAIN
    ) as http:
        while open_scenes and asyncio.get_running_loop().time() < deadline:
            for name, scene in list(open_scenes.items()):
                try:
                    found = (await http.get(f"/v1/proposals/{seeded[name]}")).raise_for_status().json()
                except httpx.HTTPError:
                    # Busy, or starting again: the next look tells.
                    continue
                if found["state"] == scene.ends_in or found["is_final"]:
                    say(f"  {seeded[name]}  {words(found['state']):<18} {found['summary']}")
                    del open_scenes[name]
            await asyncio.sleep(_POLL)
    for name in open_scenes:
        say(f"  {seeded[name]}  still under way; watch it: sluice --as viewer proposals watch {seeded[name]}")
