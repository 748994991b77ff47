from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import POLICIES, policy_names
from contracts.errors import ConfigurationInvalid, PolicyUnavailable
from contracts.principal import Role
from tests.adapters.opa.answering import answering, saying
from tests.opa_fixtures import TIMEOUT, running_opa

NAMES = list(policy_names())
WHOLE = {"violations": [], "policies": NAMES, "declared": NAMES, "revision": "sha256:1"}
ALLOWED = json.loads((POLICIES / "owning_team" / "samples" / "allowed.json").read_text())
SOFT = {"rule": "r", "level": "soft", "message": "m"}


async def test_real_opa_answers_with_violations_the_sentinel_and_the_revision(
    policy_engine: OpaPolicyEngine,
) -> None:
    result = await policy_engine.evaluate(ALLOWED | {"target": None})
    assert [violation.rule for violation in result.violations] == ["owning_team"]
    assert list(result.policies) == NAMES
    assert result.rules_evaluated == len(NAMES)
    assert result.revision.startswith("sha256:")


async def test_one_connection_serves_many_questions_at_once(policy_engine: OpaPolicyEngine) -> None:
    results = await asyncio.gather(*[policy_engine.evaluate(ALLOWED) for _ in range(20)])
    assert all(result.violations == () for result in results)
    await policy_engine.check()


async def test_the_question_is_strict_about_errors_of_built_in_functions(
    opa_binary: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "policies"
    for file in [*POLICIES.glob("*.rego"), *POLICIES.glob("*.yaml"), *POLICIES.glob("*/policy.rego")]:
        target = copy / file.relative_to(POLICIES)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    (copy / "broken").mkdir()
    (copy / "broken" / "policy.rego").write_text(
        "package sluice.policies.broken\n\nevaluated := true\n\n"
        'violations contains {"rule": "broken", "level": "hard", "message": "m"} if {\n'
        "\ttime.parse_rfc3339_ns(input.when) > 0\n}\n"
    )
    with running_opa(opa_binary, copy) as url:
        engine = OpaPolicyEngine(url, timeout=TIMEOUT)
        try:
            with pytest.raises(PolicyUnavailable):
                await engine.evaluate(ALLOWED | {"when": "not a time"})
            result = await engine.evaluate(ALLOWED | {"when": "2026-11-21T12:00:00Z"})
            assert [violation.rule for violation in result.violations] == ["broken"]
        finally:
            await engine.close()


async def test_an_opa_that_serves_and_has_no_policies_is_not_ready(opa_binary: Path, tmp_path: Path) -> None:
    with running_opa(opa_binary, tmp_path) as url:
        engine = OpaPolicyEngine(url, timeout=TIMEOUT)
        try:
            with pytest.raises(PolicyUnavailable, match="has no policies"):
                await engine.check()
            with pytest.raises(PolicyUnavailable):
                await engine.evaluate(ALLOWED)
        finally:
            await engine.close()


async def test_a_restarted_opa_is_found_again(opa_binary: Path, tmp_path: Path) -> None:
    link = tmp_path / "opa.sock"
    engine = OpaPolicyEngine(f"unix://{link}", timeout=TIMEOUT)
    try:
        for _ in range(2):
            with running_opa(opa_binary) as url:
                link.unlink(missing_ok=True)
                link.symlink_to(url.removeprefix("unix://"))
                assert (await engine.evaluate(ALLOWED)).violations == ()
        with pytest.raises(PolicyUnavailable):
            await engine.evaluate({})
        with pytest.raises(PolicyUnavailable):
            await engine.check()
    finally:
        await engine.close()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"result": None},
        {"result": {"violations": []}},
        {"result": {name: value for name, value in WHOLE.items() if name != "violations"}},
        {"result": WHOLE | {"policies": []}},
        {"result": WHOLE | {"policies": NAMES[1:]}},
        {"result": WHOLE | {"policies": [*NAMES[1:], "another"]}},
        {"result": WHOLE | {"policies": len(NAMES)}},
        {"result": WHOLE | {"declared": [*NAMES, "of_the_operator"]}},
        {"result": WHOLE | {"revision": ""}},
        {"result": WHOLE | {"violations": None}},
        {"result": WHOLE | {"violations": [{"rule": "r", "level": "mandatory", "message": "m"}]}},
        {"result": WHOLE | {"violations": [{"rule": "r", "level": "hard"}]}},
        {"result": WHOLE | {"violations": [SOFT | {"quorum": 0}]}},
        {"result": WHOLE | {"violations": [SOFT | {"quorum": "2"}]}},
        {"result": WHOLE | {"violations": [SOFT | {"roles": []}]}},
        {"result": WHOLE | {"violations": [SOFT | {"roles": ["owner"]}]}},
        {"result": WHOLE | {"violations": [SOFT | {"groups": []}]}},
        {"result": WHOLE | {"violations": [SOFT | {"groups": [" "]}]}},
        {"result": WHOLE | {"violations": [SOFT | {"group": ["finance"]}]}},
        {"result": WHOLE | {"violations": [SOFT | {"quorom": 2}]}},
        [],
        "not json",
        "",
        "x" * 1_100_000,
    ],
    ids=lambda value: str(value).replace(str(NAMES), "NAMES")[-60:],
)
async def test_whatever_is_not_a_whole_answer_is_none(answer: object) -> None:
    async with answering(saying(answer)) as engine:
        with pytest.raises(PolicyUnavailable):
            await engine.evaluate({})


@pytest.mark.parametrize("status", [201, 204, 301, 400, 404, 500, 503])
async def test_only_status_200_is_an_answer(status: int) -> None:
    async with answering(saying({"result": WHOLE}, status)) as engine:
        with pytest.raises(PolicyUnavailable):
            await engine.evaluate({})


async def test_an_answer_without_end_is_none_however_whole() -> None:
    told = {"rule": "r", "level": "advisory", "message": "m" * 2_000}
    async with answering(saying({"result": WHOLE | {"violations": [told] * 600}})) as engine:
        with pytest.raises(PolicyUnavailable, match="too large"):
            await engine.evaluate({})


async def test_a_whole_answer_is_taken() -> None:
    async with answering(saying({"result": WHOLE, "decision_id": "1"})) as engine:
        assert (await engine.evaluate({})).rules_evaluated == len(NAMES)


async def test_a_soft_violation_may_name_who_must_approve_and_what_would_help() -> None:
    told = SOFT | {"quorum": 2, "roles": ["approver"], "groups": ["finance"], "remedy": "Ask for less."}
    async with answering(saying({"result": WHOLE | {"violations": [told]}})) as engine:
        (violation,) = (await engine.evaluate({})).violations
    assert (violation.quorum, violation.roles, violation.groups, violation.remedy) == (
        2,
        (Role.APPROVER,),
        ("finance",),
        "Ask for less.",
    )


async def test_the_operator_may_name_the_policies_that_are_required() -> None:
    mine = WHOLE | {"policies": ["mine"], "declared": ["mine"]}
    async with answering(saying({"result": mine}), required=("mine",)) as engine:
        assert (await engine.evaluate({})).policies == ("mine",)
    async with answering(saying({"result": mine}), required=("mine", "other")) as engine:
        with pytest.raises(PolicyUnavailable, match="other"):
            await engine.evaluate({})


def test_requiring_no_policy_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid):
        OpaPolicyEngine("http://127.0.0.1:1", timeout=TIMEOUT, required=())


async def test_a_hang_ends_with_the_timeout() -> None:
    over = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with answering(hang, timedelta(milliseconds=200)) as engine:
        try:
            async with asyncio.timeout(60):
                with pytest.raises(PolicyUnavailable):
                    await engine.evaluate({})
        finally:
            over.set()


@pytest.mark.parametrize("url", ["", "localhost:8181", "ftp://x", "unix://", "http://"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationInvalid):
        OpaPolicyEngine(url, timeout=TIMEOUT)
