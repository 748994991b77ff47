"""Local stack: who is who on one machine. Tokens and signing keys, made once per state directory, files 0600."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from local.directories import write_private
from local.events import StackError

IDENTITIES = ("requester", "approver", "approver2", "operator", "viewer", "alertmanager")
"""The local identities. `sluice migrate --tokens` gives each its role."""


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Ed25519 keys as PEM files: decisions are signed by the API, audit checkpoints by the sequencer."""

    decision_private: Path
    decision_public: Path
    audit_private: Path
    audit_public: Path


def ensure_tokens(state_dir: Path) -> Path:
    """`tokens.json`, name → token. Missing names are added, existing tokens stay."""
    file = state_dir / "tokens.json"
    try:
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    except ValueError as cause:
        raise StackError(f"{file} is not JSON: remove it, then every local token is made anew") from cause
    missing = [name for name in IDENTITIES if name not in known]
    if missing:
        known |= {name: f"sluice_{secrets.token_urlsafe(32)}" for name in missing}
        write_private(file, (json.dumps(known, indent=2) + "\n").encode())
    file.chmod(0o600)
    return file


def ensure_keys(state_dir: Path) -> LocalKeys:
    """The keys under `keys/`. A private key is never replaced; a lost public key is derived again."""
    directory = state_dir / "keys"
    directory.mkdir(mode=0o700, exist_ok=True)
    decision = _ensure_pair(directory, "decision")
    audit = _ensure_pair(directory, "audit")
    return LocalKeys(*decision, *audit)


def _ensure_pair(directory: Path, name: str) -> tuple[Path, Path]:
    private, public = directory / f"{name}.pem", directory / f"{name}.pub"
    if private.exists():
        key = _load(private)
    else:
        key = Ed25519PrivateKey.generate()
        write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if not public.exists():
        write_private(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def _load(file: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except ValueError as cause:
        raise StackError(f"{file} is not a PEM private key: restore it from where it was saved") from cause
    if not isinstance(key, Ed25519PrivateKey):
        raise StackError(f"{file} is not an Ed25519 key")
    return key
