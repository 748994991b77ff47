"""Judges a whole stack at rest by every invariant: what several proofs on real processes end with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from adapters.audit.checkpoint import DEFAULT_ORIGIN, CheckpointKey
from adapters.keys import load_public_keys
from emulators.gke.log import Calls, read_calls
from proofs.judgement import approvals, ballots, changes, effects, endings, halts, log, money
from proofs.judgement.records import Records, read
from tests.e2e.practice_ground import MONTHLY_LIMIT
from tests.e2e.stack import Stack


@dataclass(frozen=True)
class Judgement:
    """What the judges read, and what they say."""

    records: Records
    calls: Calls
    verdicts: dict[str, list[str]]
    """Invariant → what breaks it."""

    @property
    def ends(self) -> str:
        """How many proposals stand in which state, in words."""
        counted = Counter(str(row.state) for row in self.records.proposals).most_common()
        return ", ".join(f"{number:,} {state}" for state, number in counted)


async def judge(
    stack: Stack, proposals: Iterable[str], requests: Iterable[str], votes: Iterable[str] = ()
) -> Judgement:
    """Judge by I1 to I8. `proposals`, `requests` and `votes` are the ids that were answered with 2xx."""
    export = await stack.export()
    async with stack.database() as database:
        records = await read(database)
    calls = read_calls(stack.emulator.log_path)
    keys = load_public_keys(stack.state_dir / "keys" / "decision.pub")
    followed = changes.follow(records, calls, changes.first(stack.ground.fleet()))
    stands = changes.standing(await stack.admin.state())
    caps = {row.scope: Decimal(MONTHLY_LIMIT) for row in records.windows if row.scope.startswith("team=")}
    verdicts = {
        "I1": effects.faults(records, calls),
        "I2": approvals.faults(records, calls, keys) + ballots.faults(records, keys),
        "I3": money.faults(records, caps) + money.held_at_rest(records),
        "I4": endings.faults(records),
        "I5": endings.lost(records, proposals, requests, votes),
        "I6": log.faults(records, export, _audit_key(stack)),
        "I7": effects.unpaged(records) + followed.faults + followed.misplaced(stands),
        "I8": halts.faults(records, calls, records.halts),
    }
    return Judgement(records, calls, verdicts)


def _audit_key(stack: Stack) -> CheckpointKey:
    """The key as it was given out when the stack was made, and not as the API tells it."""
    key = load_pem_public_key((stack.state_dir / "keys" / "audit.pub").read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("audit.pub holds no Ed25519 key")
    return CheckpointKey(DEFAULT_ORIGIN, key)
