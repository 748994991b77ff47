"""What the pages of people and rules are shown: who is away, who decided how, a candidate, a refused file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.configuration import Fault
from adapters.live_configuration import LiveConfiguration, Refused
from adapters.opa.descriptions import description_of
from adapters.opa.sources import POLICIES, policy_names, revision_of
from contracts.base import utc_now
from contracts.evaluation import Outcome
from contracts.ports import PoliciesInForce, PolicyDescription, PolicyViolation
from contracts.shadow import ShadowVerdict
from local.stack import PRACTICE_CONFIGURATION
from tests.api.shadow.shadowing import shadowed
from tests.web.people.acting import vote
from tests.web.site import Site

_CANDIDATE = "sha256:" + "c4" * 32
_DENIES = ShadowVerdict(
    revision=_CANDIDATE,
    outcome=Outcome.DENY,
    violations=(
        PolicyViolation(
            rule="pool_maximum",
            level="hard",
            message="The pool would have 8 nodes; pools in production have at most 6.",
        ),
    ),
)
_AGREES = ShadowVerdict(revision=_CANDIDATE, outcome=Outcome.REQUIRE_APPROVAL)


async def people(site: Site) -> dict[str, str]:
    """Ben is away, Cleo will be; both have decided before."""
    api, now = site.api, datetime.now(UTC)
    for by, to, starts, scope in (
        ("ben", "vera", None, {}),
        ("cleo", "ana", now + timedelta(days=3), {"environment": "production", "team": "inference"}),
    ):
        body: dict[str, Any] = {
            "to": to,
            "until": (now + timedelta(days=12)).isoformat(),
            "reason": "On holiday." if starts is None else "At the conference, and on the train back.",
            "scope": scope,
            "starts_at": starts.isoformat() if starts else None,
        }
        assert (await api.post("/v1/delegations", body, by=by)).status_code == 201
    for by, decision, after in (
        ("ben", "approve", 3),
        ("ben", "approve", 6),
        ("ben", "approve", 4),
        ("cleo", "approve", 1_900),
        ("cleo", "reject", 640),
    ):
        await vote(api, by, decision, after=after)
    return {}


async def rules(site: Site) -> dict[str, str]:
    """A candidate in shadow has judged some first checks, not all of them as it was decided."""
    await shadowed(site.api, _AGREES, _DENIES, _AGREES, _DENIES, ShadowVerdict(error="shadow_too_slow"))
    return {}


class _Shipped:
    """The policies of this repository, as a bundle of them describes itself."""

    async def in_force(self) -> PoliciesInForce:
        said = (description_of(name, POLICIES / name / "policy.rego") for name in policy_names())
        described = tuple(PolicyDescription.model_validate(one) for one in said)
        return PoliciesInForce(revision=revision_of(POLICIES), policies=described)


class _Refusing(LiveConfiguration):
    """A good file in force, and a newer one that is wrong."""

    @property
    def refused(self) -> Refused:
        faults = (
            Fault(
                12, "environments.production.approval.quorum", "Input should be greater than or equal to 0"
            ),
            Fault(31, "budgets.0.limit", "a budget without a limit allows nothing: write a number"),
        )
        return Refused("sha256:" + "b7" * 32, utc_now() - timedelta(minutes=4), faults)


def with_rules() -> dict[str, Any]:
    """Return the parts of a process that knows its policies, and follows a file."""
    return {"policies": _Shipped(), "live": _Refusing(PRACTICE_CONFIGURATION, "api")}
