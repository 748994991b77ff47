from __future__ import annotations

from adapters.store.advisory_locks import derived_lock


def test_a_derived_lock_is_the_same_in_every_version() -> None:
    assert derived_lock("idempotency", "local/ana", "key") == 0x504CD44672C9C881
    assert derived_lock("coalesce", "gke.node_pool/a") == 0x53CA211AFCB0D0C5
