"""The policies as files: which of them run, what they are called, and the revision that every verdict records.

GUARDRAILS ask OPA about what stands here. `policies/` in this repository is the shipped set; an operator may have
another directory of the same shape.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from adapters.opa.descriptions import description_of

POLICIES = Path(__file__).parent.parent.parent / "policies"
_LEFT_OUT = ("samples",)
_DATA_FILES = ("data.json", "data.yaml")


def policy_files(source: Path = POLICIES) -> list[Path]:
    """Return the Rego modules and data files that run: no tests, no samples. Sorted by path."""
    return sorted(file for file in source.rglob("*") if file.is_file() and _runs(file.relative_to(source)))


def policy_names(source: Path = POLICIES) -> tuple[str, ...]:
    """Return the names of the policies in `source`, sorted: its folders that hold a `policy.rego`."""
    return tuple(sorted(file.parent.name for file in source.glob("*/policy.rego")))


def revision_of(source: Path = POLICIES) -> str:
    """Return `sha256:<hex>` over path and content of every file that runs, in the order of their paths."""
    digest = hashlib.sha256()
    for name, content in _contents(source):
        for field in (name.encode(), content):
            digest.update(len(field).to_bytes(8, "big") + field)
    return f"sha256:{digest.hexdigest()}"


def snapshot_policies(target: Path, source: Path = POLICIES) -> str:
    """Copy the policies to `target` with a data file that says what they are, and return their revision.

    OPA reads the copy, so the revision it reports is that of the rules it runs. Rego serves it as
    `data.sluice.bundle.revision`, the names of the policies as `data.sluice.bundle.policies`, and what their authors
    say of them as `data.sluice.bundle.described`. `.manifest` makes the directory a bundle that owns `data.sluice`
    (https://www.openpolicyagent.org/docs/management-bundles).
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, content in _contents(source):
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    # Of the copy: a file may change while it is read, and what runs is what was copied.
    revision = revision_of(target)
    names = policy_names(target)
    described = [description_of(name, target / name / "policy.rego") for name in names]
    bundle = {"revision": revision, "policies": names, "described": described}
    # A bundle's data files have a fixed name, and the path is where their content goes.
    data = target / "sluice" / "bundle" / "data.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps(bundle))
    manifest = {"revision": revision, "roots": ["sluice"], "rego_version": 1}
    (target / ".manifest").write_text(json.dumps(manifest))
    return revision


def _contents(source: Path) -> list[tuple[str, bytes]]:
    return [(file.relative_to(source).as_posix(), file.read_bytes()) for file in policy_files(source)]


def _runs(name: Path) -> bool:
    if set(_LEFT_OUT) & set(name.parts):
        return False
    return name.name in _DATA_FILES or (name.suffix == ".rego" and not name.stem.endswith("_test"))
