"""Guard mutants of lent votes and of people's rights by now."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_DELEGATIONS = "tests/api/approvers/test_delegations.py"
_LAPSED = "tests/api/approvers/test_lapsed_rights.py"

HELD = Group(
    "contracts/delegation.py",
    Promise.VOTE,
    (_LAPSED,),
    {
        "lent-role-outlives-the-lenders-own": Change(
            "roles = tuple(role for role in lender.roles if role in held)", "roles = lender.roles"
        ),
        "lent-group-outlives-the-lenders-own": Change(
            "groups = tuple(group for group in lender.groups if group in among)",
            "groups = lender.groups",
            ("tests/contracts/test_delegation.py",),
        ),
        "lent-vote-of-whoever-holds-nothing": Change("    if not roles:\n        return None\n", ""),
        "lent-vote-of-another-of-the-same-name": Change(
            "if one.kind is PrincipalKind.HUMAN and one.same_as(delegation.delegator)]",
            "if one.kind is PrincipalKind.HUMAN]",
            ("tests/contracts/test_delegation.py",),
        ),
        "lent-vote-is-held-by-a-machine": Change(
            "if one.kind is PrincipalKind.HUMAN and one.same_as(delegation.delegator)]",
            "if one.same_as(delegation.delegator)]",
            ("tests/contracts/test_delegation.py",),
        ),
    },
)
STORED = Group(
    "adapters/store/delegations.py",
    Promise.VOTE,
    (_LAPSED,),
    {
        "lent-votes-without-bound-count": Change("if len(found) > MOST_IN_FORCE:", "if False:"),
        "lent-votes-at-the-bound-count-for-nothing": Change(
            "if len(found) > MOST_IN_FORCE:", "if len(found) >= MOST_IN_FORCE:"
        ),
        "lent-votes-are-cut-at-the-bound": Change(".limit(MOST_IN_FORCE + 1)", ".limit(MOST_IN_FORCE)"),
        "lent-vote-is-as-it-was-lent": Change(
            "return tuple(one for one in held if one is not None)",
            "return tuple(one.delegation for one in found)",
        ),
        "lent-vote-is-known-by-a-token-that-is-over": Change(
            "                table.c.revoked_at.is_(None),\n                table.c.expires_at",
            "                table.c.expires_at",
            (_DELEGATIONS,),
        ),
    },
)
SEEN = Group(
    "adapters/store/last_seen.py",
    Promise.VOTE,
    (_LAPSED,),
    {
        "right-of-a-revoked-token-lasts": Change(
            "WHERE t.revoked_at IS NULL AND (t.expires_at", "WHERE (t.expires_at"
        ),
        "right-of-an-expired-token-lasts": Change(
            " AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())", ""
        ),
        "right-of-an-older-sign-in-counts": Change("ORDER BY s.created_at DESC LIMIT 1", "LIMIT 10"),
        "right-of-a-sign-in-lasts-for-ever": Change(
            "WHERE newest.expires_at > clock_timestamp() - :known_for",
            "WHERE CAST(:known_for AS interval) IS NOT NULL",
        ),
        "right-of-a-sign-in-ends-with-its-session": Change(
            "clock_timestamp() - :known_for", "clock_timestamp() + 0 * CAST(:known_for AS interval)"
        ),
        "right-of-another-issuer-hides-the-persons-own": Change(
            "s.principal ->> 'issuer' = w.issuer AND s.principal ->> 'subject' = w.subject AND s.method = 'oidc'",
            "s.principal ->> 'subject' = w.subject AND s.method = 'oidc'",
        ),
    },
)
NAMES = Group(
    "contracts/principal.py",
    Promise.VOTE,
    ("tests/contracts/test_principal.py",),
    {
        "name-of-one-reads-like-anothers": Change(".replace('%', '%25').replace('/', '%2F')", ""),
        "name-hides-its-own-escapes": Change(
            ".replace('%', '%25').replace('/', '%2F')", ".replace('/', '%2F')"
        ),
        "machine-holds-the-role-that-approves": Change(
            "if self.kind is not PrincipalKind.HUMAN and Role.APPROVER in self.roles:", "if False:"
        ),
        "agent-holds-a-role-that-stops": Change(
            "if self.kind is PrincipalKind.AGENT and {Role.OPERATOR, Role.ADMIN} & set(self.roles):",
            "if False:",
        ),
        "person-of-another-issuer-is-the-same": Change(
            "return (self.issuer, self.subject) == (other.issuer, other.subject)",
            "return self.subject == other.subject",
            ("tests/contracts/test_principal.py", "tests/contracts/test_eligibility.py"),
        ),
    },
)
MAKING = Group(
    "api/approvers/service.py",
    Promise.VOTE,
    (_LAPSED,),
    {
        "one-more-vote-than-is-looked-at-is-lent": Change(
            ">= delegations.MOST_IN_FORCE:", "> delegations.MOST_IN_FORCE:"
        ),
        "vote-is-taken-for-oneself": Change(
            "if receiver.same_as(caller) and not delegator.same_as(caller):",
            "if False:",
            (_DELEGATIONS,),
        ),
        "vote-of-another-is-lent-by-anybody": Change(
            "if Role.ADMIN not in caller.roles:\n        raise", "if False:\n        raise", (_DELEGATIONS,)
        ),
        "vote-is-lent-to-a-machine": Change(
            "if found.kind is not PrincipalKind.HUMAN:", "if False:", (_DELEGATIONS,)
        ),
        "vote-is-lent-by-a-machine": Change(
            "if caller.kind is not PrincipalKind.HUMAN:", "if False:", (_DELEGATIONS,)
        ),
        "delegation-is-ended-by-anybody": Change(
            "if not _ends(stored.delegation, caller):", "if False:", (_DELEGATIONS,)
        ),
    },
)

GROUPS = (HELD, STORED, SEEN, NAMES, MAKING)
