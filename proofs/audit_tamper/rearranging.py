"""Everything else that can be done to an export: entries and lines put in, taken out, moved, cut off, and re-chained.

Whoever has the file but no key can do the first kinds; they are found without anything kept elsewhere. The last ones
need the log's own key, or cut the log at one of its own checkpoints: a checkpoint kept elsewhere finds them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from adapters.audit.export import CheckpointLine, Entry, Footer, Header, entry_line, line_of, read_entry
from adapters.audit.merkle import leaf_hash
from adapters.audit.verify import verify_export
from proofs.audit_tamper.log import Log, made, rewritten, signer_of

Lines = list[bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to tamper with a file."""

    name: str
    apply: Callable[[Log, Log, random.Random], Lines]
    """Takes the log, another log under another key, and chance; returns the file."""
    needs_kept: bool = False
    """Whether only a checkpoint kept elsewhere can find it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one file."""

    kind: str
    is_found: bool
    is_found_alone: bool
    """Without a checkpoint kept elsewhere."""


def tried(log: Log, other: Log, seed: int, number: int) -> Tried:
    """Tamper once, the way that the number says, and verify."""
    chance = random.Random(seed * 1_000_003 + number)  # noqa: S311  replayable, no secret
    kind = KINDS[number % len(KINDS)]
    lines = kind.apply(log, other, chance)
    while lines == list(log.lines):
        lines = kind.apply(log, other, chance)
    alone = not verify_export(lines, [log.signer.key]).is_sound
    kept = alone or not verify_export(lines, [log.signer.key], log.kept).is_sound
    return Tried(kind.name, kept if kind.needs_kept else alone, alone)


def other_than(log: Log, seed: int) -> Log:
    """Return a log of the same shape with other events, under another key."""
    return made(len(log.entries), seed + 1_000, every=log.every)


def _entry_at(log: Log, chance: random.Random) -> int:
    """Index of a line that holds an entry."""
    while True:
        at = chance.randrange(1, len(log.lines) - 1)
        if read_entry(log.lines[at]) is not None:
            return at


def _drop(log: Log, _: Log, chance: random.Random) -> Lines:
    at = chance.randrange(len(log.lines))
    return [*log.lines[:at], *log.lines[at + chance.choice((1, 1, 1, 2, 17)) :]]


def _double(log: Log, _: Log, chance: random.Random) -> Lines:
    at, to = chance.randrange(len(log.lines)), chance.randrange(len(log.lines) + 1)
    return [*log.lines[:to], log.lines[at], *log.lines[to:]]


def _foreign(log: Log, other: Log, chance: random.Random) -> Lines:
    """An entry of another log in place of the one with its number: right in itself."""
    at = _entry_at(log, chance)
    return [*log.lines[:at], other.lines[at], *log.lines[at + 1 :]]


def _insert(log: Log, other: Log, chance: random.Random) -> Lines:
    """A new entry, and everything behind it numbered anew."""
    at = _entry_at(log, chance)
    return _numbered([*log.lines[:at], other.lines[at], *log.lines[at:]])


def _close_the_gap(log: Log, _: Log, chance: random.Random) -> Lines:
    """An entry taken out, and everything behind it numbered anew."""
    at = _entry_at(log, chance)
    return _numbered([*log.lines[:at], *log.lines[at + 1 :]])


def _swap(log: Log, _: Log, chance: random.Random) -> Lines:
    one = chance.randrange(len(log.lines))
    two = min(one + 1, len(log.lines) - 1) if chance.random() < 0.5 else chance.randrange(len(log.lines))
    lines = list(log.lines)
    lines[one], lines[two] = lines[two], lines[one]
    return lines


def _swap_contents(log: Log, _: Log, chance: random.Random) -> Lines:
    """Two entries trade places, and each takes the number of its new one."""
    one, two = _entry_at(log, chance), _entry_at(log, chance)
    lines = list(log.lines)
    lines[one], lines[two] = lines[two], lines[one]
    return _numbered(lines)


def _move(log: Log, _: Log, chance: random.Random) -> Lines:
    lines = list(log.lines)
    lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
    return lines


def _cut_anywhere(log: Log, _: Log, chance: random.Random) -> Lines:
    return log.content[: chance.randrange(len(log.content))].splitlines(keepends=True)


def _cut_and_end(log: Log, _: Log, chance: random.Random) -> Lines:
    """Cut between checkpoints, with a head and an end that fit."""
    size = chance.randrange(1, len(log.entries))
    return _ended(log, size if size % log.every else size + 1)


def _edit(log: Log, _: Log, chance: random.Random) -> Lines:
    """An entry rewritten together with its hash; the tree above it stays."""
    at = _entry_at(log, chance)
    return [*log.lines[:at], entry_line(_edited(_read(log.lines[at]), chance)), *log.lines[at + 1 :]]


def _respell(log: Log, _: Log, chance: random.Random) -> Lines:
    """The same content spelled another way, with a hash that fits."""
    at = _entry_at(log, chance)
    entry = _read(log.lines[at])
    leaf = _respelled(entry.leaf, chance)
    return [*log.lines[:at], entry_line(Entry(entry.number, leaf, leaf_hash(leaf))), *log.lines[at + 1 :]]


def _respell_the_line(log: Log, _: Log, chance: random.Random) -> Lines:
    """The frame around an entry spelled another way; what is hashed stays."""
    at = _entry_at(log, chance)
    entry = _read(log.lines[at])
    leaf, digest, number = entry.leaf.decode(), entry.leaf_hash.hex(), entry.number
    spelled = chance.choice(
        (
            f'{{"leaf": {leaf},"leaf_hash":"{digest}","number":{number}}}\n',
            f'{{"number":{number},"leaf":{leaf},"leaf_hash":"{digest}"}}\n',
            f'{{"leaf":{leaf},"leaf_hash":"{digest.upper()}","number":{number}}}\n',
            f'{{"leaf":{leaf},"leaf_hash":"{digest}","number":0{number}}}\n',
            f'{{"leaf":{leaf},"leaf_hash":"{digest}","number":{number}.0}}\n',
            f'{{"leaf":{leaf},"leaf_hash":"{digest}","number":{number}}}\r\n',
            f'{{"leaf":{leaf},"leaf_hash":"{digest}","number":{number}}} \n',
            f'\ufeff{{"leaf":{leaf},"leaf_hash":"{digest}","number":{number}}}\n',
            f'{{"leaf":{leaf},"leaf":{leaf},"leaf_hash":"{digest}","number":{number}}}\n',
        )
    )
    return [*log.lines[:at], spelled.encode(), *log.lines[at + 1 :]]


def _count_otherwise(log: Log, _: Log, chance: random.Random) -> Lines:
    """Other counts in the head, the end, or both."""
    size, tail = len(log.entries) + chance.choice((-1, 1, 7)), chance.choice((0, 3))
    head, end = (
        line_of(Header(origin=log.signer.key.name, size=size, tail=tail)),
        line_of(Footer(size=size, tail=tail)),
    )
    which = chance.choice(("head", "end", "both"))
    first = log.lines[0] if which == "end" else head
    return [first, *log.lines[1:-1], log.lines[-1] if which == "head" else end]


def _checkpoint_of_another(log: Log, other: Log, chance: random.Random) -> Lines:
    """A checkpoint of another log in place of one of this: a key that nobody here trusts."""
    places = [at for at, line in enumerate(log.lines) if line.startswith(b'{"checkpoint"')]
    at = chance.choice(places)
    return [*log.lines[:at], other.lines[at], *log.lines[at + 1 :]]


def _rechain_under_another_key(log: Log, _: Log, chance: random.Random) -> Lines:
    """The whole log rewritten and signed, with a key of one's own."""
    return rewritten(_tampered(log, chance), signer_of(chance.getrandbits(32)), every=log.every)


def _respell_and_rechain(log: Log, _: Log, chance: random.Random) -> Lines:
    """An entry with two readings under the log's own key: a forger inside. Found without anything kept elsewhere."""
    at, entries = chance.randrange(len(log.entries)), list(log.entries)
    leaf = _respelled(entries[at].leaf, chance)
    entries[at] = Entry(at, leaf, leaf_hash(leaf))
    return rewritten(entries, log.signer, every=log.every)


def _rechain(log: Log, _: Log, chance: random.Random) -> Lines:
    """The whole log rewritten and signed with its own key."""
    return rewritten(_tampered(log, chance), log.signer, every=log.every)


def _cut_at_a_checkpoint(log: Log, _: Log, chance: random.Random) -> Lines:
    """The log as it was at one of its own checkpoints."""
    return _ended(log, log.every * chance.randrange(1, len(log.entries) // log.every))


def _tampered(log: Log, chance: random.Random) -> list[Entry]:
    entries = list(log.entries)
    at = chance.randrange(len(entries))
    what = chance.randrange(3)
    if what == 0:
        del entries[at]
    elif what == 1:
        entries[at] = _edited(entries[at], chance)
    else:
        entries.insert(at, _edited(entries[at], chance))
    return entries


def _edited(entry: Entry, chance: random.Random) -> Entry:
    leaf = entry.leaf.replace(b'"tenant":"default"', b'"tenant":"x%d"' % chance.randrange(10**6))
    return Entry(entry.number, leaf, leaf_hash(leaf))


def _respelled(leaf: bytes, chance: random.Random) -> bytes:
    """Another spelling: most say the same, a key that stands twice says two things."""
    content = json.loads(leaf)
    return chance.choice(
        (
            leaf.replace(b":", b": ", 1),
            leaf + b" ",
            leaf.replace(b'"tenant":"default"', b'"tenant":"other","tenant":"default"'),
            leaf.replace(b"default", b"def\\u0061ult", 1),
            leaf.replace(b'"schema_version":1', b'"schema_version":1.0'),
            leaf.replace(b'"schema_version":1', b'"schema_version":1e0'),
            json.dumps(dict(reversed(content.items())), separators=(",", ":"), ensure_ascii=False).encode(),
            b"\xef\xbb\xbf" + leaf,
            leaf.replace(b"default", b"def\xffult", 1),
        )
    )


def _numbered(lines: Lines) -> Lines:
    """Give entries the numbers of their places, and head and end their count. Checkpoints stay where they fit."""
    read = [(line, read_entry(line)) for line in lines]
    count, found = 0, []
    for line, entry in read:
        found.append(line if entry is None else entry_line(entry._replace(number=count)))
        count += entry is not None
    header, footer = Header.model_validate_json(lines[0]), Footer.model_validate_json(lines[-1])
    found[0] = line_of(header.model_copy(update={"size": count}))
    found[-1] = line_of(footer.model_copy(update={"size": count}))
    return found


def _ended(log: Log, size: int) -> Lines:
    kept, count = [line_of(Header(origin=log.signer.key.name, size=size, tail=0))], 0
    for line in log.lines[1:-1]:
        is_entry = read_entry(line) is not None
        if is_entry and count == size:
            break
        count += is_entry
        kept.append(line)
    return [*kept, line_of(Footer(size=size, tail=0))]


def _read(line: bytes) -> Entry:
    entry = read_entry(line)
    if entry is None:
        raise ValueError("not an entry")
    return entry


def _previous_otherwise(log: Log, _: Log, chance: random.Random) -> Lines:
    """A checkpoint that names another one before it."""
    places = [at for at, line in enumerate(log.lines) if line.startswith(b'{"checkpoint"')]
    at = chance.choice(places)
    content = CheckpointLine.model_validate_json(log.lines[at])
    other = content.model_copy(update={"previous": content.previous + chance.choice((1, log.every))})
    return [*log.lines[:at], line_of(other), *log.lines[at + 1 :]]


KINDS = (
    Kind("lines taken out", _drop),
    Kind("a line doubled", _double),
    Kind("another log's entry", _foreign),
    Kind("an entry put in, numbered anew", _insert),
    Kind("an entry taken out, numbered anew", _close_the_gap),
    Kind("lines swapped", _swap),
    Kind("contents swapped, numbered anew", _swap_contents),
    Kind("a line moved", _move),
    Kind("cut anywhere", _cut_anywhere),
    Kind("cut between checkpoints", _cut_and_end),
    Kind("an entry rewritten with its hash", _edit),
    Kind("an entry spelled otherwise", _respell),
    Kind("a line spelled otherwise", _respell_the_line),
    Kind("counted otherwise", _count_otherwise),
    Kind("another log's checkpoint", _checkpoint_of_another),
    Kind("another checkpoint before", _previous_otherwise),
    Kind("re-chained under another key", _rechain_under_another_key),
    Kind("spelled otherwise and re-chained under its own key", _respell_and_rechain),
    Kind("re-chained under its own key", _rechain, needs_kept=True),
    Kind("cut at a checkpoint", _cut_at_a_checkpoint, needs_kept=True),
)
