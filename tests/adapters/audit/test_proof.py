"""What holds without the whole log: an entry under its number, and a log that only grew. Nothing that was touched."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.audit import merkle
from adapters.audit.checkpoint import CheckpointInvalid, CheckpointSigner
from adapters.audit.export import Entry
from adapters.audit.merkle import Place, Tree, leaf_hash
from adapters.audit.proof import MAX_PROOF, Proof, ProofInvalid, verify_entry, verify_growth

SIGNER = CheckpointSigner(Ed25519PrivateKey.from_private_bytes(b"a" * 32), "sluice.test/audit")
STRANGER = CheckpointSigner(Ed25519PrivateKey.from_private_bytes(b"b" * 32), "sluice.test/audit")
KEYS = [SIGNER.key]
SIZES = st.integers(1, 70)


def leaf(number: int, said: str = "done") -> bytes:
    return f'{{"said":"{said}","step":{number}}}'.encode()


class Log:
    """A log of so many entries; from entry `rewritten` on, it tells another story."""

    def __init__(self, size: int, *, rewritten: int | None = None) -> None:
        self.tree, self.nodes = Tree(), dict[Place, bytes]()
        for number in range(size):
            self.nodes.update(self.tree.append(leaf_hash(self.leaf(number, rewritten))))

    @staticmethod
    def leaf(number: int, rewritten: int | None = None) -> bytes:
        return leaf(number, "done" if rewritten is None or number < rewritten else "never")

    def note(self, by: CheckpointSigner = SIGNER) -> str:
        return by.sign(self.tree.size, self.tree.root())

    def proof(self, number: int) -> Proof:
        path = merkle.proof(merkle.inclusion_spans(number, self.tree.size), self.nodes)
        return Proof(Entry(number, leaf(number), leaf_hash(leaf(number))), tuple(path), self.note())

    def path_from(self, old: int) -> list[str]:
        hashes = merkle.proof(merkle.consistency_spans(old, self.tree.size), self.nodes)
        return [base64.b64encode(one).decode() for one in hashes]


@given(SIZES, st.data())
def test_every_entry_is_proved_alone(size: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, size - 1))
    log = Log(size)
    proved = verify_entry(log.proof(number).encode(), KEYS, log.note())
    assert (proved.entry.number, proved.entry.leaf) == (number, leaf(number))
    assert (proved.checkpoint.size, proved.checkpoint.root) == (size, log.tree.root())


def test_the_file_is_the_line_of_an_export_above_a_tlog_proof() -> None:
    line, *below = Log(3).proof(1).encode().decode().split("\n")
    assert (
        line == f'{{"leaf":{{"said":"done","step":1}},"leaf_hash":"{leaf_hash(leaf(1)).hex()}","number":1}}'
    )
    siblings = [base64.b64encode(leaf_hash(leaf(number))).decode() for number in (0, 2)]
    assert below[:5] == ["c2sp.org/tlog-proof@v1", "index 1", *siblings, ""]
    assert "\n".join(below[5:]) == Log(3).note()


@given(st.data())
def test_no_single_bit_of_a_proof_can_be_changed(data: st.DataObject) -> None:
    content = bytearray(Log(6).proof(4).encode())
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    content[place] ^= 1 << bit
    with pytest.raises((ProofInvalid, CheckpointInvalid)):
        verify_entry(bytes(content), KEYS)


def _other_entry(proof: Proof) -> Proof:
    said = leaf(4, "never")
    return replace(proof, entry=Entry(4, said, leaf_hash(said)))


def _other_spelling(proof: Proof) -> Proof:
    said = leaf(4).replace(b":4", b": 4")
    return replace(proof, entry=Entry(4, said, leaf_hash(said)))


TOUCHES: dict[str, Callable[[Proof], Proof]] = {
    "another entry with its own hash": _other_entry,
    "the entry under the hash of another": lambda one: replace(
        one, entry=one.entry._replace(leaf=leaf(4, "never"))
    ),
    "another number": lambda one: replace(one, entry=one.entry._replace(number=5)),
    "a number that the log never reached": lambda one: replace(one, entry=one.entry._replace(number=6)),
    "the path in another order": lambda one: replace(one, path=one.path[::-1]),
    "the path of another entry": lambda one: replace(one, path=Log(6).proof(2).path),
    "a longer path": lambda one: replace(one, path=(*one.path, Log(6).tree.root())),
    "a shorter path": lambda one: replace(one, path=one.path[:-1]),
    "no path": lambda one: replace(one, path=()),
    "the root of a tree rewritten before it": lambda one: replace(one, note=Log(6, rewritten=2).note()),
    "the root of a smaller tree": lambda one: replace(one, note=Log(5).note()),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_what_was_touched_proves_nothing(touch: Callable[[Proof], Proof]) -> None:
    with pytest.raises(ProofInvalid):
        verify_entry(touch(Log(6).proof(4)).encode(), KEYS)


def test_an_entry_in_another_spelling_is_refused_although_it_is_under_the_root() -> None:
    proof = _other_spelling(Log(6).proof(4))
    tree = merkle.root_of([proof.entry.leaf_hash])
    alone = Proof(proof.entry._replace(number=0), (), SIGNER.sign(1, tree))
    with pytest.raises(ProofInvalid, match="not canonical JSON"):
        verify_entry(alone.encode(), KEYS)


def test_a_checkpoint_of_another_key_proves_nothing() -> None:
    log = Log(6)
    with pytest.raises(CheckpointInvalid, match="no known key"):
        verify_entry(replace(log.proof(4), note=log.note(STRANGER)).encode(), KEYS)


def test_a_proof_is_held_against_the_checkpoint_that_was_kept() -> None:
    rewritten = Log(6, rewritten=5)
    proof = rewritten.proof(4).encode()
    assert verify_entry(proof, KEYS, rewritten.note()).entry.number == 4
    with pytest.raises(ProofInvalid, match="the first 6 entries are not those"):
        verify_entry(proof, KEYS, Log(6).note())
    with pytest.raises(ProofInvalid, match="covers 6 entries, the one kept elsewhere 5"):
        verify_entry(proof, KEYS, Log(5).note())
    with pytest.raises(CheckpointInvalid):
        verify_entry(proof, KEYS, rewritten.note(STRANGER))


SOUND = Log(6).proof(4).encode()
HASH = base64.b64encode(b"h" * 32)
HOSTILE = {
    "nothing": b"",
    "a line feed": b"\n",
    "only the entry": SOUND.partition(b"\n")[0] + b"\n",
    "no entry": SOUND.partition(b"\n")[2],
    "an entry that is not ended": SOUND.replace(b"}\n", b"}", 1),
    "too long": SOUND[:-1] + b" " * MAX_PROOF,
    "another format": SOUND.replace(b"tlog-proof@v1", b"tlog-proof@v2"),
    "extra data": SOUND.replace(b"index 4", b"extra YQ==\nindex 4"),
    "an index of another entry": SOUND.replace(b"index 4", b"index 3"),
    "an index with zeros before it": SOUND.replace(b"index 4", b"index 04"),
    "a negative index": SOUND.replace(b"index 4", b"index -4"),
    "an index in other digits": SOUND.replace(b"index 4", "index ٤".encode()),
    "an index beyond all numbers": SOUND.replace(b"index 4", b"index " + b"9" * 5_000),
    "a number beyond all trees": SOUND.replace(b"index 4", b"index " + b"9" * 19).replace(
        b'"number":4', b'"number":' + b"9" * 19
    ),
    "a hash that is too short": SOUND.replace(b"=\n", b"\n", 1),
    "a hash of 31 bytes": SOUND.replace(b"index 4\n", b"index 4\n" + base64.b64encode(b"h" * 31) + b"\n"),
    "a hash that is not base64": SOUND.replace(b"index 4\n", b"index 4\n" + b"*" * 43 + b"=\n"),
    "a hash in another spelling": SOUND.replace(b"index 4\n", b"index 4\n" + HASH[:-2] + b"h=\n"),
    "a path that is too long": SOUND.replace(b"index 4\n", b"index 4\n" + (HASH + b"\n") * 64),
    "a path without end": SOUND.replace(b"index 4\n", b"index 4\n" + (HASH + b"\n") * 50_000),
    "carriage returns": SOUND.replace(b"\n", b"\r\n"),
    "a control character in the checkpoint": SOUND.replace(
        b"sluice.test/audit\n6", b"sluice.test/audit\x1b\n6"
    ),
    "no UTF-8": SOUND.replace("—".encode(), b"\xff"),
    "no checkpoint": SOUND[: SOUND.index(b"\n\n") + 2],
    "text behind the end": SOUND + b"and more\n",
    "a proof behind the end": SOUND * 2,
    "JSON of another kind": b'{"leaf":[[[[\n' * 10,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_as_such(content: bytes) -> None:
    assert content != SOUND
    with pytest.raises((ProofInvalid, CheckpointInvalid)):
        verify_entry(content, KEYS)


def test_a_file_without_end_is_not_read_as_a_proof() -> None:
    with pytest.raises(ProofInvalid, match="too long"):
        Proof.parse(HOSTILE["too long"])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_such(content: bytes) -> None:
    with pytest.raises((ProofInvalid, CheckpointInvalid)):
        verify_entry(content, KEYS)


@given(st.integers(0, 70), SIZES)
def test_a_log_that_only_grew_is_proved_to_have_only_grown(one: int, two: int) -> None:
    old, new = sorted((one, two))
    path = Log(new).path_from(old) if old else []
    assert verify_growth(Log(old).note(), Log(new).note(), path, KEYS).size == new


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_log_that_was_rewritten_within_what_was_kept_is_found(
    one: int, two: int, data: st.DataObject
) -> None:
    old, new = sorted((one, two))
    other = Log(new, rewritten=data.draw(st.integers(0, old - 1)))
    with pytest.raises(ProofInvalid, match=f"begins with the {old} entries"):
        verify_growth(Log(old).note(), other.note(), other.path_from(old), KEYS)


def test_a_log_that_was_rolled_back_is_found() -> None:
    with pytest.raises(ProofInvalid, match="has 5 entries, and had 7"):
        verify_growth(Log(7).note(), Log(5).note(), [], KEYS)


@pytest.mark.parametrize("which", ["kept", "fresh"])
def test_growth_between_checkpoints_of_another_key_is_not_proved(which: str) -> None:
    kept, fresh = Log(5), Log(7)
    notes = (kept.note(STRANGER), fresh.note()) if which == "kept" else (kept.note(), fresh.note(STRANGER))
    with pytest.raises(CheckpointInvalid, match="no known key"):
        verify_growth(*notes, fresh.path_from(5), KEYS)


@pytest.mark.parametrize(
    "path",
    [[], ["no base64"], ["YQ=="], ["ü"], Log(7).path_from(5)[::-1], Log(7).path_from(6), Log(7).path_from(5) * 9],
    ids=["empty", "no base64", "too short", "not ASCII", "reversed", "from another size", "too long"],
)  # fmt: skip
def test_growth_by_a_path_that_was_touched_is_not_proved(path: list[str]) -> None:
    with pytest.raises(ProofInvalid):
        verify_growth(Log(5).note(), Log(7).note(), path, KEYS)


def test_growth_is_proved_by_hashes_only() -> None:
    with pytest.raises(ProofInvalid, match="not one of SHA-256"):
        verify_growth(Log(5).note(), Log(7).note(), ["YQ=="], KEYS)
