from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No program on PATH, nothing cached, no way out to the internet. Returns the only directory on PATH."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    monkeypatch.setenv("PATH", str(bin_dir))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other-state"))
    monkeypatch.setattr("tools.getting.GO_INSTALLATION", str(tmp_path / "no-go"))
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in [name for name in os.environ if name.startswith("SLUICE_")]:
        monkeypatch.delenv(name)
    return bin_dir


@pytest.fixture(scope="session")
def fake_program() -> Callable[[Path, str], Path]:
    """Writes an executable that prints a text, whatever its arguments are."""

    def write(path: Path, prints: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' '{prints}'\n")
        path.chmod(0o755)
        return path

    return write
