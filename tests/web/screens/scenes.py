"""What the screens are shown: one database each, filled by the rooms' own scene builders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, text, update

from adapters.oidc.provider import OidcProvider
from adapters.store import comments, halts
from adapters.store.schema import breakers as breaker_rows
from adapters.store.schema import evaluations
from contracts.decision import DecisionKind
from contracts.holds import on_halt, on_window
from contracts.principal import Role
from contracts.proposal import Planner, PlannerKind
from contracts.request import Trust
from contracts.safety import HaltScope
from settings import OidcSettings
from tests.api.audit.story import S, Story
from tests.api.safety.test_exceptions import window
from tests.api.serving import CONFIGURATION
from tests.api.web.proposal.out_of_the_ordinary import ask, hold, lend
from tests.contracts.samples import AGENT, ANA
from tests.inbox_samples import move, waiting
from tests.web.audit.told import tell
from tests.web.inbox.scenes import a_morning
from tests.web.operations.stage import KIND, TARGET, Stage, dress
from tests.web.proposal.stages import STATES, Stages, person
from tests.web.proposal.test_hostile_text import _words as hostile_words
from tests.web.screens.guarding import guarded, with_guards
from tests.web.screens.ruling import people, rules, with_rules
from tests.web.screens.talks import talks
from tests.web.site import Site

Made = dict[str, str]
OLGA = person("olga")


async def nothing(site: Site) -> Made:
    """Nobody has asked for anything yet."""
    headers = site.api.headers("ana") | {"Host": site.url.removeprefix("http://")}
    answer = await site.api.http.post("/v1/login-links", headers=headers)
    return {"link": str(answer.json()["url"]).removeprefix(site.url)}


async def morning(site: Site) -> Made:
    """An inbox with one of each kind."""
    found = await a_morning(site.api.database)
    await site.api.parts.sequencer.checkpoint()
    return {name: one.id for name, one in found.items()}


async def proposals(site: Site) -> Made:
    """A proposal in every state, and the ones with something particular."""
    stages = Stages(site.api)
    made = {name: await stages.in_state(name) for name in STATES}
    made["development"] = await stages.waiting(production=False, by_agent=False, words=None)
    made["changed"] = await stages.waiting()
    made["conflict"] = await stages.waiting()
    made["drifted"] = await stages.waiting(node_pool="embeddings")
    await stages.seen_later(made["drifted"], (2, 3, 2))
    made["lost"] = await stages.waiting()
    async with site.api.database.transaction() as connection:
        await connection.execute(delete(evaluations).where(evaluations.c.proposal_id == made["lost"]))
    made |= await _out_of_the_ordinary(site, stages)
    made["hostile"] = await stages.waiting(by_alert=True, by="olga", words=hostile_words())
    async with site.api.database.transaction() as connection:
        for by, said in (
            ("ana", "The queue is at 52 now."),
            ("cleo", "Dashboards agree. I look at the cost."),
        ):
            await comments.add(
                connection,
                tenant=site.api.parts.tenant,
                proposal_id=made["voted"],
                revision=1,
                author=person(by),
                text=said,
            )
    return made


async def _out_of_the_ordinary(site: Site, stages: Stages) -> Made:
    """Edited, held on a window, asked of groups while somebody is away."""
    api = site.api
    edited = await stages.waiting(quorum=2)
    await stages.decided(edited, "cleo", DecisionKind.APPROVE)
    change = {
        "digest": (await api.view(edited))["digest"],
        "fields": {"node_count": 3},
        "reason": "Half of it is enough until the sale begins.",
        "reason_name": "too_large",
    }
    assert (await api.post(f"/v1/proposals/{edited}/revisions", change, by="olga")).status_code == 202
    await stages.evaluated(edited)
    frozen = await stages.waiting(node_pool="frozen")
    await hold(api, frozen, on_window("year-end"))
    groups = await stages.waiting(quorum=2, production=False)
    await ask(api, groups, groups=("dba", "network"))
    await lend(api, "cleo", "vera", environment="development")
    return {"edited": edited, "frozen": frozen, "groups": groups, "small": await stages.waiting()}


def _with_freeze() -> dict[str, Any]:
    windows = (window("year-end", "freeze", 1, override_roles=["operator"]),)
    return {"configuration": CONFIGURATION.model_copy(update={"windows": windows})}


async def calm(site: Site) -> Made:
    """A fleet, a used budget, nothing wrong."""
    stage = await dress(site)
    return {"pool": "acme-prod/europe-west4/serving/inference"} if stage else {}


async def busy(site: Site) -> Made:
    """A bad night: an open breaker, one that probes, a draining halt, work in every stage."""
    stage = await dress(site)
    await stage.fail(KIND)
    await stage.fail(TARGET)
    await stage.fail("target:gke.node_pool/acme-prod/europe-west4/serving/web", times=1)
    probe = await stage.propose("inference", 3)
    async with site.api.database.transaction() as connection:
        half = breaker_rows.c.id == TARGET
        await connection.execute(
            update(breaker_rows).where(half).values(state="half_open", probe_owner=probe)
        )
    for state, pool, count in (
        ("awaiting_approval", "web", 12),
        ("evaluating", "batch", 6),
        ("dirty", "retired", 2),
    ):
        await stage.put(await stage.propose(pool, count), state)
    calling = await stage.propose("web", 14)
    await stage.put(calling, "executing")
    await stage.call(calling, 900)
    ended = await _halt(stage, "Stock-out of L4 in europe-west4", environment="production")
    async with site.api.database.transaction() as connection:
        await halts.end(connection, ended, actor=OLGA)
    effective = await _halt(stage, "Load test until noon", environment="development")
    draining = await _halt(stage, "GPU quota incident 4711", environment="production")
    held = await stage.propose("inference", 5)
    await stage.put(held, "ready", on_halt(draining))
    return {"draining": draining, "effective": effective, "ended": ended, "kind": KIND, "target": TARGET}


async def _halt(stage: Stage, reason: str, **scope: str) -> str:
    async with stage.site.api.database.transaction() as connection:
        made = await halts.create(
            connection, HaltScope.model_validate(scope), reason, actor=OLGA, tenant="default"
        )
        await halts.settle(connection)
    return made.id


def _succeeded(story: Story) -> Story:
    story.waiting().voted(DecisionKind.APPROVE, "The queue is real, and the budget has room.")
    story.move(S.READY, "approved").started().called().move(S.VERIFYING, "applied").looked(running=4)
    return story.posted("commit").move(S.SUCCEEDED, "verified")


async def audit(site: Site) -> Made:
    """Whole stories in the log."""
    said = "The queue grew fourfold since 12:10. Two more nodes per zone bring the wait below the target."
    planner = Planner(kind=PlannerKind.OPENAI, model="gpt-5-mini", prompt_version="capacity-7")
    done = await tell(
        site.api, _succeeded, authors=(ANA, AGENT), reason=said, planner=planner, trust=Trust.UNTRUSTED
    )
    denied = await tell(site.api, lambda story: story.denied_at_once())
    await site.api.post(
        "/v1/halts", {"scope": {"environment": "development"}, "reason": "GPU quota incident 4711"}, by="olga"
    )
    await site.api.parts.sequencer.checkpoint()
    return {"done": done, "denied": denied}


async def tampered(site: Site) -> Made:
    """A log in which somebody changed an event."""
    made = await audit(site)
    async with site.api.database.transaction() as connection:
        await connection.execute(text("alter table audit_events disable trigger user"))
        await connection.execute(
            text(
                "update audit_events set leaf = overlay(leaf placing 'X'::bytea from 20 for 1) where number = 4"
            )
        )
    return made


async def one_waits(site: Site) -> Made:
    """One proposal waits; what comes later is news."""
    made = await waiting(site.api.database)
    gone = await waiting(site.api.database)
    await move(site.api.database, gone, S.CANCELLED)
    return {"first": made.id}


async def down(site: Site) -> Made:
    """The database is lost while people look."""
    return {}


def _with_provider() -> dict[str, Any]:
    # Nothing is asked of it before somebody presses the button.
    settings = OidcSettings(
        issuer="http://127.0.0.1:9",
        client_id="sluice",
        roles={"sre": (Role.OPERATOR,)},
        label="Sign in with Acme",
    )
    return {"identity_provider": OidcProvider(settings)}


@dataclass(frozen=True)
class Scene:
    """How a site is filled, and what it is made of beyond the usual (`ApiParts`)."""

    fill: Callable[[Site], Awaitable[Made]]
    parts: Callable[[], dict[str, Any]] = dict


SCENES: Mapping[str, Scene] = {
    "nothing": Scene(nothing),
    "provider": Scene(nothing, _with_provider),
    "morning": Scene(morning),
    "one waits": Scene(one_waits),
    "proposals": Scene(proposals, _with_freeze),
    "talks": Scene(talks),
    "calm": Scene(calm),
    "busy": Scene(busy),
    "guarded": Scene(guarded, with_guards),
    "people": Scene(people),
    "rules": Scene(rules, with_rules),
    "audit": Scene(audit),
    "tampered": Scene(tampered),
    "down": Scene(down),
}
