"""A real OpenID Connect provider for tests: npm's `oidc-provider`, run by Node on 127.0.0.1.

It is installed once per lock file, into a folder beside other downloads. Name the fixture `oidc_provider` in your
folder's conftest.py. In its sign-in form, type a name of `PEOPLE`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import selectors
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.principal import Role
from local.bound import bound_command
from local.environment import ROOT
from settings import OidcSettings, default_state_dir
from tools.node import Node, find_node

SOURCE = Path(__file__).parent / "oidc_provider"
_START_LIMIT = 60.0

PEOPLE: dict[str, dict[str, object]] = {
    "ana": {
        "name": "Ana Almeida",
        "email": "ana@example.org",
        "email_verified": True,
        "groups": ["approvers", "everybody"],
        "realm_access": {"roles": ["sluice-approver"]},
    },
    "olga": {"name": "Olga", "email": "olga@example.org", "email_verified": False, "groups": ["sre"]},
    "visitor": {"name": "A Visitor", "groups": ["everybody"]},
    "nameless": {"groups": ["approvers"]},
}
ROLES: dict[str, tuple[Role, ...]] = {
    "approvers": (Role.APPROVER, Role.VIEWER),
    "sre": (Role.OPERATOR, Role.VIEWER),
}


@dataclass(frozen=True)
class RunningProvider:
    """A provider that answers under `issuer`. Any port of 127.0.0.1 may be what it sends browsers back to."""

    issuer: str
    client_id: str = "sluice"
    client_secret: str = "a secret + of % the tests"
    public_client_id: str = "sluice-public"

    def settings(self, **changes: object) -> OidcSettings:
        """Settings of a Sluice whose people sign in here."""
        plain: dict[str, object] = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "client_secret": SecretStr(self.client_secret),
            "roles": ROLES,
            "label": "Sign in with the test provider",
        }
        return OidcSettings.model_validate(plain | changes)

    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return {
            "SLUICE_OIDC__ISSUER": self.issuer,
            "SLUICE_OIDC__CLIENT_ID": self.client_id,
            "SLUICE_OIDC__CLIENT_SECRET": self.client_secret,
            "SLUICE_OIDC__ROLES": json.dumps(ROLES),
            "SLUICE_OIDC__LABEL": "Sign in with the test provider",
        }


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[RunningProvider]:
    """One provider for the whole session."""
    node = find_node(ROOT, lambda _: None)
    with running(node, _installed(node)) as provider:
        yield provider


@contextmanager
def running(node: Node, folder: Path) -> Iterator[RunningProvider]:
    """Start the provider; it ends with this process at the latest."""
    command = bound_command([str(node.node), "server.mjs", json.dumps(PEOPLE)])
    environment = {"PATH": os.environ["PATH"], "NODE_ENV": "production"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(_START_LIMIT) else b""
        if not line:
            told = (folder / "log").read_text(errors="replace")[-4_000:]
            raise RuntimeError(f"the OpenID Connect provider did not start:\n{told}")
        yield RunningProvider(line.decode().strip())
    finally:
        process.kill()
        process.wait(_START_LIMIT)
        process.stdout.close()


def _installed(node: Node) -> Path:
    """Return a folder with the program and its packages, installed when it is not there yet."""
    parts = ("package.json", "package-lock.json", ".npmrc", "server.mjs")
    digest = hashlib.sha256(b"\0".join((SOURCE / name).read_bytes() for name in parts)).hexdigest()
    folder = default_state_dir() / "tests" / f"oidc-provider-{digest[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in parts:
                shutil.copyfile(SOURCE / name, folder / name)
            subprocess.run(
                [*node.npm, "ci", "--ignore-scripts", "--loglevel", "error"], cwd=folder, check=True
            )
            (folder / "installed").touch()
    return folder
