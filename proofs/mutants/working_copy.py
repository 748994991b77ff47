"""A copy of the repository in which one check at a time is broken. The working tree is only ever read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proofs.mutants.mutant import Mutant

ROOT = Path(__file__).parent.parent.parent


class MutantInvalid(Exception):
    """The list is wrong about this mutant: its text is not in the file exactly once, or the result is no Python."""


def mutated(mutant: Mutant, source: str) -> str:
    """Return a file's text with the mutant in it.

    Raises:
        MutantInvalid: the old text is not there exactly once, nothing changes, or the result does not compile.
    """
    found = source.count(mutant.old)
    if found != 1:
        raise MutantInvalid(f"{mutant.name}: its text is {found} times in {mutant.file}, not once")
    changed = source.replace(mutant.old, mutant.new)
    if changed == source:
        raise MutantInvalid(f"{mutant.name}: changes nothing")
    try:
        compile(changed, mutant.file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise MutantInvalid(f"{mutant.name}: does not compile: {error.msg}") from error
    return changed


def copy_repository(to: Path, root: Path = ROOT) -> None:
    """Copy every file that git tracks, or would: what is ignored stays behind."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = root / name, to / name
        if not source.is_file():
            continue  # Deleted, and the deletion not committed yet.
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


@contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    """Have the mutant in the copy for a while."""
    path = copy / mutant.file
    source, stamp = path.read_text(encoding="utf-8"), path.stat().st_mtime_ns
    path.write_text(mutated(mutant, source), encoding="utf-8")
    # Byte code is told apart by whole seconds and size: the mutant's time is one that the file never had.
    os.utime(path, ns=(stamp + 10**10, stamp + 10**10))
    try:
        yield
    finally:
        path.write_text(source, encoding="utf-8")
        os.utime(path, ns=(stamp, stamp))
