"""The Merkle tree of RFC 6962 §2.1 over the audit chain: short proofs that one event, or one earlier state, is part of a signed one.

Leaf ``i`` is the chain's hash after event ``i + 1``, so that each leaf stands for its event and for all before it. Whoever holds a signed
root checks an event with some twenty hashes instead of the whole log.

All is computed from the hashes of *complete* subtrees (2^level leaves that begin at a multiple of 2^level), which never change once
they exist; that is why they can be stored, and why nothing but new ones has to be computed as the log grows.
"""

import hashlib
from collections.abc import Callable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

Node = Callable[[int, int], bytes]
"""Level, index: the hash of the complete subtree over the leaves from ``index << level``."""


class BadProof(Exception):
    """The path does not lead from what it is about to the root that it should."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf; the first byte keeps leaves and inner nodes apart."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over ``hashes`` (of leaves or of equally high subtrees), whose number is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def root(size: int, node: Node) -> bytes:
    """The root over the first ``size`` leaves."""
    return _subtree(0, size, node) if size else EMPTY


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf ``index`` (from 0) in the tree of ``size`` leaves (§2.1.1), from the leaf up."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(middle, end, node))
            end = middle
        else:
            path.append(_subtree(start, middle, node))
            start = middle
    return path[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that ``path`` leads to from the hash of leaf ``index`` (RFC 9162 §2.1.3.2). Raises BadProof when it cannot."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} among {size}")
    found, place, last = leaf, index, size - 1
    for other in path:
        if last == 0:
            raise BadProof("the path is longer than the tree is high")
        if place & 1 or place == last:
            found = node_hash(other, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, other)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("the path is shorter than the tree is high")
    return found


def consistency_path(first: int, second: int, node: Node) -> list[bytes]:
    """What proves that the tree of ``first`` leaves is the beginning of that of ``second`` (§2.1.2)."""
    if not 0 < first <= second:
        raise ValueError(f"{first} leaves are no beginning of {second}")
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_subtree(middle, end, node))
            end = middle
        else:
            path.append(_subtree(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(_subtree(start, end, node))
    return path[::-1]


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> None:
    """Raises BadProof unless ``path`` leads to both roots (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= second:
        raise BadProof(f"{first} leaves are no beginning of {second}")
    if first == second:
        if path or first_root != second_root:
            raise BadProof("two trees of one size differ")
        return
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        raise BadProof("the path is empty")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    one = two = steps[0]
    for other in steps[1:]:
        if last == 0:
            raise BadProof("the path is longer than the tree is high")
        if place & 1 or place == last:
            one, two = node_hash(other, one), node_hash(other, two)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            two = node_hash(two, other)
        place, last = place >> 1, last >> 1
    if last or one != first_root or two != second_root:
        raise BadProof("the earlier tree is not the beginning of the later one")


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _subtree(start: int, end: int, node: Node) -> bytes:
    """The root over the leaves from ``start`` to before ``end``. Only the last subtree of a tree is incomplete."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(size)
    return node_hash(_subtree(start, middle, node), _subtree(middle, end, node))


BLOCK = 8
"""The lowest level that is stored: below, up to 256 leaves are hashed anew, so that the store grows by 1/256 and not twofold."""


class Reader:
    """A ``Node`` over stored leaves and stored nodes from level BLOCK up; it remembers what it read."""

    def __init__(self, leaves: Callable[[int, int], Sequence[bytes]], node: Callable[[int, int], bytes]) -> None:
        self._leaves = leaves
        """First index, number: the leaves themselves."""
        self._node = node
        self._known: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        found = self._known.get((level, index))
        if found is None:
            found = self._node(level, index) if level >= BLOCK else self._folded(level, index)
            self._known[level, index] = found
        return found

    def _folded(self, level: int, index: int) -> bytes:
        return fold([leaf_hash(leaf) for leaf in self._leaves(index << level, 1 << level)])


def completed(size: int, added: int, leaves: Callable[[int, int], Sequence[bytes]], node: Node) -> dict[tuple[int, int], bytes]:
    """The nodes from level BLOCK up that become complete when a tree of ``size`` leaves grows by ``added``.

    ``leaves`` gives leaves, the new ones too; ``node`` those that were complete before.
    """
    found: dict[tuple[int, int], bytes] = {}
    for block in range(size >> BLOCK, (size + added) >> BLOCK):
        level, index = BLOCK, block
        found[level, index] = fold([leaf_hash(leaf) for leaf in leaves(block << BLOCK, 1 << BLOCK)])
        while index & 1:
            left = found.get((level, index - 1)) or node(level, index - 1)
            found[level + 1, index >> 1] = node_hash(left, found[level, index])
            level, index = level + 1, index >> 1
    return found


class Tree:
    """A tree in memory, 32 bytes a leaf."""

    def __init__(self) -> None:
        self._leaves = bytearray()
        self._nodes: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return len(self._leaves) // 32

    def append(self, leaf: bytes) -> None:
        """Add a leaf of 32 bytes."""
        before = self.size
        self._leaves += leaf
        self._nodes |= completed(before, 1, self.leaves, lambda level, index: self._nodes[level, index])

    def leaves(self, first: int, count: int) -> list[bytes]:
        """Leaves from index ``first`` on."""
        return [bytes(self._leaves[32 * i : 32 * i + 32]) for i in range(first, min(first + count, self.size))]

    def reader(self) -> Reader:
        """Its nodes, for the functions of this module."""
        return Reader(self.leaves, lambda level, index: self._nodes[level, index])

    def root(self, size: int) -> bytes:
        """The root over its first ``size`` leaves."""
        return root(size, self.reader())
