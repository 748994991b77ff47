"""OPA as deploy/opa configures it: signed bundles from a service, swapped under load, and what its log shows."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adapters.opa.bundle import build_bundle
from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import POLICIES, policy_names
from contracts.errors import PolicyUnavailable
from local.bound import bound_command
from tests.opa_fixtures import TIMEOUT

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "opa"
ALLOWED = json.loads((POLICIES / "owning_team" / "samples" / "allowed.json").read_text())
ASKED = 100
"""Questions that are asked at least while a bundle changes."""
OTHER_LIMITS = "sluice:\n  limits:\n    pool_maximum: {default: 7}\n"


@dataclass
class Keys:
    """An ECDSA key pair on P-256, as PEM files."""

    private: Path
    public: Path

    @classmethod
    def made(cls, folder: Path, name: str) -> Keys:
        key = ec.generate_private_key(ec.SECP256R1())
        keys = cls(folder / f"{name}_private.pem", folder / f"{name}_public.pem")
        keys.private.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
        keys.public.write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        return keys


@dataclass
class BundleService:
    """Serves one bundle, and counts how often it was fetched whole."""

    content: bytes = b""
    url: str = ""
    fetched: asyncio.Condition = field(default_factory=asyncio.Condition)
    fetches: int = 0

    async def serve(self, _: web.Request) -> web.Response:
        async with self.fetched:
            self.fetches += 1
            self.fetched.notify_all()
        return web.Response(body=self.content, content_type="application/gzip")

    async def next_fetches(self, count: int) -> None:
        """Return once OPA has fetched so often, so that it is done with all but the last."""
        async with self.fetched:
            wanted = self.fetches + count
            await self.fetched.wait_for(lambda: self.fetches >= wanted)


@pytest.fixture
async def service() -> AsyncIterator[BundleService]:
    served = BundleService()
    app = web.Application()
    app.router.add_get("/sluice.tar.gz", served.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@dataclass
class Program:
    opa: Path
    folder: Path
    keys: Keys

    def bundle(self, *, source: Path = POLICIES, keys: Keys | None = None, signed: bool = True) -> bytes:
        file = self.folder / "made.tar.gz"
        key = (keys or self.keys).private if signed else None
        build_bundle(self.opa, file, source=source, signing_key=key)
        return file.read_bytes()


@pytest.fixture
def program(opa_binary: Path, tmp_path: Path) -> Program:
    return Program(opa_binary, tmp_path, Keys.made(tmp_path, "ours"))


@contextmanager
def running(program: Program, service: BundleService, port: int, *more: Path) -> Iterator[Path]:
    """Start OPA as deploy/opa/config.yaml says, with quicker polling; yield the file of its log."""
    log = program.folder / "opa.log"
    parts = [DEPLOY / name for name in ("authorization.rego", "mask.rego", "decision_log.yaml")]
    command = [
        str(program.opa), "run", "--server", f"--addr=127.0.0.1:{port}", "--authorization=basic",
        "--skip-version-check", "--config-file", str(DEPLOY / "config.yaml"),
        "--set-file", f"keys.sluice.key={program.keys.public}",
        "--set", "bundles.sluice.polling.min_delay_seconds=1",
        "--set", "bundles.sluice.polling.max_delay_seconds=1",
        *map(str, more or parts),
    ]  # fmt: skip
    variables = {
        "SLUICE_BUNDLE_SERVICE_URL": service.url,
        "SLUICE_BUNDLE_RESOURCE": "sluice.tar.gz",
        "SLUICE_BUNDLE_DIRECTORY": str(program.folder / "kept"),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound_command(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | variables,
        )  # fmt: skip
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


async def revision(engine: OpaPolicyEngine) -> str:
    return (await engine.evaluate(ALLOWED)).revision


async def first_answer(engine: OpaPolicyEngine) -> str:
    """Wait until OPA has its first bundle. Before that it answers nothing, which is never an allow."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await revision(engine)
            except PolicyUnavailable:
                await asyncio.sleep(0.05)


@pytest.fixture
async def ask(free_port: Callable[[], int]) -> AsyncIterator[tuple[int, OpaPolicyEngine]]:
    port = free_port()
    engine = OpaPolicyEngine(f"http://127.0.0.1:{port}", timeout=TIMEOUT)
    yield port, engine
    await engine.close()


async def test_a_new_bundle_is_in_force_without_one_failed_question(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine], tmp_path: Path
) -> None:
    port, engine = ask
    service.content = program.bundle()
    candidate = tmp_path / "candidate"
    _copy(candidate)
    with running(program, service, port):
        first = await first_answer(engine)
        seen: list[str] = []
        stop = asyncio.Event()

        async def keep_asking() -> None:
            while not stop.is_set():
                result = await engine.evaluate(ALLOWED)
                assert result.policies == policy_names()
                seen.append(result.revision)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(keep_asking())
            service.content = program.bundle(source=candidate)
            async with asyncio.timeout(120):
                while len(seen) <= ASKED or seen[-1] == first:
                    await service.next_fetches(1)
            stop.set()
    second = seen[-1]
    assert set(seen) == {first, second}


async def test_a_bundle_that_is_not_whole_and_ours_never_comes_into_force(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine], tmp_path: Path
) -> None:
    port, engine = ask
    service.content = program.bundle()
    candidate = tmp_path / "candidate"
    _copy(candidate)
    wanted = program.bundle(source=candidate)
    wrong = {
        "unsigned": program.bundle(source=candidate, signed=False),
        "of another key": program.bundle(source=candidate, keys=Keys.made(tmp_path, "other")),
        "cut short": wanted[: len(wanted) // 2],
        "altered": _altered(wanted),
        "empty": b"",
    }
    with running(program, service, port):
        first = await first_answer(engine)
        await engine.check()
        for name, content in wrong.items():
            service.content = content
            await service.next_fetches(2)
            assert await revision(engine) == first, name
        service.content = wanted
        await service.next_fetches(2)
        assert await revision(engine) != first


async def test_without_a_sound_bundle_nothing_is_answered_and_it_is_not_ready(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine]
) -> None:
    port, engine = ask
    service.content = program.bundle(signed=False)
    with running(program, service, port):
        await service.next_fetches(2)
        with pytest.raises(PolicyUnavailable):
            await engine.evaluate(ALLOWED)
        with pytest.raises(PolicyUnavailable):
            await engine.check()


async def test_a_new_key_is_taken_up_without_a_gap_where_the_bundle_comes_first(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine], tmp_path: Path
) -> None:
    port, engine = ask
    renewed = replace(program, keys=Keys.made(tmp_path, "next"))
    service.content = program.bundle()
    with running(program, service, port):
        first = await first_answer(engine)
        service.content = renewed.bundle()
        await service.next_fetches(2)
        assert await revision(engine) == first
    with running(renewed, service, port):
        assert await first_answer(engine) == first


async def test_with_a_new_key_nothing_is_answered_by_what_the_old_one_signed(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine], tmp_path: Path
) -> None:
    port, engine = ask
    service.content = program.bundle()
    with running(program, service, port):
        await first_answer(engine)
    with running(replace(program, keys=Keys.made(tmp_path, "next")), service, port):
        await service.next_fetches(2)
        for _ in range(3):
            with pytest.raises(PolicyUnavailable):
                await engine.evaluate(ALLOWED)


async def test_the_decision_log_holds_neither_words_nor_people(
    program: Program, service: BundleService, ask: tuple[int, OpaPolicyEngine]
) -> None:
    port, engine = ask
    service.content = program.bundle()
    said: dict[str, Any] = json.loads(json.dumps(ALLOWED))
    said |= {"reason": "CANARY-reason"}
    said["proposal"] |= {"rationale": "CANARY-rationale"}
    said["proposal"]["authors"] = [{"kind": "human", "subject": "CANARY-subject"}]
    said["target"]["owner"] = "CANARY-owner@example.com"
    with running(program, service, port) as log:
        await first_answer(engine)
        await engine.check()
        await engine.evaluate(said)
    # It has ended, so its log is whole.
    logged = decisions(log)
    assert "CANARY" not in log.read_text()
    judged = logged[-1]
    assert judged["input"]["action"] == ALLOWED["action"]
    assert judged["input"]["proposal"]["authors"] == [{"kind": "human", "subject": "hidden"}]
    assert judged["result"]["revision"].startswith("sha256:")
    assert set(judged["erased"]) == {"/input/reason", "/input/proposal/rationale"}


def decisions(log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return [line for line in lines if line.get("msg") == "Decision Log" and "result" in line]


def test_the_mask_passes_what_opa_checks(opa_binary: Path) -> None:
    files = [str(DEPLOY / "mask.rego"), str(DEPLOY / "mask_test.rego")]
    for arguments in (
        ["fmt", "--fail", "--list", str(DEPLOY)],
        ["check", "--strict", str(DEPLOY)],
        ["test", "--coverage", "--threshold", "100", *files],
    ):
        done = subprocess.run([str(opa_binary), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_mask_knows_every_name_of_the_input() -> None:
    text = (DEPLOY / "mask.rego").read_text()
    for name in (*ALLOWED, *ALLOWED["proposal"]):
        assert f'"{name}"' in text


def _copy(target: Path) -> None:
    """The shipped policies with other limits: the same names, another revision."""
    for file in POLICIES.glob("**/*.rego"):
        copy = target / file.relative_to(POLICIES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (target / "data.yaml").write_text(OTHER_LIMITS)


def _altered(bundle: bytes) -> bytes:
    """The same files and signatures, with one limit raised."""
    output = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(bundle)) as old,
        tarfile.open(fileobj=output, mode="w:gz") as new,
    ):
        for member in old.getmembers():
            file = old.extractfile(member)
            content = b"" if file is None else file.read()
            if member.name.endswith("data.json"):
                content = content.replace(b'"default":7', b'"default":9')
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return output.getvalue()
