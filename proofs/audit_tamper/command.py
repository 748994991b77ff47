"""The command itself, `sluice audit verify`, on a file in which a bit was flipped."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner

from cli.exit_codes import ExitCode
from cli.main import app
from proofs.audit_tamper.flips import Flip
from proofs.audit_tamper.log import Log

ROOT = Path(__file__).resolve().parent.parent.parent


class Command:
    """The command line with an export and a key on disk."""

    def __init__(self, log: Log, folder: Path) -> None:
        """Write both files into a folder."""
        self._file, key = folder / "log.jsonl", folder / "audit.pub"
        self._file.write_bytes(log.content)
        key.write_text(log.signer.key.encode(), encoding="ascii")
        self._begins = [0]
        for line in log.lines:
            self._begins.append(self._begins[-1] + len(line))
        self._last = len(log.lines)
        self._arguments = ("-o", "json", "audit", "verify", "--file", str(self._file), "--key", str(key))
        self._runner = CliRunner()

    def accepts(self) -> bool:
        """Tell whether it takes the file as it is now for sound."""
        return self._runner.invoke(app, self._arguments).exit_code == ExitCode.OK

    def finds(self, flip: Flip, *, in_process_of_its_own: bool = False) -> str | None:
        """Flip, run, and flip back; return what is wrong with the answer, or None: it names the line."""
        with self._flipped(flip):
            if in_process_of_its_own:
                code, output = self._spawned()
            else:
                ran = self._runner.invoke(app, self._arguments)
                code, output = ran.exit_code, ran.stdout
        if code != ExitCode.VERIFICATION:
            return f"exit status {code}"
        lines = {one["line"] for one in json.loads(output)["faults"]}
        # Of what stands in the first and the last line alike, it cannot be told which was changed.
        if flip.line + 1 in lines or (flip.line in (0, self._last - 1) and lines & {1, self._last}):
            return None
        return f"found, but on lines {sorted(lines)[:5]}"

    def _spawned(self) -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-m", "cli.main", *self._arguments],
            check=False, capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        return ran.returncode, ran.stdout

    @contextmanager
    def _flipped(self, flip: Flip) -> Iterator[None]:
        at = self._begins[flip.line] + flip.byte
        with self._file.open("r+b") as file:
            file.seek(at)
            was = file.read(1)
            file.seek(at)
            file.write(bytes([was[0] ^ (1 << flip.bit)]))
        try:
            yield
        finally:
            with self._file.open("r+b") as file:
                file.seek(at)
                file.write(was)


@contextmanager
def command_on(log: Log) -> Iterator[Command]:
    """Yield the command with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="sluice-tamper-") as folder:
        yield Command(log, Path(folder))
