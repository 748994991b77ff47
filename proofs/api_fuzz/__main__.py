"""Every operation of the OpenAPI description, with valid and with invalid data, as every role: no surprise.

Schemathesis draws the calls from the description that the API itself serves. An answer is a fault when it is a server
error, or has a status, media type or shape that the description does not name; a refusal also when it is no problem
document with a stable code, and any answer when it shows where our code lives. Half of the calls that name a thing
name one that exists. What chance hardly draws is called as a client means it, too: every operation answers somebody
with success.

    python -m proofs.api_fuzz --examples 8 [--seed 1] [--only "POST /v1/halts"]

The same seed draws the same calls.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proofs.api_fuzz.meant import Meant, meant_calls
from proofs.report import Report, Stopwatch, arguments, at_least, exactly, told
from proofs.served_api import ROOT, ServedApi, served_api
from proofs.workplace import workplace
from tests.api.serving import serving

CALLERS = ("vera", "rita", "ben", "olga", "ada", "bot", "bell", "nobody", "")
"""One person per role, an agent, a service, somebody without a role, and nobody."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SUPERSEDED = {"POST /v1/audit/verifications": "verification_id"}
"""Operation → what it makes anew: the API forgets the oldest of them soon."""
STREAM = "text/event-stream"
TIMEOUT = 30.0
MAX_FAULTS = 60
_SHOWN = 300
_NAMED = 0.5
"""Share of calls that name a thing which exists."""


@dataclass(slots=True)
class Found:
    """What came of the calls."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    """Those that were called."""
    reached: set[str] = field(default_factory=set)
    """Operations that answered somebody with success."""
    faults: dict[tuple[str, str], str] = field(default_factory=dict)
    """One for each operation and kind of fault, with a call that shows it."""
    fault_count: int = 0


@dataclass(slots=True)
class Fuzzer:
    """Calls one served API."""

    api: ServedApi
    examples: int
    """0: nothing is drawn, there are only the calls that are meant."""
    seed: int
    found: Found = field(default_factory=Found)
    session: requests.Session = field(default_factory=requests.Session)
    meant: Mapping[str, Meant] = field(default_factory=dict)
    """Operation → a call that somebody may make."""

    def run(self, only: Collection[str] = (), description: dict[str, Any] | None = None) -> Found:
        """Call every operation, or those that are named, with the served description unless another is given."""
        document = description or self.session.get(f"{self.api.url}/openapi.json", timeout=TIMEOUT).json()
        schema = schemathesis.openapi.from_dict(document)
        chosen = []
        for one in schema.get_all_operations():
            if isinstance(one, Ok):
                chosen += [one.ok()] if not only or one.ok().label in only else []
            else:
                self._note("the description", "an operation that cannot be read", "", repr(one.err()))
        watch = Stopwatch(len(chosen), "operations")
        for done, operation in enumerate(chosen, start=1):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._fuzz(operation, mode)
            if operation.label in self.meant:
                self._mean(operation, self.meant[operation.label])
            if operation.label not in self.found.operations:
                self._note(operation.label, "nothing to call it with was drawn", "", "")
            watch.at(done)
        return self.found

    def _fuzz(self, operation: Any, mode: GenerationMode) -> None:
        if not self.examples or (mode is GenerationMode.NEGATIVE and not _takes_something(operation)):
            return

        @hypothesis.seed(self.seed)
        @hypothesis.settings(
            max_examples=self.examples,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(
            case=operation.as_strategy(generation_mode=mode), chance=hypothesis.strategies.randoms()
        )
        def call(case: Any, chance: random.Random) -> None:
            for name in case.path_parameters or {}:
                if name in self.api.known and chance.random() < _NAMED:
                    case.path_parameters[name] = self.api.known[name]
            for by in CALLERS:
                self._call(case, by)

        try:
            call()
        except hypothesis.errors.Unsatisfiable:
            return

    def _mean(self, operation: Any, meant: Meant) -> None:
        said = {} if meant.body is None else {"body": dict(meant.body), "media_type": "application/json"}
        known = self.api.known | meant.path
        path = {one.name: known[one.name] for one in operation.path_parameters}
        for by in CALLERS:
            self._call(operation.Case(path_parameters=path, query=dict(meant.query), **said), by)

    def _call(self, case: Any, by: str) -> None:
        label = case.operation.label
        try:
            response = self._answer(case, by)
        except requests.RequestException as error:
            self._note(label, f"no answer: {type(error).__name__}", by, repr(case))
            return
        self.found.operations.add(label)
        self.found.calls += 1
        self.found.statuses[response.status_code] += 1
        if response.status_code < HTTPStatus.BAD_REQUEST:
            self.found.reached.add(label)
            if label in SUPERSEDED:
                self.api.known[SUPERSEDED[label]] = response.json()["id"]
        if response.headers.get("content-type", "").startswith(STREAM):
            response.close()
            return
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                self._note(label, f"{failure.title}, {response.status_code}", by, _shown(response, failure))
        for fault in _ours(response):
            self._note(label, f"{fault}, {response.status_code}", by, _shown(response))

    def _answer(self, case: Any, by: str) -> requests.Response:
        given = case.as_transport_kwargs(base_url=self.api.url)
        kept = {name: value for name, value in given["headers"].items() if name.lower() != "authorization"}
        given["headers"] = kept | self.api.headers(by)
        response = self.session.request(**given, timeout=TIMEOUT, stream=True, allow_redirects=False)
        if not response.headers.get("content-type", "").startswith(STREAM):
            _ = response.content
        return response

    def _note(self, label: str, what: str, by: str, shown: str) -> None:
        self.found.fault_count += 1
        name = f'--seed {self.seed} --only "{label}"'
        self.found.faults.setdefault((label, what), f"{name}: {what} (as {by or 'nobody'}): {shown}")


def _takes_something(operation: Any) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def _ours(response: requests.Response) -> Iterator[str]:
    """Yield what no answer of ours may be, whatever the description says."""
    text = response.text
    if str(ROOT) in text or "Traceback (most recent call last)" in text:
        yield "shows our code"
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        media_type = response.headers.get("content-type", "")
        document = response.json() if media_type == "application/problem+json" else {}
        if not document.get("reason_code") or document.get("status") != response.status_code:
            yield "a refusal without a code"


def _shown(response: requests.Response, failure: Any = None) -> str:
    asked = response.request
    body = asked.body.decode("utf-8", "replace") if isinstance(asked.body, bytes) else str(asked.body or "")
    told = f"{failure.message}; " if failure is not None and failure.message else ""
    shown = f"{told}{asked.method} {asked.path_url} {body} -> {response.text}"
    return shown.replace("\n", " ")[:_SHOWN]


async def prove(directory: Path, examples: int, seed: int, only: Collection[str]) -> Found:
    """Start the API, and call it."""
    async with served_api(directory) as api, serving(api.database_url) as beside:
        beside.tokens.update(api.tokens)
        meant = await meant_calls(beside)
        return await asyncio.to_thread(Fuzzer(api, examples, seed, meant=meant).run, only)


def faults_of(found: Found) -> Sequence[str]:
    """Return the faults, one per operation and kind."""
    return list(found.faults.values())[:MAX_FAULTS]


def unreached(found: Found) -> str:
    """Name the operations of which only refusals were seen."""
    return ", ".join(sorted(found.operations - found.reached)) or "none"


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--examples",
        type=int,
        default=8,
        help="for each operation and kind of data; every caller makes each",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="OPERATION", help='one, for example "POST /v1/halts"')
    given = parser.parse_args()
    began = time.monotonic()
    with workplace("api") as place:
        only = [given.only] if given.only else []
        found = asyncio.run(prove(place.directory, given.examples, given.seed, only))
        report = Report(
            promise="The API answers any call as its own description says, and never with a server error.",
            figures=(
                at_least("operations called", len(found.operations), 1 if given.only else 50),
                told("callers", len(CALLERS)),
                at_least("calls", found.calls, len(found.operations) * len(CALLERS)),
                exactly("server errors", sum(n for status, n in found.statuses.items() if status >= 500), 0),
                exactly("answers that are not as described", found.fault_count, 0),
                exactly("operations that answered with success", len(found.reached), len(found.operations)),
                told("operations that answered nobody with success", unreached(found)),
                told(
                    "answers", ", ".join(f"{status}: {n:,}" for status, n in sorted(found.statuses.items()))
                ),
            ),
            faults=faults_of(found),
            again=f"python -m proofs.api_fuzz --examples {given.examples} --seed {given.seed}",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
