"""AUDIT: `sluice audit verify|export|checkpoint`. Verifying happens here, not in the server that is verified."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import audit_reading
from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, write_json
from cli.session import Session, command
from cli.text import harmless

if TYPE_CHECKING:
    from adapters.audit.checkpoint import CheckpointKey
    from adapters.audit.verify import Report

_SHOWN_FAULTS = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The tamper-evident log.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(verify)
    group.command()(export)
    group.command()(checkpoint)
    audit_reading.register(group)
    app.add_typer(group, name="audit")


@command
def verify(
    session: Session,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="An export, to verify offline.")] = None,
    kept: Annotated[
        Path | None, typer.Option("--checkpoint", help="A checkpoint kept elsewhere: finds truncation too.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="Public key that signs checkpoints: PEM, or a verifier key. Once for each that ever signed."
        ),
    ] = None,
) -> None:
    """Verify the audit log: online through the API, or offline on an exported file."""
    from adapters.audit.checkpoint import CheckpointInvalid
    from adapters.audit.verify import verify_export

    trusted = None if kept is None else _read(kept).decode("utf-8", "replace")
    known = _known_keys(session, key or ())
    try:
        if file is not None:
            if not known:
                hint = "pass --key FILE with the public key that signs checkpoints"
                raise CommandFailed("offline there is no key to verify with", ExitCode.USAGE, hint)
            with _open(file) as lines:
                report = verify_export(lines, known, trusted)
        else:
            known = known or _keys_of_server(session)
            with session.api.lines("/v1/audit/export") as streamed:
                report = verify_export(streamed, known, trusted)
    except CheckpointInvalid as error:
        raise CommandFailed(f"the checkpoint: {error}", ExitCode.VERIFICATION) from error
    _tell(session, report, was_given=kept is not None)


def _open(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read", ExitCode.USAGE) from error


def _read(file: Path) -> bytes:
    with _open(file) as opened:
        content: bytes = opened.read(64 * 1024)
        return content


def _known_keys(session: Session, given: Sequence[Path]) -> list[CheckpointKey]:
    local = session.settings.state_dir / "keys" / "audit.pub"
    if not given and local.exists():
        say(f"the key is {local}; for the log of another installation pass --key FILE")
        given = [local]
    return [_parse_key(_read(file), file) for file in given]


def _parse_key(content: bytes, file: Path) -> CheckpointKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from adapters.audit.checkpoint import DEFAULT_ORIGIN, CheckpointInvalid, CheckpointKey

    try:
        if content.startswith(b"-----"):
            loaded = load_pem_public_key(content)
            if isinstance(loaded, Ed25519PublicKey):
                return CheckpointKey(DEFAULT_ORIGIN, loaded)
        else:
            return CheckpointKey.parse(content.decode("ascii"))
    except (ValueError, CheckpointInvalid) as error:
        raise CommandFailed(f"{file} does not hold an Ed25519 public key", ExitCode.USAGE) from error
    raise CommandFailed(f"{file} does not hold an Ed25519 public key", ExitCode.USAGE)


def _keys_of_server(session: Session) -> list[CheckpointKey]:
    from adapters.audit.checkpoint import CheckpointKey

    say("the key comes from the server that is verified; pass --key FILE to trust one you keep")
    shown = session.api.get("/v1/audit/checkpoint")
    return [CheckpointKey.parse(key) for key in (shown["verifier_key"], *shown["former_keys"])]


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
def checkpoint(session: Session) -> None:
    """Print a signed checkpoint over everything committed by now. Keep it elsewhere."""
    found = session.api.get("/v1/audit/checkpoint")
    if session.is_json:
        write_json(found)
    else:
        sys.stdout.write(found["note"])
