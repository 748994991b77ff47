from __future__ import annotations

import io
import sys

import pytest

from cli.output import table


def test_a_pipe_gets_every_cell_whole(capsys: pytest.CaptureFixture[str]) -> None:
    identifier = "target:gke.node_pool/acme-dev/us-central1-a/sandbox/" + "long-name-of-a-pool" * 4
    table(("ID", "STATE", "LAST REASON"), [(identifier, "OPEN", "provider_permission_denied")], "nothing")
    shown = capsys.readouterr().out
    assert identifier in shown
    assert "provider_permission_denied" in shown
    assert "…" not in shown


def test_an_id_is_never_cut_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = "prp_0123456789abcdef0123"
    shown = _on_terminal(monkeypatch, 60, [(identifier, "a long change of a node pool " * 3, "requester")])
    assert identifier in shown


def _on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, rows: list[tuple[str, ...]]) -> str:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    table(("ID", "CHANGE", "BY"), rows, "nothing")
    return terminal.getvalue()
