"""AUDIT: `sluice audit prove`, `verify --proof` and `checkpoint --since`: what is verified without the whole log."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.audit_keys import Kept, Keys, content_of, note_of, offline_keys, online_keys
from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say, write_json
from cli.session import Session, command
from cli.text import harmless

if TYPE_CHECKING:
    from adapters.audit.checkpoint import CheckpointKey
    from adapters.audit.proof import Proved


@command
def prove(
    session: Session,
    number: Annotated[int, typer.Argument(min=0, help="Number of an entry.")],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Where to; standard output without.")
    ] = None,
    kept: Kept = None,
    key: Keys = None,
) -> None:
    """Get one entry with its proof, verify it, and keep it: it verifies offline for good, without the log.

    With a checkpoint kept elsewhere the proof is under that one.
    """
    from adapters.audit.proof import MAX_PROOF, ProofInvalid, verify_entry
    from contracts.errors import SluiceError

    known = online_keys(session, key)
    trusted = None if kept is None else note_of(kept)
    try:
        under = "" if trusted is None else f"?size={_covering(trusted, known, number)}"
        with session.api.lines(f"/v1/audit/events/{number}/proof{under}") as lines:
            content = _joined(lines, MAX_PROOF)
        proved = verify_entry(content, known, trusted)
        if proved.entry.number != number:
            raise ProofInvalid(f"it is of entry {proved.entry.number}")
    except SluiceError as error:
        raise CommandFailed(f"the proof: {error}", ExitCode.VERIFICATION) from error
    if file is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written") from error
    say(f"{_verdict(proved, was_given=kept is not None)}; verify: sluice audit verify --proof {file}")


def verify_proof(session: Session, file: Path, kept: Path | None, key: list[Path] | None) -> None:
    """Verify the proof of one entry offline, and say what it proves."""
    from adapters.audit.proof import MAX_PROOF, verify_entry
    from contracts.errors import SluiceError

    known = offline_keys(session, key)
    trusted = None if kept is None else note_of(kept)
    try:
        proved = verify_entry(content_of(file, MAX_PROOF + 1), known, trusted)
    except SluiceError as error:
        if session.is_json:
            write_json({"sound": False, "message": str(error)})
        else:
            say(f"NOT SOUND: {harmless(str(error), 300)}")
        raise typer.Exit(ExitCode.VERIFICATION) from error
    entry, checkpoint = proved.entry, proved.checkpoint
    if session.is_json:
        shown = {"number": entry.number, "origin": checkpoint.origin, "size": checkpoint.size}
        anchored = {"anchored": kept is not None}
        write_json({"sound": True} | shown | anchored | {"entry": json.loads(entry.leaf)})
        return
    sys.stdout.write(harmless(entry.leaf.decode()) + "\n")
    say(_verdict(proved, was_given=kept is not None))
    say("whether the log still holds it, and what stands before and after, is not proved: verify the log")


def grown(session: Session, since: Path, key: list[Path] | None) -> dict[str, Any]:
    """Return a fresh checkpoint, once its log is proved to begin with that of a kept one."""
    from adapters.audit import checkpoint as checkpoints
    from adapters.audit.proof import verify_growth
    from contracts.errors import SluiceError

    known, kept = online_keys(session, key), note_of(since)
    try:
        old = checkpoints.verify(kept, known)
        answer = session.api.get("/v1/audit/consistency", old=old.size)
        shown: dict[str, Any] = answer["checkpoint"]
        new = verify_growth(kept, shown["note"], answer["path"], known)
    except SluiceError as error:
        raise CommandFailed(f"the log is not what was kept: {error}", ExitCode.VERIFICATION) from error
    except (KeyError, TypeError) as error:
        raise CommandFailed("what the server answered proves nothing", ExitCode.VERIFICATION) from error
    say(f"SOUND: the log begins with the {old.size} entries that it had, and has {new.size}")
    return shown


def _covering(note: str, known: Collection[CheckpointKey], number: int) -> int:
    from adapters.audit import checkpoint as checkpoints

    size = checkpoints.verify(note, known).size
    if size <= number:
        told = f"the checkpoint kept elsewhere covers {size} entries: number {number} came later"
        raise CommandFailed(told, ExitCode.USAGE)
    return size


def _verdict(proved: Proved, *, was_given: bool) -> str:
    entry, checkpoint = proved.entry, proved.checkpoint
    anchored = "a checkpoint kept elsewhere" if was_given else "no checkpoint kept elsewhere"
    return (
        f"SOUND: this is entry {entry.number} of the first {checkpoint.size} "
        f"of {harmless(checkpoint.origin, 120)}, with {anchored}"
    )


def _joined(lines: Iterable[bytes], most: int) -> bytes:
    """Return all lines, or the first ones that are too long together."""
    content = bytearray()
    for line in lines:
        content += line
        if len(content) > most:
            break
    return bytes(content)
