"""A server that answers what a test puts there and keeps what it was asked, for commands run in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from cli.main import app


@dataclass(frozen=True)
class Asked:
    """One call."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any


@dataclass
class Canned:
    """The answers, by method and path, and the calls in their order."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def run(self, *arguments: str) -> Result:
        """Run `sluice …` here."""
        return CliRunner().invoke(app, list(arguments))


def _handler(canned: Canned) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            body = json.loads(sent) if sent else None
            canned.asked.append(Asked(self.command, parts.path, parse_qs(parts.query), body))
            unknown = (404, {"reason_code": "route_not_found", "detail": "Not Found.", "title": "Not Found"})
            status, answer = canned.answers.get(f"{self.command} {parts.path}", unknown)
            plain = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            kind = "application/json" if status < 400 else "application/problem+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(plain)))
            self.end_headers()
            self.wfile.write(plain)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    """Answer on a free port, to whom the commands are pointed."""
    canned = Canned()
    server = HTTPServer(("127.0.0.1", 0), _handler(canned))
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SLUICE_TOKEN", "slc_" + "x" * 43)
    monkeypatch.setenv("SLUICE_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        yield canned
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
