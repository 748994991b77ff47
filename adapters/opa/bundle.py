"""Policies as one file that OPA takes whole or not at all: packed, signed, verified.

A bundle (https://www.openpolicyagent.org/docs/management-bundles) carries the rules, their limits, their revision and
the names of its policies. OPA swaps bundles in one transaction, and keeps the one in force when the next is unsigned,
altered or cut short. Signatures are JSON Web Signatures by ES256 (ECDSA over P-256) under the scope `sluice`.
"""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from adapters.opa.limits import check_limits
from adapters.opa.program import Done, run_opa
from adapters.opa.sources import POLICIES, policy_names, snapshot_policies
from contracts.errors import ConfigurationInvalid

ALGORITHM = "ES256"
KEY_ID = "sluice"
SCOPE = "sluice"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle holds."""

    revision: str
    """`sha256:<hex>` over the rules and limits."""
    policies: tuple[str, ...]


def build_bundle(
    opa: Path,
    output: Path,
    *,
    source: Path = POLICIES,
    signing_key: Path | None = None,
    environments: Collection[str] | None = None,
) -> Bundle:
    """Pack the policies of `source` into the file `output`, which is replaced at once or not at all.

    `signing_key` is a PEM file with an ECDSA key on P-256; without one the bundle is unsigned. Given the
    `environments` that are declared, limits of any other are refused.

    Raises:
        ConfigurationInvalid: the rules do not compile, the limits are not whole, there is no policy, or the key does
            not sign. The message names files and lines.
    """
    check_limits(source, environments)
    names = policy_names(source)
    if not names:
        raise ConfigurationInvalid(f"{source}: there is no <name>/policy.rego in it")
    with tempfile.TemporaryDirectory(prefix="sluice-bundle-") as folder:
        packed = Path(folder) / "bundle.tar.gz"
        copy = Path(folder) / "policies"
        revision = snapshot_policies(copy, source)
        _done(run_opa(opa, ["check", "--strict", "--bundle", "."], directory=copy), "the policies", source)
        arguments = ["build", "--bundle", ".", "--revision", revision, "--output", str(packed)]
        if signing_key is not None:
            key = str(signing_key.absolute())
            arguments += ["--signing-key", key, "--signing-alg", ALGORITHM, "--scope", SCOPE]
            arguments += ["--claims-file", str(_claims(Path(folder)))]
        _done(run_opa(opa, arguments, directory=copy), "the bundle", source)
        _replace(output, packed.read_bytes())
    return Bundle(revision, names)


def verify_bundle(opa: Path, bundle: Path, verification_key: Path) -> Bundle:
    """Return what a bundle holds, if `verification_key` (PEM, public) says that it is whole and ours.

    Raises:
        ConfigurationInvalid: unsigned, altered, cut short, signed by another key or for another scope.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-verify-") as folder:
        # Evaluating would not do: `opa eval` verifies no signature. `opa build` does, of what it is given.
        arguments = [
            "build", "--bundle", str(bundle.absolute()), "--verification-key", str(verification_key.absolute()),
            "--verification-key-id", KEY_ID, "--signing-alg", ALGORITHM, "--scope", SCOPE,
            "--output", str(Path(folder) / "verified.tar.gz"),
        ]  # fmt: skip
        _done(run_opa(opa, arguments, directory=Path(folder)), "the bundle", bundle)
        question = ["eval", "--format", "raw", "--bundle", "verified.tar.gz", "data.sluice.bundle"]
        found = _done(run_opa(opa, question, directory=Path(folder)), "the bundle", bundle)
    try:
        described = json.loads(found.output)
        return Bundle(str(described["revision"]), tuple(str(name) for name in described["policies"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationInvalid(f"{bundle}: it does not say its revision and policies") from error


def revision_in(bundle: Path) -> str | None:
    """Return the revision that a bundle names in its manifest, unverified; None when it is no bundle."""
    try:
        with tarfile.open(bundle) as packed:
            manifest = packed.extractfile("/.manifest")
            found = json.load(manifest)["revision"] if manifest else None
    except (OSError, tarfile.TarError, EOFError, ValueError, TypeError, KeyError):
        return None
    return str(found) if found else None


def _claims(folder: Path) -> Path:
    file = folder / "claims.json"
    file.write_text(json.dumps({"keyid": KEY_ID, "scope": SCOPE}))
    return file


def _done(done: Done, what: str, where: Path) -> Done:
    if done.status != 0:
        raise ConfigurationInvalid(f"{where}: {what} cannot be used\n{done.complaint}")
    return done


def _replace(output: Path, content: bytes) -> None:
    """Write beside the file and rename: whoever watches it never sees half."""
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise ConfigurationInvalid(f"{output}: cannot be written") from error
