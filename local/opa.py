"""Local stack: Open Policy Agent over a snapshot of the repository's policies."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

POLICIES = Path(__file__).parent.parent / "policies"
_LEFT_OUT = ("samples",)
_DATA_FILES = ("data.json", "data.yaml")


def snapshot_policies(target: Path, source: Path = POLICIES) -> str:
    """Copy the policies to `target` with a data file that names their revision, and return it.

    The revision, `sha256:<hex>`, is over path and content of every file that OPA gets, in the order of their
    paths. OPA reads the copy, so the revision it reports is that of the rules it runs. Rego serves it as
    `data.sluice.bundle.revision`.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    digest = hashlib.sha256()
    for file in policy_files(source):
        name = file.relative_to(source)
        content = file.read_bytes()
        for field in (name.as_posix().encode(), content):
            digest.update(len(field).to_bytes(8, "big") + field)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    revision = f"sha256:{digest.hexdigest()}"
    (target / "revision.json").write_text(json.dumps({"sluice": {"bundle": {"revision": revision}}}))
    return revision


def policy_files(source: Path = POLICIES) -> list[Path]:
    """The Rego modules and data files that run: no tests, no samples. Sorted by path."""
    return sorted(file for file in source.rglob("*") if file.is_file() and _runs(file.relative_to(source)))


def _runs(name: Path) -> bool:
    if set(_LEFT_OUT) & set(name.parts):
        return False
    return name.name in _DATA_FILES or (name.suffix == ".rego" and not name.stem.endswith("_test"))


def server_command(program: Path, *, policies: Path, socket: Path) -> list[str]:
    """Command line of a server on a unix socket, over the snapshot in `policies`."""
    return [
        str(program), "run", "--server", "--addr", f"unix://{socket}", "--unix-socket-perm", "700",
        "--log-level", "error", "--skip-version-check", str(policies),
    ]  # fmt: skip
