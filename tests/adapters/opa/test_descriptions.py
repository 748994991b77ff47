"""Words of authors, from the file to what OPA tells of the policies it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from adapters.opa.descriptions import description_of
from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import POLICIES, policy_names, revision_of
from contracts.errors import PolicyUnavailable
from contracts.ports import PolicyDescription
from tests.adapters.opa.answering import answering, saying

WHOLE = """\
# METADATA
# title: Small pools
# description: |
#   No pool has more
#   than nine nodes.
# custom:
#   level: soft (an approver)
#   reads: limits.small
#   remedy: Ask for fewer.
#   author: nobody
package sluice.policies.small
"""


def rule(directory: Path, text: str) -> Path:
    file = directory / "policy.rego"
    file.write_text(text)
    return file


def test_what_the_author_says_is_kept_and_nothing_else(tmp_path: Path) -> None:
    assert description_of("small", rule(tmp_path, WHOLE)) == {
        "name": "small",
        "title": "Small pools",
        "description": "No pool has more than nine nodes.",
        "level": "soft (an approver)",
        "reads": "limits.small",
        "remedy": "Ask for fewer.",
    }


@pytest.mark.parametrize(
    "text",
    [
        "package sluice.policies.small\n",
        "package sluice.policies.small\n\n# METADATA\n# title: Of a rule, not of the package\nx := 1\n",
        "# METADATA\n# title: [\npackage sluice.policies.small\n",
        "# METADATA\n# - a list\npackage sluice.policies.small\n",
        "# METADATA\n# title: 3\n# custom: 4\npackage sluice.policies.small\n",
        "# METADATA\n# title: '  '\npackage sluice.policies.small\n",
    ],
    ids=["none", "of a rule", "unreadable", "no mapping", "no words", "blank"],
)
def test_what_cannot_be_read_leaves_the_name(tmp_path: Path, text: str) -> None:
    assert description_of("small", rule(tmp_path, text)) == {"name": "small"}


def test_long_words_are_cut(tmp_path: Path) -> None:
    text = f"# METADATA\n# title: {'x' * 3_000}\npackage sluice.policies.small\n"
    said = description_of("small", rule(tmp_path, text))
    assert len(said["title"]) == 2_000
    assert PolicyDescription.model_validate(said).name == "small"


async def test_a_real_opa_tells_every_policy_of_its_bundle_with_title_level_and_revision(
    policy_engine: OpaPolicyEngine,
) -> None:
    found = await policy_engine.in_force()
    assert found.revision == revision_of(POLICIES)
    assert tuple(one.name for one in found.policies) == policy_names()
    assert all(one.title and one.description and one.remedy for one in found.policies)
    assert {(one.level or "").split(" ")[0].strip(",") for one in found.policies} == {"hard", "soft"}


async def test_a_bundle_that_describes_nothing_still_names_its_policies() -> None:
    bundle = {"revision": "sha256:1", "policies": ["b", "a"]}
    async with answering(saying({"result": bundle})) as engine:
        found = await engine.in_force()
    assert found.policies == (PolicyDescription(name="a"), PolicyDescription(name="b"))


async def test_rules_without_a_bundle_of_ours_have_no_revision() -> None:
    async with answering(saying({})) as engine:
        found = await engine.in_force()
    assert (found.revision, found.policies) == (None, ())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("no json", 200),
        ({"result": {"policies": []}}, 200),
        ({"result": 3}, 200),
        ({}, 500),
        ("x" * 1_000_001, 200),
    ],
    ids=["no json", "no revision", "no object", "an error", "too large"],
)
async def test_what_is_no_answer_tells_of_no_policy(body: object, status: int) -> None:
    async with answering(saying(body, status)) as engine:
        with pytest.raises(PolicyUnavailable):
            await engine.in_force()


async def test_an_opa_that_hangs_up_tells_of_no_policy() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with answering(hang_up) as engine:
        with pytest.raises(PolicyUnavailable):
            await engine.in_force()
