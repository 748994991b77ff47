"""AUDIT: the Merkle tree of RFC 6962 §2.1 and its proofs. Pure.

A tree of any size is made of perfect subtrees. One of them is named by its level (0 = leaf) and its position
among those of its level. A perfect subtree never changes once it is complete, so the store keeps exactly these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

HASH_BYTES = hashlib.sha256().digest_size
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 §2.1)."""


class Place(NamedTuple):
    """Where a perfect subtree stands. It covers leaves `position << level` up to `(position + 1) << level`."""

    level: int
    position: int


class Node(NamedTuple):
    """A perfect subtree and its hash."""

    place: Place
    hash: bytes


class Span(NamedTuple):
    """Leaves from `begin` up to, not including, `end`."""

    begin: int
    end: int


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256 over 0x00 and the leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtrees(span: Span) -> list[Place]:
    """Return the perfect subtrees a span is made of, from left to right: at most 2·log2 of its length."""
    places: list[Place] = []
    begin = span.begin
    while begin < span.end:
        aligned = (begin & -begin).bit_length() - 1 if begin else span.end.bit_length()
        level = min(aligned, (span.end - begin).bit_length() - 1)
        places.append(Place(level, begin >> level))
        begin += 1 << level
    return places


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over neighbouring subtrees of falling size, as `subtrees` orders a span that RFC 6962 cuts."""
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


@dataclass(slots=True)
class Tree:
    """An append-only tree of which only the right edge is kept: `size` leaves, log2(size) hashes."""

    size: int = 0
    edge: list[bytes] = field(default_factory=list)
    """Hashes of `subtrees(Span(0, size))`."""

    def append(self, leaf: bytes) -> list[Node]:
        """Add a leaf by its hash; return every perfect subtree that it completes, the leaf itself first."""
        place, present = Place(0, self.size), leaf
        completed = [Node(place, present)]
        self.edge.append(leaf)
        while place.position % 2:
            right, left = self.edge.pop(), self.edge.pop()
            present = node_hash(left, right)
            place = Place(place.level + 1, place.position // 2)
            self.edge.append(present)
            completed.append(Node(place, present))
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Return the root hash."""
        return fold(self.edge) if self.edge else EMPTY_ROOT


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaves given by their hashes."""
    tree = Tree()
    for one in leaf_hashes:
        tree.append(one)
    return tree.root()


def _split(size: int) -> int:
    """Return the largest power of two below `size` (RFC 6962 §2.1)."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Return the spans whose hashes are the inclusion proof of a leaf, from the leaf upwards (RFC 6962 §2.1.1).

    Raises:
        ValueError: the tree of that size has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans: list[Span] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """Return the spans whose hashes prove that the first `old` leaves were not touched (RFC 6962 §2.1.2).

    Raises:
        ValueError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"there is no consistency proof from {old} to {new}")
    spans: list[Span] = []
    begin, end, is_left_edge = 0, new, True
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin, is_left_edge = middle, False
    if not is_left_edge:
        spans.append(Span(begin, end))
    return spans[::-1]


def places_of(spans: Iterable[Span]) -> list[Place]:
    """Return every perfect subtree that hashing these spans needs."""
    return [place for span in spans for place in subtrees(span)]


def proof(spans: Iterable[Span], nodes: Mapping[Place, bytes] | Callable[[Place], bytes]) -> list[bytes]:
    """Return the hash of each span, from stored perfect subtrees.

    Raises:
        KeyError: one of `places_of(spans)` is not among the nodes.
    """
    read = nodes.__getitem__ if isinstance(nodes, Mapping) else nodes
    return [fold([read(place) for place in subtrees(span)]) for span in spans]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a leaf, by its hash, is at `index` in the tree of that size and root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, present = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            present = node_hash(sibling, present)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            present = node_hash(present, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and present == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether the tree of size `new` begins with the tree of size `old` (RFC 9162 §2.1.4.2)."""
    if old == new:
        return old_root == new_root and not path
    if not 0 < old < new:
        return old == 0 and new > 0 and not path and old_root == EMPTY_ROOT
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not hashes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_seen = new_seen = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_seen, new_seen = node_hash(sibling, old_seen), node_hash(sibling, new_seen)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_seen = node_hash(new_seen, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_seen == old_root and new_seen == new_root
