"""Local stack: the Temporal dev server, as a child process of ours."""

from __future__ import annotations

from pathlib import Path

SEARCH_ATTRIBUTES = ("SluiceTenant", "SluiceKind", "SluiceTarget", "SluiceRequester")
"""Keyword attributes that every workflow of ours carries from its start."""


def dev_server_command(
    program: Path, *, port: int, ui_port: int | None = None, database: Path | None = None
) -> list[str]:
    """Command line of a dev server on 127.0.0.1.

    Without `database` everything is kept in memory and gone at the end; without `ui_port` there is no web UI.
    """
    command = [
        str(program), "server", "start-dev",
        "--ip", "127.0.0.1", "--port", str(port),
        "--log-level", "warn", "--log-format", "json",
    ]  # fmt: skip
    command += ["--headless"] if ui_port is None else ["--ui-ip", "127.0.0.1", "--ui-port", str(ui_port)]
    if database is not None:
        command += ["--db-filename", str(database)]
    for name in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{name}=Keyword"]
    return command
