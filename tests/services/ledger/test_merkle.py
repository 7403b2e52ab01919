"""The Merkle tree: RFC 6962's own numbers, proofs of every leaf and every growth, and that no other proof passes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.audit import merkle
from services.ledger.audit.merkle import BadProof, Tree

LEAVES = [hashlib.sha256(bytes([n & 255, n >> 8])).digest() for n in range(600)]

# The leaves and roots that Certificate Transparency's implementations are tested with (merkletree_test.go).
CT_LEAVES = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def tree_of(size: int) -> Tree:
    tree = Tree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


TREE = tree_of(len(LEAVES))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert plain_root(CT_LEAVES[:size]).hex() == CT_ROOTS[size - 1]


@pytest.mark.parametrize("size", [*range(70), 255, 256, 257, 511, 512, 513, 600])
def test_a_tree_has_at_every_size_the_root_of_the_definition(size: int) -> None:
    assert TREE.root(size) == plain_root(LEAVES[:size])


@given(st.integers(1, 600), st.data())
def test_every_leaf_is_proven_by_few_hashes_and_by_no_others(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, TREE.reader())
    assert len(path) <= (size - 1).bit_length()
    leaf = merkle.leaf_hash(LEAVES[index])
    root = TREE.root(size)
    assert merkle.root_from_inclusion(leaf, index, size, path) == root
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert not leads(merkle.leaf_hash(LEAVES[other]), index, size, path, root)
        assert not leads(leaf, other, size, path, root)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        assert not leads(leaf, index, size, [*path[:place], bytes(32), *path[place + 1 :]], root)
        assert not leads(leaf, index, size, path[:-1], root)
    assert not leads(leaf, index, size, [*path, bytes(32)], root)


def leads(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    try:
        return merkle.root_from_inclusion(leaf, index, size, path) == root
    except BadProof:
        return False


@given(st.integers(1, 600), st.data())
def test_every_growth_is_proven_and_none_that_did_not_happen(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    path = merkle.consistency_path(first, second, TREE.reader())
    one, two = TREE.root(first), TREE.root(second)
    merkle.check_consistency(first, one, second, two, path)
    for forged in ((bytes(32), two, path), (one, bytes(32), path), (one, two, [*path, bytes(32)])):
        with pytest.raises(BadProof):
            merkle.check_consistency(first, forged[0], second, forged[1], forged[2])
    if path:
        with pytest.raises(BadProof):
            merkle.check_consistency(first, one, second, two, path[:-1])


@given(st.lists(st.integers(1, 300), max_size=8))
def test_nodes_that_are_stored_batch_by_batch_are_those_of_the_whole_tree(batches: list[int]) -> None:
    stored: dict[tuple[int, int], bytes] = {}
    size = 0

    def node(level: int, index: int) -> bytes:
        return stored[level, index]

    for batch in batches:
        added = min(batch, len(LEAVES) - size)
        stored.update(merkle.completed(size, added, TREE.leaves, node))
        size += added
    whole = merkle.completed(0, size, TREE.leaves, lambda level, index: b"")
    assert stored == whole
    assert len(stored) <= size // 128
    reader = merkle.Reader(TREE.leaves, node)
    assert merkle.root(size, reader) == plain_root(LEAVES[:size])


def test_impossible_questions_are_refused() -> None:
    for wrong in ((-1, 5), (5, 5), (0, 0)):
        with pytest.raises(ValueError):
            merkle.inclusion_path(*wrong, TREE.reader())
        with pytest.raises(BadProof):
            merkle.root_from_inclusion(bytes(32), *wrong, [])
    for first, second in ((0, 3), (4, 3)):
        with pytest.raises(ValueError):
            merkle.consistency_path(first, second, TREE.reader())
        with pytest.raises(BadProof):
            merkle.check_consistency(first, bytes(32), second, bytes(32), [])
