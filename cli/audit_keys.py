"""AUDIT: what a person trusts the log by: public keys and kept checkpoints, from files, or a key from the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import CommandFailed, ExitCode
from cli.output import say
from cli.session import Session

if TYPE_CHECKING:
    from adapters.audit.checkpoint import CheckpointKey

Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        help="Public key that signs checkpoints: PEM, or a verifier key. Once for each that ever signed.",
    ),
]
Kept = Annotated[
    Path | None, typer.Option("--checkpoint", help="A checkpoint kept elsewhere: finds truncation too.")
]
MAX_FILE = 64 * 1_024
"""Bytes of a key or a checkpoint that are read."""


def opened(file: Path) -> Any:
    """Return the open file."""
    try:
        return file.open("rb")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read", ExitCode.USAGE) from error


def content_of(file: Path, most: int = MAX_FILE) -> bytes:
    """Return how the file begins."""
    with opened(file) as stream:
        try:
            content: bytes = stream.read(most)
        except OSError as error:
            raise CommandFailed(f"{file} cannot be read", ExitCode.USAGE) from error
        return content


def note_of(file: Path) -> str:
    """Return a checkpoint's text."""
    return content_of(file).decode("utf-8", "replace")


def offline_keys(session: Session, given: Sequence[Path] | None) -> list[CheckpointKey]:
    """Return the keys to verify a file with: those that are named, else the local installation's."""
    known = _keys(session, given)
    if not known:
        hint = "pass --key FILE with the public key that signs checkpoints"
        raise CommandFailed("offline there is no key to verify with", ExitCode.USAGE, hint)
    return known


def online_keys(session: Session, given: Sequence[Path] | None) -> list[CheckpointKey]:
    """Return the keys to verify a server's answer with: without any others, those that it names itself."""
    return _keys(session, given) or _keys_of_server(session)


def _keys(session: Session, given: Sequence[Path] | None) -> list[CheckpointKey]:
    local = session.settings.state_dir / "keys" / "audit.pub"
    if not given and local.exists():
        say(f"the key is {local}; for the log of another installation pass --key FILE")
        given = [local]
    return [_parse_key(content_of(file), file) for file in given or ()]


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
    from adapters.audit.checkpoint import CheckpointInvalid, CheckpointKey

    say("the key comes from the server that is verified; pass --key FILE to trust one you keep")
    shown = session.api.get("/v1/audit/checkpoint")
    try:
        return [CheckpointKey.parse(key) for key in (shown["verifier_key"], *shown["former_keys"])]
    except CheckpointInvalid as error:
        raise CommandFailed(f"the key of the server: {error}", ExitCode.VERIFICATION) from error
