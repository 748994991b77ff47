"""What every seed stands on: people, keys, configurations, a policy engine that answers."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import JsonValue

from activities.execution.attempt import EffectTimings
from adapters.prices.price_table import PriceTable
from contracts.configuration import Configuration
from contracts.ports import PolicyResult
from contracts.principal import Principal, PrincipalKind, Role
from contracts.signature import encode_public_key, key_id_of
from proofs.simulation.provider import LOCATION, PROJECT

MODE = "practice"
ANA = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.REQUESTER,))
CARE = Principal(kind=PrincipalKind.AGENT, subject="caretaker", roles=(Role.REQUESTER,))
BEN = Principal(kind=PrincipalKind.HUMAN, subject="ben", roles=(Role.APPROVER,))
CARLA = Principal(kind=PrincipalKind.HUMAN, subject="carla", roles=(Role.APPROVER,))
DAN = Principal(kind=PrincipalKind.HUMAN, subject="dan", roles=(Role.APPROVER,))
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR, Role.APPROVER))
APPROVERS = (BEN, CARLA, DAN, OLGA)

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the simulation's API").digest())
FORGED = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"somebody else").digest())
PUBLIC_KEYS = {key_id_of(KEY.public_key()): encode_public_key(KEY.public_key())}
TIMINGS = EffectTimings(
    call_timeout=timedelta(seconds=5),
    operation_timeout=timedelta(seconds=60),
    poll_interval=timedelta(seconds=5),
    busy_wait=timedelta(seconds=20),
)
DECIDE_WITHIN, EXECUTE_WITHIN = timedelta(minutes=10), timedelta(minutes=5)
PRICES = PriceTable.load()
CAPS = {"roomy": Decimal(100_000), "tight": Decimal(300)}
"""Hard cap of every budget of the tenant, per variant."""


def chance_of(name: str) -> random.Random:
    """Return a source of chance that is the same at each replay."""
    return random.Random(name)  # noqa: S311  no secret


class Policies:
    """Answers as OPA does where no rule fires."""

    async def evaluate(self, document: Mapping[str, JsonValue]) -> PolicyResult:
        """Return no violation."""
        return PolicyResult(violations=(), rules_evaluated=1, revision="simulation")


@cache
def _variant(money: str, quorum: int, failures: int, storm: int) -> Configuration:
    target = {"kind": "gke.node_pool", "project": PROJECT, "location": LOCATION, "cluster": "*"}
    cap = str(CAPS[money])
    return Configuration.model_validate(
        {
            "environments": {"production": {"approval": {"quorum": quorum}}},
            "targets": [
                target | {"environment": "production", "team": "inference", "max_nodes_per_zone": 20}
            ],
            "budgets": [
                {"scope": {"environment": "production"}, "window": "month", "limit": cap},
                {"scope": {}, "window": "day", "limit": cap},
            ],
            "limits": {
                "max_share": 100,
                "effects_per_hour": 100,
                "oscillation": {"turns": 20},
                "storm": {"proposals": storm, "changes": 200},
                "breaker": {"failures": failures, "cooldown": "30s", "jitter": 0},
            },
            "approval": {"decide_within": DECIDE_WITHIN, "execute_within": EXECUTE_WITHIN},
        }
    )


def configuration(tenant: str, money: str, quorum: int, failures: int, storm: int) -> Configuration:
    """Return what an operator declared for one seed's tenant."""
    found = _variant(money, quorum, failures, storm)
    return found.model_copy(update={"tenant": tenant})
