"""APPROVAL: what people may do by now, as far as this installation knows: by their tokens and their sign-ins.

A token, or a session that a token opened, gives rights while it is in force. An identity provider tells of a person's
rights only when they sign in, so the newest sign-in counts for a while: somebody on holiday does not sign in daily.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Interval, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.sessions import KEPT_FOR
from contracts.eligibility import Voter, voter
from contracts.principal import Principal

_FOUND = text("""
    WITH wanted AS (SELECT * FROM unnest(:issuers, :subjects) AS w (issuer, subject))
    SELECT t.principal FROM tokens t JOIN wanted w
        ON t.principal ->> 'issuer' = w.issuer AND t.principal ->> 'subject' = w.subject
    WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
    UNION ALL
    SELECT s.principal FROM sessions s JOIN wanted w
        ON s.principal ->> 'issuer' = w.issuer AND s.principal ->> 'subject' = w.subject
    WHERE s.method = 'link' AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
    UNION ALL
    SELECT newest.principal FROM wanted w CROSS JOIN LATERAL (
        SELECT s.principal, s.expires_at FROM sessions s
        WHERE s.principal ->> 'issuer' = w.issuer AND s.principal ->> 'subject' = w.subject AND s.method = 'oidc'
        ORDER BY s.created_at DESC LIMIT 1
    ) newest WHERE newest.expires_at > clock_timestamp() - :known_for
""").bindparams(
    bindparam("issuers", type_=ARRAY(Text)),
    bindparam("subjects", type_=ARRAY(Text)),
    bindparam("known_for", type_=Interval),
)


async def last_seen(
    connection: AsyncConnection, people: Collection[Principal]
) -> Mapping[Voter, tuple[Principal, ...]]:
    """Return these people as each of their tokens and sign-ins that still says something knows them.

    Who is not in it holds nothing any more. A sign-in at an identity provider counts for 30 days after its session.
    """
    wanted = sorted({voter(one) for one in people})
    if not wanted:
        return {}
    given = {
        "issuers": [issuer for issuer, _ in wanted],
        "subjects": [subject for _, subject in wanted],
        "known_for": KEPT_FOR,
    }
    found: dict[Voter, tuple[Principal, ...]] = {}
    for document in (await connection.execute(_FOUND, given)).scalars():
        one = Principal.model_validate(document)
        found[voter(one)] = (*found.get(voter(one), ()), one)
    return found
