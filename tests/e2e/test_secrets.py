"""I9: with a marked secret in every place that holds one, none of them comes out anywhere."""

from __future__ import annotations

import pytest
import pytest_asyncio
from pydantic import BaseModel, SecretStr

from proofs.secrets import (
    MUST_BE_SEARCHED,
    SEARCHES,
    Search,
    answers,
    histories,
    live,
    logs,
    outside,
    surroundings,
    tables,
    unseen,
)
from settings import Settings
from tests.e2e import processes
from tests.e2e.watched import LLM_KEY, MARKED, Watched

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived(watched: Watched) -> Watched:
    """A life with much that goes wrong, since errors tell most."""
    await live(watched)
    return watched


def secret_settings(group: type[BaseModel], prefix: str) -> list[str]:
    found = []
    for name, given in group.model_fields.items():
        kind = given.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += secret_settings(kind, f"{prefix}{name.upper()}__")
        elif kind is SecretStr or SecretStr in getattr(kind, "__args__", ()):
            found.append(f"{prefix}{name.upper()}")
    return found


async def test_every_setting_that_holds_a_secret_holds_a_marked_one() -> None:
    assert set(secret_settings(Settings, "SLUICE_")) <= {
        *MARKED,
        "SLUICE_DATABASE__URL",
        "SLUICE_TEMPORAL__API_KEY",
    }


async def test_no_workflow_history_holds_a_secret(lived: Watched) -> None:
    search = await histories(lived)
    assert unseen({"workflow histories": search}) == []
    assert search.looked_at["RequestWorkflow"] > 3
    assert search.looked_at["ProposalWorkflow"] > 4
    assert search.leaks == []


async def test_no_log_holds_a_secret(lived: Watched) -> None:
    search = await logs(lived)
    assert unseen({"logs": search}) == []
    assert search.leaks == []


async def test_neither_audit_log_nor_any_table_holds_a_secret(lived: Watched) -> None:
    search = await tables(lived)
    assert search.looked_at["table"] > 10
    assert search.leaks == []


async def test_no_answer_of_the_api_holds_a_secret(lived: Watched) -> None:
    search = await answers(lived)
    assert unseen({"answers of the API": search}) == []
    assert search.leaks == []


async def test_what_leaves_the_stack_holds_no_secret(lived: Watched) -> None:
    search = await outside(lived)
    assert unseen({"prompts, traces, webhooks": search}) == []
    assert search.leaks == []


async def test_no_command_line_and_no_foreign_process_is_given_a_secret(lived: Watched) -> None:
    assert (await surroundings(lived)).leaks == []
    api, worker = lived.stack.pid("api"), lived.stack.pid("worker")
    assert api is not None
    assert worker is not None
    assert LLM_KEY not in processes.environment(api).values()
    signing = {name for name in processes.environment(worker) if name.endswith("_PRIVATE")}
    assert signing == set(), "the worker verifies decisions and makes none"


async def test_a_secret_that_comes_out_in_a_log_is_found(lived: Watched) -> None:
    planted = lived.directory / "planted.log"
    planted.write_text(f"connecting with {LLM_KEY}")
    try:
        assert (await SEARCHES["logs"](lived)).leaks == ["model key in planted.log"]
    finally:
        planted.unlink()


async def test_what_was_not_there_or_said_nothing_was_not_searched(lived: Watched) -> None:
    search = Search()
    for name in MUST_BE_SEARCHED["logs"] - {"api.log"}:
        search.look(lived, name, name, b"all is well")
    search.look(lived, "api.log", "api.log", b"")
    assert unseen({"logs": search}) == ["logs: no api.log was searched"]
    assert {name for name, kinds in MUST_BE_SEARCHED.items() if kinds} == set(SEARCHES)
