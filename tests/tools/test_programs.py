"""The steps of the resolver, with real executables and without the internet."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.environment import ROOT
from tools.catalogue import OPA, TEMPORAL
from tools.programs import Found, ProgramNotFoundError, Source, cached_path, locate, resolve

GOOD = "Version: 1.22.0"
OLD = "Version: 0.68.0"

Write = Callable[[Path, str], Path]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_path_from_a_setting_comes_before_everything(
    bare_machine: Path, fake_program: Write, state: Path, tmp_path: Path
) -> None:
    fake_program(bare_machine / "opa", GOOD)
    mine = fake_program(tmp_path / "mine" / "opa", "Version: 1.5.0")
    found = resolve(OPA, state_dir=state, explicit=mine)
    assert (found.path, found.source, str(found.version)) == (mine, Source.SETTING, "1.5.0")


def test_an_unsuitable_path_from_a_setting_is_an_error_and_not_passed_over(
    bare_machine: Path, fake_program: Write, state: Path, tmp_path: Path
) -> None:
    fake_program(bare_machine / "opa", GOOD)
    mine = fake_program(tmp_path / "mine" / "opa", OLD)
    with pytest.raises(ProgramNotFoundError) as refused:
        resolve(OPA, state_dir=state, explicit=mine)
    assert [attempt.source for attempt in refused.value.attempts] == [Source.SETTING]
    assert "OPA 0.68.0 is older than 1.0.0" in str(refused.value)


def test_a_program_on_path_is_used(bare_machine: Path, fake_program: Write, state: Path) -> None:
    path = fake_program(bare_machine / "temporal", "temporal version 1.8.2 (Server 1.31.2, UI 2.50.1)")
    found = resolve(TEMPORAL, state_dir=state)
    assert (found.path, found.source) == (path, Source.PATH)
    assert not state.exists()


def test_an_unsuitable_program_on_path_is_reported_and_passed_over(
    bare_machine: Path, fake_program: Write, state: Path
) -> None:
    fake_program(bare_machine / "temporal", "temporal version 1.5.1 (Server 1.29.1, UI 2.40.0)")
    cached = fake_program(cached_path(TEMPORAL, state / "programs"), "temporal version 1.8.2 (Server 1.31.2)")
    said: list[str] = []
    found = resolve(TEMPORAL, state_dir=state, progress=said.append)
    assert (found.path, found.source) == (cached, Source.CACHE)
    assert any("1.29.1" in line and "CVE-2026-5199" in line for line in said)


def test_the_cache_of_the_default_state_directory_serves_another_one_too(
    bare_machine: Path, fake_program: Write, state: Path, tmp_path: Path
) -> None:
    default = tmp_path / "other-state" / "sluice" / "programs"
    cached = fake_program(cached_path(OPA, default), GOOD)
    assert resolve(OPA, state_dir=state).path == cached


def test_a_cached_program_of_somebody_else_is_never_run(
    bare_machine: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    cached = cached_path(OPA, state / "programs")
    cached.parent.mkdir(parents=True)
    cached.write_text(f"#!/bin/sh\ntouch {ran}\necho '{GOOD}'\n")
    cached.chmod(0o755)
    os.chown(cached, os.geteuid() or 1, -1)
    owner = cached.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    search = locate(OPA, state_dir=state)
    assert search.found is None
    assert any("belongs to somebody else" in attempt.reason for attempt in search.attempts)
    assert not ran.exists()


@pytest.mark.parametrize("content", ["", "not a program", "#!/bin/sh\nexit 3\n"])
def test_a_broken_cached_program_is_reported_with_its_place(
    bare_machine: Path, state: Path, content: str
) -> None:
    cached = cached_path(OPA, state / "programs")
    cached.parent.mkdir(parents=True)
    cached.write_text(content)
    cached.chmod(0o755)
    search = locate(OPA, state_dir=state)
    assert search.found is None
    assert any(str(cached) in attempt.reason for attempt in search.attempts)


def test_when_nothing_works_the_error_lists_every_step_and_what_helps(
    bare_machine: Path, state: Path
) -> None:
    for program in (TEMPORAL, OPA):
        with pytest.raises(ProgramNotFoundError) as missing:
            resolve(program, state_dir=state)
        sources = list(dict.fromkeys(attempt.source for attempt in missing.value.attempts))
        assert sources == [Source.PATH, Source.CACHE, Source.DOWNLOAD, Source.BUILD]
        message = str(missing.value)
        assert "Go is not installed" in message
        assert "cannot be" in message
        assert program.setting in message
        assert program.substitute in message
    assert [path.name for path in (state / "programs").iterdir() if not path.name.endswith(".lock")] == []


def fake_go(bin_dir: Path, builds: Path, prints: str = GOOD) -> None:
    """A `go` that takes its time and writes a program that prints `prints`; it notes every build."""
    go = bin_dir / "go"
    go.write_text(
        "#!/bin/sh\n"
        f"echo build >> '{builds}'\n"
        '/bin/sleep 1\nwhile [ "$1" != "-o" ]; do shift; done\n'
        f'printf \'#!/bin/sh\\necho "{prints}"\\n\' > "$2"\n'
        '/bin/chmod 755 "$2"\n'
    )
    go.chmod(0o755)


def test_a_build_fills_the_cache_and_is_not_repeated(bare_machine: Path, state: Path, tmp_path: Path) -> None:
    fake_go(bare_machine, tmp_path / "builds")
    first, second = resolve(OPA, state_dir=state), resolve(OPA, state_dir=state)
    assert (first.source, second.source) == (Source.BUILD, Source.CACHE)
    assert first.path == second.path == cached_path(OPA, state / "programs")
    assert (tmp_path / "builds").read_text().count("build") == 1


def test_a_build_of_the_wrong_version_is_not_cached(bare_machine: Path, state: Path, tmp_path: Path) -> None:
    fake_go(bare_machine, tmp_path / "builds", OLD)
    with pytest.raises(ProgramNotFoundError, match=r"build: .*older than 1\.0\.0"):
        resolve(OPA, state_dir=state)
    assert not cached_path(OPA, state / "programs").exists()


def test_many_processes_at_once_build_once_and_all_get_it(
    bare_machine: Path, state: Path, tmp_path: Path
) -> None:
    fake_go(bare_machine, tmp_path / "builds")
    command = [sys.executable, "-m", "tools.programs", "--name", "opa", "--state-dir", str(state)]
    racers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(4)
    ]
    answers = [racer.communicate(timeout=120)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert set(answers) == {f"opa\t{cached_path(OPA, state / 'programs')}\n"}
    assert (tmp_path / "builds").read_text().count("build") == 1


def test_what_an_interrupted_build_left_behind_is_removed(
    bare_machine: Path, state: Path, tmp_path: Path
) -> None:
    left = state / "programs" / ".opa-interrupted"
    left.mkdir(parents=True)
    fake_go(bare_machine, tmp_path / "builds")
    resolve(OPA, state_dir=state)
    assert not left.exists()


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A vendor's site on 127.0.0.1; put files into the directory."""
    site = tmp_path / "site"
    site.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(site))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr("tools.getting.OPA_SITE", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        yield site
        server.shutdown()
        thread.join()


def publish(site: Path, *, sha256: str | None = None) -> None:
    release = site / f"v{OPA.pinned}"
    release.mkdir()
    program = f"#!/bin/sh\necho '{GOOD}'\n".encode()
    (release / "opa_linux_amd64_static").write_bytes(program)
    digest = sha256 or hashlib.sha256(program).hexdigest()
    (release / "opa_linux_amd64_static.sha256").write_text(f"{digest}  opa_linux_amd64_static\n")


def test_a_download_with_the_published_checksum_is_cached(
    bare_machine: Path, vendor: Path, state: Path
) -> None:
    publish(vendor)
    found = resolve(OPA, state_dir=state)
    assert isinstance(found, Found)
    assert found.source is Source.DOWNLOAD
    assert resolve(OPA, state_dir=state).source is Source.CACHE


def test_a_download_with_another_checksum_is_never_run_or_cached(
    bare_machine: Path, vendor: Path, state: Path
) -> None:
    publish(vendor, sha256="0" * 64)
    with pytest.raises(ProgramNotFoundError, match="does not match the vendor's published SHA-256"):
        resolve(OPA, state_dir=state)
    assert not cached_path(OPA, state / "programs").exists()
