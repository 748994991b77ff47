from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.audit import merkle
from adapters.audit.merkle import Node, Place, Span, Tree

# Test vectors of the reference implementation of RFC 6962 (google/certificate-transparency, merkletree tests).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 300)


def leaf(index: int) -> bytes:
    return merkle.leaf_hash(str(index).encode())


def grown(size: int) -> tuple[Tree, dict[Place, bytes]]:
    tree, nodes = Tree(), dict[Place, bytes]()
    for index in range(size):
        nodes.update(tree.append(leaf(index)))
    return tree, nodes


def by_definition(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word by word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return merkle.node_hash(by_definition(hashes[:k]), by_definition(hashes[k:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert merkle.root_of(merkle.leaf_hash(one) for one in LEAVES[:size]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root() == merkle.EMPTY_ROOT == by_definition([])


@given(SIZES)
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    tree, nodes = grown(size)
    assert tree.root() == by_definition([leaf(index) for index in range(size)])
    assert tree.edge == [nodes[place] for place in merkle.subtrees(Span(0, size))]


@given(SIZES)
def test_every_complete_subtree_is_given_out_once(size: int) -> None:
    tree, given_out = Tree(), list[Node]()
    for index in range(size):
        given_out += tree.append(leaf(index))
    assert {node.place for node in given_out} == {
        Place(level, position) for level in range(size.bit_length()) for position in range(size >> level)
    }
    assert len(given_out) == len({node.place for node in given_out})


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_leaf_and_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree, nodes = grown(size)
    path = merkle.proof(merkle.inclusion_spans(index, size), nodes)
    root = tree.root()
    assert merkle.verify_inclusion(leaf(index), index, size, path, root)
    assert not merkle.verify_inclusion(leaf(size + 1), index, size, path, root)
    assert not merkle.verify_inclusion(leaf(index), index, size, [*path, root], root)
    assert not merkle.verify_inclusion(leaf(index), index, size, path, leaf(index + 1))
    for other in range(size):
        assert other == index or not merkle.verify_inclusion(leaf(index), other, size, path, root)
    for dropped in range(len(path)):
        assert not merkle.verify_inclusion(
            leaf(index), index, size, path[:dropped] + path[dropped + 1 :], root
        )


@given(SIZES, SIZES, st.data())
def test_a_consistency_proof_holds_for_a_grown_tree_only(one: int, two: int, data: st.DataObject) -> None:
    old, new = sorted((one, two))
    old_root, (tree, nodes) = grown(old)[0].root(), grown(new)
    path = merkle.proof(merkle.consistency_spans(old, new), nodes)
    assert merkle.verify_consistency(old, old_root, new, tree.root(), path)
    other = leaf(10_000)
    assert not merkle.verify_consistency(old, other, new, tree.root(), path)
    assert not merkle.verify_consistency(old, old_root, new, other, path)
    assert not merkle.verify_consistency(old, old_root, new, tree.root(), [*path, other])
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        forged = [*path[:place], other, *path[place + 1 :]]
        assert not merkle.verify_consistency(old, old_root, new, tree.root(), forged)
        assert not merkle.verify_consistency(old, old_root, new, tree.root(), path[:-1])


def test_every_tree_is_consistent_with_the_empty_one() -> None:
    root = grown(5)[0].root()
    assert merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, root, [])
    assert not merkle.verify_consistency(0, root, 5, root, [])
    assert not merkle.verify_consistency(6, root, 5, root, [])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    assert not merkle.verify_inclusion(leaf(0), index, size, [], leaf(0))
    with pytest.raises(ValueError):
        merkle.inclusion_spans(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_sizes_in_the_wrong_order_have_no_consistency_proof(old: int, new: int) -> None:
    with pytest.raises(ValueError):
        merkle.consistency_spans(old, new)
