from __future__ import annotations

import re
from collections import Counter

from proofs.catalogue import PROOFS
from proofs.mutants.catalogue import MUTANTS
from proofs.mutants.mutant import Promise
from tests.docs.pages import REFERENCE, rows

TABLE = {row[0]: row for row in rows("proofs.md") if row[0] in set(Promise)}


def test_the_page_tells_how_many_mutants_break_each_promise_and_where() -> None:
    counted = Counter(one.promise for one in MUTANTS)
    assert {promise: int(row[1]) for promise, row in TABLE.items()} == dict(counted)
    for promise, row in TABLE.items():
        files = dict.fromkeys(one.file for one in MUTANTS if one.promise == promise)
        assert re.findall(r"`([^`]+)`", row[2]) == list(files)


def test_the_page_has_a_row_for_every_proof_in_their_order() -> None:
    page = (REFERENCE / "proofs.md").read_text()
    assert re.findall(r"^\| `make proof-([a-z-]+)`", page, re.MULTILINE) == [one.name for one in PROOFS]
