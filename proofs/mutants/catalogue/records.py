"""Guard mutants of repeated calls, tokens and the audit log."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

IDEMPOTENCY = Group(
    "adapters/store/idempotency.py",
    Promise.ONE_OUTCOME,
    ("tests/adapters/store/test_idempotency.py",),
    {
        "key-with-another-body-is-answered": Change("if row.body_digest != digest:", "if False:"),
        "key-is-not-locked": Change(
            "select(func.pg_advisory_xact_lock(_lock_key(subject, key)))", "select(func.now())"
        ),
        "key-of-anybody-is-answered": Change(
            "idempotency_keys.c.subject == subject, idempotency_keys.c.key == key\n        )\n    )\n    row",
            "idempotency_keys.c.key == key\n        )\n    )\n    row",
        ),
        "key-is-forgotten-too-early": Change(
            "func.clock_timestamp() - keep", "func.clock_timestamp() + keep"
        ),
    },
)
TOKENS = Group(
    "adapters/store/tokens.py",
    Promise.ONE_OUTCOME,
    ("tests/adapters/store/test_tokens.py",),
    {
        "token-revoked-is-good": Change(
            "            tokens.c.revoked_at.is_(None),\n            or_", "            or_"
        ),
        "token-expired-is-good": Change(
            "or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > func.clock_timestamp()),", ""
        ),
        "token-with-a-known-beginning-is-good": Change("_hash(token[: MAX_LENGTH + 1])", "_hash(token[:47])"),
    },
)
AUDIT = Group(
    "adapters/audit/verify.py",
    Promise.AUDIT,
    ("tests/adapters/audit/test_verify.py",),
    {
        "audit-changed-entry-is-believed": Change(
            "if leaf_hash(entry.leaf) != entry.leaf_hash:", "if False:"
        ),
        "audit-other-spelling-is-believed": Change("if not is_canonical(entry.leaf):", "if False:"),
        "audit-rewritten-history-is-believed": Change(
            "if self._tree.size == seen.size and self._tree.root() == seen.root:",
            "if self._tree.size == seen.size:",
        ),
        "audit-history-of-another-is-anchored": Change(
            "if self._tree.root() == trusted.root:", "if trusted.root:"
        ),
        "audit-shortened-file-is-whole": Change(
            "if self._trusted is not None and self._expected < self._trusted.size:", "if False:"
        ),
        "audit-end-may-be-missing": Change("        if self._footer is None:\n", "        if False:\n"),
        "audit-lost-checkpoint-is-no-matter": Change(
            "if content.previous != self._last_checkpoint and not self._checkpoint_was_lost:", "if False:"
        ),
        "audit-last-checkpoint-may-be-missing": Change(
            "if self._last_checkpoint != size and not self._checkpoint_was_lost and self._count == 0:",
            "if False:",
        ),
        "audit-text-behind-the-end-is-no-matter": Change(
            "        if self._footer is not None:\n", "        if False:\n"
        ),
        "audit-gap-is-no-matter": Change(
            "            self._miss(line, entry.number)\n            self._accept", "            self._accept"
        ),
        "audit-header-may-be-missing": Change(
            "if line.index == 1 and self._header is None and line.content is not None:", "if False:"
        ),
        "audit-signature-is-not-checked": Change(
            "seen = checkpoints.verify(content.checkpoint, self._keys)",
            "seen = checkpoints.parse(content.checkpoint)",
        ),
        "audit-trusted-checkpoint-is-not-checked": Change(
            "checkpoints.verify(trusted_checkpoint, public_keys)", "checkpoints.parse(trusted_checkpoint)"
        ),
        "audit-faults-have-no-bound": Change("if len(self._faults) < MAX_FAULTS:", "if True:"),
    },
)

GROUPS = (IDEMPOTENCY, TOKENS, AUDIT)
