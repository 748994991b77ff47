"""Processes start whole or not at all: what is missing or does not fit together is said before anything is served."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from adapters.keys import load_private_key
from api.parts import ApiParts
from bootstrap import memory
from bootstrap.api import api_parts
from bootstrap.opened import Opened
from bootstrap.workers import registration
from contracts.errors import ConfigurationInvalid
from contracts.messages import QUEUE_AGENT, QUEUE_EFFECTS, QUEUE_MAIN, Swept
from guardrails import registry
from local.identities import ensure_keys
from local.stack import PRACTICE_CONFIGURATION
from settings import (
    DatabaseSettings,
    GkeMode,
    GkeSettings,
    KeySettings,
    KubernetesSettings,
    LlmSettings,
    OpaSettings,
    Settings,
    TemporalSettings,
)
from tests.adapters.prices.test_price_table import OWN
from tests.guardrails.distribution import installed, restored

OIDC: dict[str, object] = {
    "issuer": "https://login.example",
    "client_id": "sluice",
    "roles": {"sre": ["operator"]},
}
FREEZE = """
windows:
  - {name: year-end, kind: freeze, scope: {everything: true}, time_zone: UTC,
     starts_at: 2026-12-18T18:00, ends_at: 2027-01-04T08:00}
"""


def whole(state: Path, **changes: object) -> Settings:
    keys = ensure_keys(state)
    given: dict[str, object] = {
        "state_dir": state,
        "config": PRACTICE_CONFIGURATION,
        "database": DatabaseSettings(url=SecretStr("postgresql://nobody@127.0.0.1:1/none")),
        "temporal": TemporalSettings(address="127.0.0.1:1"),
        "opa": OpaSettings(url="http://127.0.0.1:1"),
        "gke": GkeSettings(
            mode=GkeMode.PRACTICE, endpoint="127.0.0.1:1", compute_endpoint="http://127.0.0.1:1"
        ),
        "keys": KeySettings(
            decision_private=keys.decision_private,
            decision_public=keys.decision_public,
            audit_private=keys.audit_private,
        ),
    }
    return Settings.model_validate(given | changes)


def made(opened: Opened, queue: str | None) -> object:
    return api_parts(opened) if queue is None else registration(queue, opened)


async def build(settings: Settings, queue: str | None = None) -> object:
    async with AsyncExitStack() as stack:
        return made(Opened(settings, stack), queue)


@pytest.mark.parametrize("queue", [None, QUEUE_MAIN, QUEUE_AGENT, QUEUE_EFFECTS])
async def test_every_process_can_be_built_before_anything_answers(tmp_path: Path, queue: str | None) -> None:
    assert await build(whole(tmp_path), queue) is not None


async def test_a_round_of_housekeeping_tries_every_sweep_while_nothing_answers(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        served = registration(QUEUE_MAIN, Opened(whole(tmp_path), stack)).activities
        (sweep,) = (one for one in served if one.__name__ == "sweep")
        swept: Swept = await ActivityEnvironment().run(sweep)
    assert swept.done == {}
    assert set(swept.failed) == {
        "probe_breakers",
        "expire_overdue",
        "release_reservations",
        "remind",
        "wake_opened",
        "settle_break_glass",
        "close_unplanned",
        "hand_over_lost",
    }


@pytest.mark.parametrize("queue", [None, QUEUE_MAIN, QUEUE_EFFECTS])
async def test_nothing_starts_without_saying_where_effects_go(tmp_path: Path, queue: str | None) -> None:
    with pytest.raises(ConfigurationInvalid, match="SLUICE_GKE__MODE"):
        await build(whole(tmp_path, gke=GkeSettings()), queue)


@pytest.mark.parametrize("queue", [QUEUE_MAIN, QUEUE_EFFECTS])
async def test_a_worker_that_cannot_read_its_kubeconfig_does_not_start(tmp_path: Path, queue: str) -> None:
    mistyped = KubernetesSettings(kubeconfig=tmp_path / "kubeconfg")
    with pytest.raises(ConfigurationInvalid, match=r"SLUICE_KUBERNETES__KUBECONFIG.*kubeconfg"):
        await build(whole(tmp_path, kubernetes=mistyped), queue)
    (tmp_path / "kubeconfg").write_text("contexts: []\n")
    assert await build(whole(tmp_path, kubernetes=mistyped), queue) is not None


async def test_an_api_whose_signatures_nobody_would_believe_does_not_start(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    settings = whole(tmp_path)
    mixed = settings.keys.model_copy(update={"decision_public": ensure_keys(other).decision_public})
    with pytest.raises(ConfigurationInvalid, match="not among SLUICE_KEYS__DECISION_PUBLIC"):
        await build(settings.model_copy(update={"keys": mixed}))


async def test_public_audit_keys_of_the_past_are_believed_and_never_sign(tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    settings, past = whole(tmp_path), ensure_keys(other).audit_public
    named = settings.keys.model_copy(update={"audit_public": past})
    parts = await build(settings.model_copy(update={"keys": named}))
    assert isinstance(parts, ApiParts)
    assert parts.audit_key.public_key == load_private_key(settings.keys.audit_private or past).public_key()
    assert [key.public_key for key in parts.former_audit_keys] == [load_pem_public_key(past.read_bytes())]


async def test_an_api_whose_audit_keys_of_the_past_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    settings = whole(tmp_path)
    wrong = settings.keys.model_copy(update={"audit_public": settings.keys.audit_private})
    with pytest.raises(ConfigurationInvalid, match="holds no public key"):
        await build(settings.model_copy(update={"keys": wrong}))


async def test_a_worker_of_effects_or_workflows_needs_no_private_key(tmp_path: Path) -> None:
    settings = whole(tmp_path)
    public = KeySettings(decision_public=settings.keys.decision_public)
    for queue in (QUEUE_MAIN, QUEUE_EFFECTS):
        assert await build(settings.model_copy(update={"keys": public}), queue) is not None


async def test_the_agents_process_needs_the_models_key_and_nothing_else(tmp_path: Path) -> None:
    bare = Settings(state_dir=tmp_path, llm=LlmSettings(api_key=SecretStr("key-of-the-model")))
    assert await build(bare, QUEUE_AGENT) is not None


@pytest.mark.parametrize("queue", [QUEUE_MAIN, QUEUE_AGENT])
async def test_a_model_that_is_not_on_the_list_never_runs(tmp_path: Path, queue: str) -> None:
    listed = LlmSettings(model="gpt-5-mini", allowed_models=("gpt-5", "gpt-5-mini"))
    assert await build(whole(tmp_path, llm=listed), queue) is not None
    unlisted = LlmSettings(model="gpt-5-mini-preview", allowed_models=("gpt-5", "gpt-5-mini"))
    with pytest.raises(
        ConfigurationInvalid, match="SLUICE_LLM__ALLOWED_MODELS allows only: gpt-5, gpt-5-mini"
    ):
        await build(whole(tmp_path, llm=unlisted), queue)


async def test_a_queue_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="there is no task queue 'sluice-mian'"):
        await build(whole(tmp_path), "sluice-mian")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"web": {"public_url": "http://sluice.example"}}, "SLUICE_WEB__PUBLIC_URL"),
        ({"web": {"public_url": "https://sluice.example/under"}}, "SLUICE_WEB__PUBLIC_URL"),
        ({"http": {"host": "0.0.0.0"}, "oidc": OIDC}, "SLUICE_WEB__PUBLIC_URL"),  # noqa: S104
        ({"oidc": OIDC | {"issuer": "http://login.example"}}, "SLUICE_OIDC__ISSUER"),
        ({"oidc": {"issuer": "https://login.example"}}, "SLUICE_OIDC__CLIENT_ID"),
        ({"oidc": OIDC | {"roles": {}}}, "SLUICE_OIDC__ROLES"),
    ],
)
async def test_an_api_whose_people_could_not_sign_in_safely_does_not_start(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=told):
        await build(whole(tmp_path, **changes))


async def test_an_api_with_a_provider_is_built_before_the_provider_answers(tmp_path: Path) -> None:
    parts = await build(whole(tmp_path, web={"public_url": "https://sluice.example"}, oidc=OIDC))
    assert isinstance(parts, ApiParts)
    assert parts.web.cookie_name == "__Host-sluice"
    assert parts.identity_provider is not None


async def test_an_api_that_a_network_reaches_without_an_address_takes_tokens_only(tmp_path: Path) -> None:
    parts = await build(whole(tmp_path, http={"host": "0.0.0.0"}))  # noqa: S104
    assert isinstance(parts, ApiParts)
    assert not parts.web.is_on


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    yield from (place for _ in restored())
    sys.modules.pop("acme_bootstrap", None)


def requiring(state: Path) -> Settings:
    file = state / "requiring.yaml"
    file.write_text(f"{PRACTICE_CONFIGURATION.read_text()}\nguardrails: {{required: [acme-freeze/tidy]}}\n")
    return whole(state, config=file)


@pytest.mark.parametrize("queue", [None, QUEUE_MAIN])
async def test_a_required_guardrail_is_installed_before_anything_is_judged(
    tmp_path: Path, site: Path, queue: str | None
) -> None:
    with pytest.raises(ConfigurationInvalid, match="acme-freeze/tidy, which is not installed"):
        await build(requiring(tmp_path), queue)
    installed(site, package="acme_bootstrap")
    assert await build(requiring(tmp_path), queue) is not None
    assert [one.name for one in registry.installed()] == ["acme-freeze/tidy"]


@pytest.mark.parametrize("queue", [None, QUEUE_MAIN])
async def test_a_broken_guardrail_refuses_to_start_also_where_nobody_requires_it(
    tmp_path: Path, site: Path, queue: str | None
) -> None:
    installed(site, package="acme_bootstrap", source="import acme_that_is_not_there")
    with pytest.raises(ConfigurationInvalid, match=r"acme-freeze 1\.2\.0 cannot be imported"):
        await build(whole(tmp_path), queue)


@pytest.mark.parametrize("queue", [QUEUE_AGENT, QUEUE_EFFECTS])
async def test_what_changes_things_or_asks_models_never_loads_a_foreign_guardrail(
    tmp_path: Path, site: Path, queue: str
) -> None:
    installed(site, package="acme_bootstrap", source="import acme_that_is_not_there")
    assert await build(whole(tmp_path), queue) is not None


async def test_a_file_that_requires_what_is_not_installed_is_refused_and_the_last_one_stays(
    tmp_path: Path, site: Path
) -> None:
    file = tmp_path / "followed.yaml"
    file.write_text(PRACTICE_CONFIGURATION.read_text())
    async with AsyncExitStack() as stack:
        opened = Opened(whole(tmp_path, config=file), stack)
        opened.judge()
        live = opened.configuration()
        requiring(tmp_path)
        file.write_text((tmp_path / "requiring.yaml").read_text())
        while await live.look():
            pass
        assert live.refused is not None
        assert "acme-freeze/tidy, which is not installed" in live.refused.faults[0].reason
        assert live.current.guardrails.required == ()


@pytest.mark.parametrize("queue", [None, QUEUE_MAIN, QUEUE_EFFECTS])
async def test_a_file_whose_price_table_is_wrong_is_refused_by_the_api_as_by_the_worker_that_judges(
    tmp_path: Path, queue: str | None
) -> None:
    (tmp_path / "own.csv").write_text(OWN.replace("0.40", "free"))
    file = tmp_path / "followed.yaml"
    file.write_text(PRACTICE_CONFIGURATION.read_text())
    async with AsyncExitStack() as stack:
        opened = Opened(whole(tmp_path, config=file), stack)
        made(opened, queue)
        live = opened.configuration()
        file.write_text(file.read_text() + FREEZE + "prices: {table: own.csv}\n")
        while await live.look():
            pass
        assert live.refused is not None
        assert [one.reason for one in live.refused.faults] == ["own.csv:2: not a price row"]
        assert live.current.windows == ()
    with pytest.raises(ConfigurationInvalid, match=r"own\.csv:2: not a price row"):
        await build(whole(tmp_path, config=file), queue)


def test_what_a_process_holds_after_its_start_is_left_alone_by_later_collections() -> None:
    class Kept:
        pass

    held = Kept()
    try:
        memory.settle()
        assert gc.get_freeze_count() > 0
        assert not any(one is held for one in gc.get_objects())
    finally:
        gc.unfreeze()
