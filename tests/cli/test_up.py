"""What `sluice up` says, and how it goes on when nobody reads it, a disk is full or the API is slow."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import up
from local.events import StackEvent, StackEventKind
from local.run import Ready
from tests.cli.canned import Canned, serving
from tests.cli.conftest import Sluice


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as served:
        yield served


def ready(url: str, state: Path) -> Ready:
    return Ready(url, state, {}, {"api": url}, state / "tokens.json", wants_seed=True)


def test_the_stack_goes_on_when_nobody_reads_what_it_says_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    tell = up._progress(quiet=False)
    for kind in (StackEventKind.STOPPING, StackEventKind.STOPPED):
        tell(StackEvent(kind, "worker", "pid 1"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8470", "Listens on this machine only."),
        ("http://[::1]:8470", "Listens on this machine only."),
        ("http://0.0.0.0:8470", "Listens on 0.0.0.0: other machines may reach it."),
    ],
)
def test_the_first_minute_says_who_can_reach_it(
    url: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up._first_minute(ready(url, tmp_path), None)
    assert told in " ".join(capsys.readouterr().err.split())


def test_an_api_that_does_not_answer_in_time_does_not_end_the_stack(
    canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(up, "_REST_WITHIN", 0.5)
    canned.answers["GET /v1/proposals/prp_1"] = (503, {"reason_code": "database_unavailable"})
    here = ready(os.environ["SLUICE_URL"], tmp_path)
    asyncio.run(up._tell_seeded(here, "token", {"waiting": "prp_1"}))
    assert asyncio.run(up._link_of(ready("http://127.0.0.1:9", tmp_path), "token")) is None
    assert "prp_1  still under way" in capsys.readouterr().err


def test_a_disk_without_room_is_told_and_nothing_is_left_running(sluice: Sluice) -> None:
    (sluice.state / ".tokens.json.new").symlink_to("/dev/full")
    done = sluice.run(
        "up", SLUICE_TEMPORAL__ADDRESS="127.0.0.1:9", SLUICE_OPA__URL="http://127.0.0.1:9", SLUICE_GKE__ENDPOINT="x:1"
    )  # fmt: skip
    assert (done.returncode, "No space left on device" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
