"""The API as the command line sees it. Every error becomes a `CommandFailed` with an exit code and a next step."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cli.exit_codes import CommandFailed, ExitCode
from cli.text import harmless

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
ATTEMPTS = 3
_PAUSE = 0.3
_CODES = {
    401: ExitCode.AUTH,
    403: ExitCode.AUTH,
    409: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    415: ExitCode.USAGE,
    422: ExitCode.USAGE,
}
_HINTS = {
    401: "name who you are: `sluice --as requester …` locally, or set SLUICE_TOKEN",
    403: "see who may: `sluice proposals show ID`, or use another identity with --as",
    409: "look again: `sluice proposals show ID`",
    503: "check the parts: `sluice doctor`",
}
_UNSOUND = {"checkpoint_not_found", "audit_log_cut_off"}
"""By these reason codes a log says itself that it does not hold what was signed."""
_SERVER_ERRORS = 500
_BUSY = 503


@dataclass(frozen=True)
class Reply:
    """A successful answer."""

    status: int
    body: Any


def _trusted(url: str) -> ssl.SSLContext:
    """Whom the system trusts; nobody for plain HTTP, where to read all certificates would be half of a command."""
    if httpx.URL(url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


class ApiClient:
    """Blocking calls under one identity. A POST carries an `Idempotency-Key`, so it can be repeated."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Sluice-Channel": "cli"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._url = url
        # Proxies of the environment never see a token.
        try:
            self._http = httpx.Client(
                base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False, verify=_trusted(url)
            )
        except httpx.InvalidURL as error:
            raise CommandFailed(f"{harmless(url, 120)!r} is not a URL", ExitCode.USAGE) from error

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a GET."""
        return self._call("GET", path, params=parameters).body

    def post(self, path: str, body: Any = None) -> Reply:
        """POST once, however often the connection breaks."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._call("POST", path, headers=headers, **({} if body is None else {"json": body}))

    def delete(self, path: str) -> Any:
        """Return the JSON of a DELETE."""
        return self._call("DELETE", path).body

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[bytes]]:
        """Stream the lines of an answer, each with its line feed."""
        try:
            with self._http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    raise _failed(answer)
                yield _split(answer.iter_bytes())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(self, method: str, path: str, **options: Any) -> Reply:
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(error) from error
            else:
                if not answer.is_error:
                    return Reply(answer.status_code, self._parsed(answer))
                if last or answer.status_code != _BUSY:
                    raise _failed(answer)
            time.sleep(_PAUSE * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _parsed(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            told = f"what answers at {self._url} is not the API of Sluice"
            raise CommandFailed(told, ExitCode.ERROR, "check --url and SLUICE_URL") from error

    def _unreachable(self, error: httpx.HTTPError) -> CommandFailed:
        told = f"the API at {self._url} does not answer ({type(error).__name__})"
        return CommandFailed(
            told, ExitCode.ERROR, "start it with `sluice up`, or name it: --url or SLUICE_URL"
        )


def _failed(answer: httpx.Response) -> CommandFailed:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    code = harmless(str(problem.get("reason_code", f"http_{answer.status_code}")), 80)
    told = f"{harmless(str(problem.get('detail', answer.reason_phrase)), 400)} ({code})"
    for field in problem.get("errors") or ():
        told += f"\n  {harmless(str(field.get('field')), 120)}: {harmless(str(field.get('message')), 300)}"
    if answer.status_code >= _SERVER_ERRORS:
        told += f"\n  trace {harmless(str(problem.get('trace_id', 'unknown')), 40)}"
    if code in _UNSOUND:
        return CommandFailed(told, ExitCode.VERIFICATION)
    exit_code = _CODES.get(answer.status_code, ExitCode.ERROR)
    return CommandFailed(told, exit_code, _HINTS.get(answer.status_code, ""))


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
