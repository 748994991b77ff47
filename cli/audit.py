"""AUDIT: `sluice audit verify|export|prove|checkpoint`. Verifying happens here, not in the server that is verified."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import audit_proofs, audit_reading
from cli.audit_keys import Kept, Keys, note_of, offline_keys, online_keys, opened
from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, write_json
from cli.session import Session, command
from cli.text import harmless

if TYPE_CHECKING:
    from adapters.audit.verify import Report

_SHOWN_FAULTS = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The tamper-evident log.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(verify)
    group.command()(export)
    group.command()(audit_proofs.prove)
    group.command()(checkpoint)
    audit_reading.register(group)
    app.add_typer(group, name="audit")


@command
def verify(
    session: Session,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="An export, to verify offline.")] = None,
    proof: Annotated[Path | None, typer.Option(help="The proof of one entry, to verify offline.")] = None,
    kept: Kept = None,
    key: Keys = None,
) -> None:
    """Verify the audit log: online through the API, or offline on an exported file or the proof of one entry."""
    from adapters.audit.checkpoint import CheckpointInvalid
    from adapters.audit.verify import verify_export

    if proof is not None:
        if file is not None:
            raise CommandFailed("--file and --proof are verified one by one", ExitCode.USAGE)
        audit_proofs.verify_proof(session, proof, kept, key)
        return
    trusted = None if kept is None else note_of(kept)
    known = online_keys(session, key) if file is None else offline_keys(session, key)
    try:
        if file is not None:
            with opened(file) as lines:
                report = verify_export(lines, known, trusted)
        else:
            with session.api.lines("/v1/audit/export") as streamed:
                report = verify_export(streamed, known, trusted)
    except CheckpointInvalid as error:
        raise CommandFailed(f"the checkpoint: {error}", ExitCode.VERIFICATION) from error
    _tell(session, report, was_given=kept is not None)


def _tell(session: Session, report: Report, *, was_given: bool) -> None:
    shown: dict[str, Any] = {
        "sound": report.is_sound,
        "entries": report.entries,
        "proved_size": report.proved_size,
        "tail": report.tail,
        "anchored": report.is_anchored,
        "fault_count": report.fault_count,
        "faults": [
            {"kind": one.kind.value, "line": one.line, "number": one.number, "message": one.message}
            for one in report.faults
        ],
    }
    if session.is_json:
        write_json(shown)
    else:
        for one in report.faults[:_SHOWN_FAULTS]:
            say(f"line {one.line}, entry {one.number}: {one.kind.value}: {harmless(one.message, 300)}")
        verdict = "SOUND" if report.is_sound else f"NOT SOUND, {report.fault_count} faults"
        anchored = "with a checkpoint kept elsewhere" if was_given else "no checkpoint kept elsewhere"
        if was_given and not report.is_anchored:
            anchored = "without what the checkpoint kept elsewhere covers"
        say(f"{verdict}: {report.proved_size} of {report.entries} entries proved, {anchored}")
        if report.tail:
            say(f"{report.tail} newer events are not under a checkpoint yet: nothing is proved about them")
    if not report.is_sound:
        raise typer.Exit(ExitCode.VERIFICATION)


@command
def export(
    session: Session,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Where to; standard output without.")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A table for spreadsheets instead. It proves nothing.")
    ] = False,
) -> None:
    """Export the whole log as JSON lines that verify offline."""
    with session.api.lines(f"/v1/audit/export?format={'csv' if as_csv else 'jsonl'}") as lines:
        if file is None:
            _copy(lines, sys.stdout.buffer)
            return
        temporary = file.with_name(f".{file.name}.part")
        try:
            with temporary.open("wb") as output:
                count = _copy(lines, output)
            temporary.replace(file)
        except OSError as error:
            raise CommandFailed(f"{file} cannot be written") from error
        finally:
            temporary.unlink(missing_ok=True)
    verify_it = "" if as_csv else f"; verify: sluice audit verify --file {file}"
    say(f"{count} lines in {file}{verify_it}")


def _copy(lines: Iterable[bytes], output: Any) -> int:
    count = 0
    for line in lines:
        output.write(line)
        count += 1
    output.flush()
    return count


@command
def checkpoint(
    session: Session,
    since: Annotated[
        Path | None, typer.Option(help="A checkpoint kept elsewhere: first prove that the log only grew.")
    ] = None,
    key: Keys = None,
) -> None:
    """Print a signed checkpoint over everything committed by now. Keep it elsewhere."""
    if since is not None:
        found = audit_proofs.grown(session, since, key)
    elif key:
        raise CommandFailed("--key verifies what --since names, and nothing is named", ExitCode.USAGE)
    else:
        found = session.api.get("/v1/audit/checkpoint")
    if session.is_json:
        write_json(found)
    else:
        sys.stdout.write(found["note"])
