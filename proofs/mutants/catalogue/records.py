"""Guard mutants of repeated calls, tokens and the audit log."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_SEQUENCER = "tests/adapters/store/test_sequencer.py"
_ON_DEMAND = (
    f"{_SEQUENCER}::test_a_checkpoint_on_demand_is_the_newest_one_until_something_else_is_committed",
)
_DUE = (f"{_SEQUENCER}::test_a_checkpoint_is_written_after_a_minute_or_a_thousand_entries",)
_IN_ORDER = (f"{_SEQUENCER}::test_events_of_one_transaction_keep_their_order",)

IDEMPOTENCY = Group(
    "adapters/store/idempotency.py",
    Promise.ONE_OUTCOME,
    ("tests/adapters/store/test_idempotency.py",),
    {
        "key-with-another-body-is-answered": Change("if row.body_digest != digest:", "if False:"),
        "key-is-not-locked": Change(
            'select(func.pg_advisory_xact_lock(derived_lock("idempotency", subject, key)))',
            "select(func.now())",
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
            "WHERE token_hash = :token_hash AND revoked_at IS NULL", "WHERE token_hash = :token_hash"
        ),
        "token-expired-is-good": Change(
            "\n        AND (expires_at IS NULL OR expires_at > clock_timestamp())", ""
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
PROOF = Group(
    "adapters/audit/proof.py",
    Promise.AUDIT,
    ("tests/adapters/audit/test_proof.py",),
    {
        "audit-proof-of-a-changed-entry-is-believed": Change("wrong = entry_fault(entry)", "wrong = None"),
        "audit-proof-needs-no-path": Change(
            "if not merkle.verify_inclusion(", "if False and not merkle.verify_inclusion("
        ),
        "audit-proof-signature-is-not-checked": Change(
            "checkpoints.verify(proof.note, keys)", "checkpoints.parse(proof.note)"
        ),
        "audit-proof-names-another-entry": Change("if read.encode() != content:", "if False:"),
        "audit-proof-has-no-bound": Change("if len(content) > MAX_PROOF:", "if False:"),
        "audit-proof-is-held-against-nothing": Change("    if kept is not None:\n", "    if False:\n"),
        "audit-proof-is-held-against-what-nobody-signed": Change(
            "_compare(checkpoint, checkpoints.verify(kept, keys))",
            "_compare(checkpoint, checkpoints.parse(kept))",
        ),
        "audit-proof-of-another-history-is-anchored": Change("if own.root != kept.root:", "if False:"),
        "audit-growth-of-a-shorter-log-is-believed": Change("if new.size < old.size:", "if False:"),
        "audit-growth-needs-no-path": Change(
            "if not merkle.verify_consistency(", "if False and not merkle.verify_consistency("
        ),
        "audit-growth-from-what-nobody-signed": Change(
            "old, new = checkpoints.verify(kept, keys)", "old, new = checkpoints.parse(kept)"
        ),
        "audit-growth-to-what-nobody-signed": Change(
            "checkpoints.verify(grown, keys)", "checkpoints.parse(grown)"
        ),
        "audit-growth-by-any-bytes": Change(
            "if any(len(one) != merkle.HASH_BYTES for one in hashes):", "if False:"
        ),
    },
)
PATHS = Group(
    "adapters/audit/merkle.py",
    Promise.AUDIT,
    ("tests/adapters/audit/test_proof.py", "tests/adapters/audit/test_merkle.py"),
    {
        "audit-path-leads-to-any-root": Change("last == 0 and present == root", "last == 0"),
        "audit-path-leads-from-any-root": Change("and old_seen == old_root and", "and"),
        "audit-path-leads-to-any-grown-root": Change("old_root and new_seen == new_root", "old_root"),
    },
)
PROVING = Group(
    "api/audit/service.py",
    Promise.AUDIT,
    ("tests/api/audit/test_proofs.py",),
    {
        "audit-proof-under-a-checkpoint-from-before": Change(
            "    if covering is None or covering.size <= number:", "    if covering is None:"
        ),
        "audit-proof-waits-for-a-checkpoint": Change(
            "(covering is None or covering.size <= number)", "(covering is None)"
        ),
        "audit-growth-of-a-log-that-was-longer": Change("if old > shown.size:", "if False:"),
    },
)
KEEPING = Group(
    "cli/audit_proofs.py",
    Promise.AUDIT,
    ("tests/cli/test_audit_proofs.py",),
    {"audit-proof-of-another-entry-is-kept": Change("if proved.entry.number != number:", "if False:")},
)
SEQUENCER = Group(
    "adapters/store/sequencer.py",
    Promise.AUDIT,
    _DUE,
    {
        "audit-numbers-beside-another-sequencer": Change(
            '_TRY = query(f"SELECT pg_try_advisory_xact_lock({_LOCK:d}) AS taken")',
            '_TRY = query("SELECT true AS taken")',
            (f"{_SEQUENCER}::test_what_another_sequencer_is_numbering_is_left_to_it",),
        ),
        "audit-checkpoint-beside-another-sequencer": Change(
            '_WAIT = query(f"SELECT pg_advisory_xact_lock({_LOCK:d})")',
            '_WAIT = query("SELECT now()")',
            (f"{_SEQUENCER}::test_a_checkpoint_on_demand_waits_for_the_sequencer_at_work",),
        ),
        "audit-checkpoint-leaves-out-what-is-committed": Change(
            "if len(log.unnumbered) < self._batch:",
            "if True:",
            (f"{_SEQUENCER}::test_events_are_numbered_densely_and_proved",),
        ),
        "audit-checkpoint-on-demand-is-an-old-one": Change(
            "if newest is not None and newest.size == tree.size:", "if newest is not None:", _ON_DEMAND
        ),
        "audit-checkpoint-of-the-same-log-is-signed-again": Change(
            "if newest is not None and newest.size == tree.size:", "if False:", _ON_DEMAND
        ),
        "audit-checkpoint-after-many-entries-never-comes": Change(
            "return waiting >= CHECKPOINT_ENTRIES or (", "return ("
        ),
        "audit-checkpoint-after-a-minute-never-comes": Change(
            "or (waiting > 0 and log.now - log.signed_at >= CHECKPOINT_EVERY)", ""
        ),
        "audit-checkpoint-after-each-batch": Change(
            "(waiting > 0 and log.now - log.signed_at >= CHECKPOINT_EVERY)", "(waiting > 0)"
        ),
        "audit-checkpoint-of-nothing-new": Change(
            "(waiting > 0 and log.now - log.signed_at >= CHECKPOINT_EVERY)",
            "(log.now - log.signed_at >= CHECKPOINT_EVERY)",
        ),
    },
)
TREE = Group(
    "adapters/store/audit_tree.py",
    Promise.AUDIT,
    (_SEQUENCER,),
    {
        "audit-number-is-given-twice": Change(
            "FROM audit_events WHERE number IS NULL ORDER BY",
            "FROM audit_events ORDER BY",
            (f"{_SEQUENCER}::test_an_event_committed_late_is_numbered_late_and_leaves_no_gap",),
        ),
        "audit-numbers-the-newest-first": Change(
            "ORDER BY ordinal LIMIT :most", "ORDER BY ordinal DESC LIMIT :most", _IN_ORDER
        ),
        "audit-numbers-a-batch-backwards": Change(
            "    ORDER BY e.ordinal", "    ORDER BY e.ordinal DESC", _IN_ORDER
        ),
        "audit-checkpoints-are-due-by-the-oldest": Change(
            "FROM audit_checkpoints ORDER BY size DESC LIMIT 1",
            "FROM audit_checkpoints ORDER BY size LIMIT 1",
            _DUE,
        ),
        "audit-newest-checkpoint-is-the-oldest": Change(
            "order_by(audit_checkpoints.c.size.desc())", "order_by(audit_checkpoints.c.size)", _ON_DEMAND
        ),
    },
)

GROUPS = (IDEMPOTENCY, TOKENS, AUDIT, PROOF, PATHS, PROVING, KEEPING, SEQUENCER, TREE)
