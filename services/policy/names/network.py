"""The model: a small convolutional network over hashed words, and the file that it is shipped in.

Words become vectors (a sum of table rows, cached); a window of five is mixed, then with the mean of the line a window of five
again, then one of three; last a score for each label. The receptive field is five tokens to each side, and the line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from services.policy.names.words import BUCKETS

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

ENTITIES = (
    "PERSON", "ORGANIZATION", "LOCATION", "STREET_ADDRESS", "POSTCODE", "AGE", "TITLE", "DATE_OF_BIRTH", "USERNAME",
    "CREDENTIAL", "PERSONAL_NUMBER", "BANK_ACCOUNT", "PHONE_NUMBER",
)  # fmt: skip
LABELS = 1 + len(ENTITIES)
"""0 is outside, ``k+1`` within ``ENTITIES[k]``. Neighbours of one kind are never without a token between them, so none tells a beginning."""
WIDTH = 64
WINDOW = 5
"""Words that the first two layers see at once."""
BLOCK = 96
"""Tokens whose windows are worked out at a time: as many as the processor keeps near, and fewer bytes than the C library asks the
kernel for anew each time (128 kB), which would take as long as the sums."""
FORMAT = 1


class ModelBroken(RuntimeError):
    """The shipped model cannot be read: redaction must not run without it. Install the package again."""


@dataclass(frozen=True)
class Network:
    """The parameters, as float32 but for the table: ``table`` is int8, to be multiplied with its row's ``scale``.

    Products of float16, as they are on disk, would be taken one number at a time.
    """

    table: npt.NDArray[np.int8]
    scale: Floats
    word_bias: Floats
    first: Floats
    """WINDOW·WIDTH columns: what a word adds to its neighbours' windows, from two places before to two places after."""
    first_bias: Floats
    second: Floats
    second_line: Floats
    second_bias: Floats
    third: Floats
    third_bias: Floats
    out: Floats
    out_bias: Floats
    listed_hashes: npt.NDArray[np.uint32]
    """Sorted; the words on the lists, as hashes."""
    listed_bits: npt.NDArray[np.uint8]

    @classmethod
    def load(cls, path: Path) -> Self:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if int(stored["format"]) != FORMAT:
                    raise ModelBroken(f"the name model {path.name} has format {int(stored['format'])}, not {FORMAT}")
                network = cls(**{field.name: _widened(stored[field.name]) for field in fields(cls)})
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise ModelBroken(f"the name model {path.name} cannot be read: {error}") from error
        if network.table.shape != (BUCKETS, WIDTH) or network.out.shape != (WIDTH, LABELS):
            raise ModelBroken(f"the name model {path.name} has another shape than this version expects")
        return network

    def save(self, path: Path) -> None:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        # Halves on disk: the difference does not show, the size does.
        stored = {name: array.astype(np.float16) if array.dtype == np.float32 else array for name, array in arrays.items()}
        np.savez_compressed(path, allow_pickle=False, format=np.int32(FORMAT), **stored)

    def words(self, rows: Ints) -> Floats:
        """(words, FEATURES) table rows -> (words, WINDOW * WIDTH): what each word adds to its neighbours' windows, and to its own."""
        summed = self.scale.take(rows)[:, None, :] @ self.table.take(rows, axis=0).astype(np.float32)
        return np.maximum(summed[:, 0] + self.word_bias, 0) @ self.first

    def scores(self, words: Iterable[Floats], lines: Ints, tokens: int) -> Floats:
        """What the ``tokens`` add, in blocks of some, and each line's first token -> (tokens, LABELS)."""
        margin = WINDOW // 2
        padded = _mixed(words, tokens, WINDOW)
        h1 = padded[margin : margin + tokens]
        h1 += self.first_bias
        np.maximum(h1, 0, out=h1)
        # What fell beyond the first and the last word is nobody's.
        padded[:margin] = padded[margin + tokens :] = 0
        lengths = np.empty_like(lines)
        np.subtract(lines[1:], lines[:-1], out=lengths[:-1])
        lengths[-1] = tokens - lines[-1]
        mean = np.add.reduceat(h1, lines, axis=0) / lengths[:, None].astype(np.float32)
        of_line = (mean @ self.second_line + self.second_bias).astype(np.float32, copy=False).repeat(lengths, axis=0)
        padded_wide = np.zeros((tokens + 2, WIDTH), np.float32)
        wide = padded_wide[1 : 1 + tokens]
        np.add(_windows(padded, self._second_parts, tokens), of_line, out=wide)
        np.maximum(wide, 0, out=wide)
        wide += h1
        h3 = _windows(padded_wide, self._third_parts, tokens)
        h3 += self.third_bias
        np.maximum(h3, 0, out=h3)
        h3 += wide
        return h3 @ self.out + self.out_bias

    @cached_property
    def _second_parts(self) -> list[Floats]:
        return _parts(self.second)

    @cached_property
    def _third_parts(self) -> list[Floats]:
        return _parts(self.third)


def _widened(stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return stored.astype(np.float32) if stored.dtype == np.float16 else stored


def _parts(weights: Floats) -> list[Floats]:
    """The weights of a layer by what they are multiplied with: the first word of a window, the second and so on."""
    # A word's own columns begin with what it adds to the word that it is the last one seen of.
    return [np.ascontiguousarray(part) for part in reversed(np.split(weights, weights.shape[1] // WIDTH, axis=1))]


def _windows(padded: Floats, parts: Sequence[Floats], tokens: int) -> Floats:
    """(tokens + window - 1, WIDTH), each token with its neighbours -> (tokens, WIDTH).

    A product for each place in the window: a quarter less than one of all of them, whose parts would then be added up.
    """
    summed = padded[:tokens] @ parts[0]
    part = np.empty_like(summed)
    for place in range(1, len(parts)):
        np.matmul(padded[place : place + tokens], parts[place], out=part)
        summed += part
    return summed


def mix(blocks: Iterable[Floats], tokens: int, window: int) -> Floats:
    """Blocks of (tokens, window * WIDTH), where part ``k`` of a token is for the token ``k - window//2`` places on -> (tokens, WIDTH)."""
    middle = window // 2
    return _mixed(blocks, tokens, window)[middle : middle + tokens]


def _mixed(blocks: Iterable[Floats], tokens: int, window: int) -> Floats:
    """``mix`` with what falls before the first token and after the last."""
    mixed = np.zeros((tokens + window - 1, WIDTH), np.float32)
    at = 0
    for block in blocks:
        parts = block.reshape(len(block), window, WIDTH)
        for k in range(window):
            mixed[at + k : at + k + len(parts)] += parts[:, k]
        at += len(parts)
    return mixed


__all__ = ["BLOCK", "ENTITIES", "LABELS", "WIDTH", "WINDOW", "Floats", "Ints", "ModelBroken", "Network", "mix"]
